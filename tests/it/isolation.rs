//! What is somebody else's answers as what is nowhere: every operation that takes an id, in its path, its body or its query,
//! with another tenant's and with an unused one. Made from the route table and the documented fields, so that a new
//! operation is tried as soon as it has a row.

use crate::bad_cases::with_query;
use crate::cast::{Owner, unlimited};
use crate::documented::{self, Field};
use crate::on_both_engines;
use crate::refusals::in_the_envelope;
use crate::stored;
use crate::world::World;
use serde_json::{Value, json};
use skylight::http::{Route, Who};
use skylight_test_support::http::HttpResponse;
use std::collections::BTreeSet;

/// Nobody's.
const UNUSED: i64 = 999_999_999;
/// Stands in the names of everything that is the other tenants'.
const THEIRS: &str = "sahara";

on_both_engines! {
    async fn an_id_in_a_path(world: World) {
        let (own, others) = tenants(&world).await;
        let mut tried = Vec::new();
        for route in keyed().filter(Route::has_id) {
            let (path, body) = (own.path(&route).await, own.body(&route).await);
            for other in others.iter().filter(|other| other.partner.id != own.partner.id || route.who == Who::Workspace) {
                tried.push((route_of(&route), path.clone(), other.path(&route).await, body.clone()));
            }
        }
        assert!(tried.len() > 40, "{}", tried.len());
        let before = stored::rows(&world).await;
        for (route, path, theirs, body) in &tried {
            let places: Vec<usize> = route.path.split('/').enumerate().filter(|(_, part)| part.starts_with('{')).map(|(at, _)| at).collect();
            // One id at a time, and all of them: somebody else's thing under somebody else's parent.
            let chosen = places.iter().map(|place| vec![*place]).chain((places.len() > 1).then(|| places.clone()));
            for places in chosen {
                let unused = UNUSED.to_string();
                let [foreign, nowhere] = [theirs.as_str(), &unused].map(|from| with(path, from, &places));
                let (one, two) = (ask(&own, route, &foreign, body).await, ask(&own, route, &nowhere, body).await);
                assert_eq!(one.status, 404, "{} {foreign}: {one:?}", route.method);
                assert_alike(&one, &two, &format!("{} {foreign}", route.method));
            }
        }
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn an_id_in_a_body(world: World) {
        let (own, others) = tenants(&world).await;
        let mut tried = Vec::new();
        for route in keyed().filter(|route| route.request.is_some()) {
            let (path, body) = (own.path(&route).await, own.body(&route).await.unwrap());
            for field in documented::fields(&route, &body).into_iter().filter(is_id) {
                for other in &others {
                    if let Some(theirs) = other.referred(field.name(), &own).await {
                        tried.push((route_of(&route), path.clone(), body.clone(), field.clone(), theirs));
                    }
                }
            }
        }
        assert!(tried.len() > 10, "{}", tried.len());
        let before = stored::rows(&world).await;
        for (route, path, body, field, theirs) in &tried {
            let put = |id: Value| {
                let mut body = body.clone();
                let parent = field.path.rsplit_once('.').map_or(String::new(), |(parent, _)| format!("/{}", parent.replace('.', "/")));
                body.pointer_mut(&parent).unwrap()[field.name()] = if field.kind == "array" { json!([id]) } else { id };
                Some(body)
            };
            let what = format!("{} {path} with {}", route.method, field.path);
            let (one, two) = (ask(&own, route, path, &put(theirs.clone())).await, ask(&own, route, path, &put(UNUSED.into())).await);
            let status = if route.who == Who::Hub { 400 } else { 422 };
            assert_eq!(one.status, status, "{what}: {one:?}");
            assert_alike(&one, &two, &what);
        }
        stored::assert_same(&before, &stored::rows(&world).await);
        // The same requests pass with what is one's own, so it was the id that was refused.
        for (route, path, body, ..) in &tried {
            let fresh = own.body(route).await;
            let passed = ask(&own, route, path, &fresh).await;
            assert!(passed.status < 300, "{} {path} with {body}: {passed:?}", route.method);
        }
    }

    async fn an_id_in_a_query(world: World) {
        let (own, others) = tenants(&world).await;
        let mut tried = 0;
        for route in keyed() {
            for parameter in route.parameters.iter().filter(|parameter| is_id_name(parameter.name)) {
                let path = own.path(&route).await;
                let ask_for = async |id: &Value| {
                    ask(&own, &route, &with_query(&path, &format!("{}={id}", parameter.name)), &None).await
                };
                for other in &others {
                    let Some(theirs) = other.referred(parameter.name, &own).await else { continue };
                    if other.partner.id == own.partner.id && route.who == Who::Partner {
                        continue;
                    }
                    let (one, two) = (ask_for(&theirs).await, ask_for(&UNUSED.into()).await);
                    assert_alike(&one, &two, &format!("{}?{}", route.operation, parameter.name));
                    tried += 1;
                }
            }
        }
        assert!(tried >= 2, "{tried}");
    }

    async fn lists_show_nothing_of_others(world: World) {
        let (own, others) = tenants(&world).await;
        for route in keyed() {
            for other in &others {
                other.path(&route).await;
            }
        }
        for route in keyed().filter(|route| route.method == http::Method::GET) {
            let path = own.path(&route).await;
            let shown = ask(&own, &route, &path, &None).await;
            assert!(shown.status < 300, "{path}: {shown:?}");
            // A partner sees the sister of its client, and nobody else's.
            let hidden = if matches!(route.who, Who::Partner | Who::Hub) { "sahara-abroad" } else { THEIRS };
            assert!(!shown.text().to_lowercase().contains(hidden), "{} shows {hidden}: {shown:?}", route.operation);
        }
    }
}

/// The one who asks; a tenant of another partner, and one of the same.
async fn tenants(world: &World) -> (Owner<'_>, [Owner<'_>; 2]) {
    unlimited(world).await;
    let own = Owner::new(world, "nakheel").await;
    let (abroad, sister) = (Owner::new(world, "sahara-abroad").await, own.sister("sahara-sister").await);
    (own, [abroad, sister])
}

fn keyed() -> impl Iterator<Item = Route> {
    skylight::routes::all().into_iter().filter(|route| route.who.has_key())
}

/// The same row again: handlers cannot be copied.
fn route_of(route: &Route) -> Route {
    keyed().find(|other| other.operation == route.operation).unwrap()
}

fn is_id_name(name: &str) -> bool {
    // Countries and plans are everybody's; a provider's ids name nothing of ours.
    (name.ends_with("_id") || name.ends_with("_ids")) && name != "country_id" && name != "actor_id"
}

fn is_id(field: &Field) -> bool {
    is_id_name(field.name()) && !field.path.starts_with("credentials.")
}

fn with(path: &str, from: &str, places: &[usize]) -> String {
    let others: Vec<&str> = from.split('/').collect();
    let part = |(at, part): (usize, &str)| match places.contains(&at) {
        true => others.get(at).copied().unwrap_or(from).to_owned(),
        false => part.to_owned(),
    };
    path.split('/').enumerate().map(part).collect::<Vec<_>>().join("/")
}

async fn ask(own: &Owner<'_>, route: &Route, path: &str, body: &Option<Value>) -> HttpResponse {
    own.caller(route).call(route.method.as_str(), path, body.clone()).await
}

/// One answer for both, apart from the request's id, and with nothing of the other tenant in it.
#[track_caller]
fn assert_alike(theirs: &HttpResponse, nowhere: &HttpResponse, what: &str) {
    let said = |answer: &HttpResponse| {
        let (status, mut said) = in_the_envelope(answer.status, answer.json());
        if let Some(said) = said.as_object_mut() {
            said.remove("request_id");
        }
        (status, said)
    };
    assert_eq!(said(theirs), said(nowhere), "{what}");
    let names = |answer: &HttpResponse| answer.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(names(theirs), names(nowhere), "{what}");
    assert!(!theirs.text().to_lowercase().contains(THEIRS), "{what}: {theirs:?}");
}
