//! The route table against everybody and everything: generated from `skylight::routes::all()`, so that a new route is tried
//! as soon as it has a row.

use crate::bad_cases::unknown_ids;
use crate::cast::{Owner, unlimited};
use crate::documented::assert_documented;
use crate::on_both_engines;
use crate::person;
use crate::refusals::in_the_envelope;
use crate::stored;
use crate::world::World;
use http::Method;
use serde_json::{Value, json};
use skylight::cli::manage;
use skylight::http::route::{Dialect, FORM};
use skylight::http::{Route, Who};
use skylight::kernel::SystemRandom;
use skylight::kernel::token::{self, TokenKind};
use skylight_test_support::http::HttpResponse;
use std::collections::BTreeMap;

on_both_engines! {
    async fn every_route_refuses_whom_its_row_does_not_name(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let callers = strangers(&world, &owner).await;
        let routes = skylight::routes::all();
        let mut requests = Vec::new();
        for route in routes.iter().filter(|route| route.who.has_key()) {
            requests.push((route, owner.path(route).await, owner.body(route).await));
        }
        let before = stored::rows(&world).await;
        let mut unknown = BTreeMap::new();
        for (route, path, body) in &requests {
            for caller in &callers {
                let what = format!("{} {path} by {}", route.method, caller.name);
                let Some((status, code)) = caller.expected(route.who) else { continue };
                let answer = caller.call(&world, route, path, body.as_ref()).await;
                let problem = problem(&answer, &what);
                assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{what}: {answer:?}");
                assert_eq!(answer.json().get("meta").is_some(), route.dialect() == Dialect::Hub, "{what}: {answer:?}");
                if status == 401 {
                    let first = unknown.entry(code).or_insert_with(|| problem.clone());
                    assert_eq!(*first, problem, "{what}: one body for all");
                }
            }
        }
        assert_eq!(unknown.len(), 3);
        assert_eq!(unknown["unauthenticated"]["message"], "Unauthenticated. Please provide a valid API key.");
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn every_route_lets_in_whom_its_row_names(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        unlimited(&world).await;
        for route in skylight::routes::all() {
            let keyed = route.who.has_key();
            let ways: &[&[&str]] = match route.who {
                Who::Workspace => &[&["X-Api-Key"], &["Authorization"], &["Authorization", "X-Api-Key"]],
                Who::Partner => &[&["X-Partner-Key"]],
                Who::Hub => &[&["X-API-Key"]],
                _ => &[&[]],
            };
            for way in ways {
                let (path, body) = (owner.path(&route).await, owner.body(&route).await);
                let headers: Vec<_> = way.iter().map(|header| (*header, written(header, owner.caller(&route).key()))).collect();
                let answer = call(&world, &route, &path, &headers, body.as_ref()).await;
                let what = format!("{} {path} with {way:?}: {answer:?}", route.method);
                match route.who {
                    // Providers are proved by a signature, which nobody gave here.
                    Who::Provider if route.method == Method::GET => assert_eq!(answer.status, 403, "{what}"),
                    Who::Provider => assert_eq!(answer.status, 401, "{what}"),
                    _ => assert_eq!(answer.status, route.status, "{what}"),
                }
                if keyed && answer.status != 204 && route.dialect() == Dialect::Product {
                    assert_eq!(answer.json()["success"], true, "{what}");
                }
                if let Some(message) = route.message {
                    assert_eq!(answer.json()["message"], message, "{what}");
                }
            }
        }
    }

    async fn open_routes_answer_everybody_alike(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let callers = strangers(&world, &owner).await;
        for route in skylight::routes::all() {
            if route.who.has_key() {
                continue;
            }
            let path = owner.path(&route).await;
            let nobody = call(&world, &route, &path, &[], None).await;
            for caller in &callers {
                let answer = caller.call(&world, &route, &path, None).await;
                assert_eq!(answer.status, nobody.status, "{path} by {}", caller.name);
                if answer.status >= 400 {
                    assert_eq!(problem(&answer, &path), problem(&nobody, &path));
                } else {
                    // What is counted grows with every answer.
                    let same = answer.body == nobody.body || route.operation == "metrics";
                    assert!(same, "{path} by {}: {answer:?}", caller.name);
                }
            }
        }
    }

    async fn what_is_not_ones_own_and_what_is_not_there_are_one_404(world: World) {
        let (own, foreign) = (Owner::new(&world, "nakheel").await, Owner::new(&world, "sahara").await);
        unlimited(&world).await;
        let routes = skylight::routes::all();
        let mut requests = Vec::new();
        for route in routes.iter().filter(|route| route.who.has_key() && route.has_id()) {
            let (path, other, body) = (own.path(route).await, foreign.path(route).await, own.body(route).await);
            for place in route.path.split('/').enumerate().filter(|(_, s)| s.starts_with('{')).map(|(at, _)| at) {
                requests.push((route, place, path.clone(), other.clone(), body.clone()));
            }
        }
        assert!(requests.len() > 15);
        let before = stored::rows(&world).await;
        for (route, place, path, other, body) in &requests {
            let (own_id, foreign_id) = (nth(path, *place), nth(other, *place));
            let mut said: Option<Value> = None;
            for id in unknown_ids(own_id, foreign_id) {
                let path = with_nth(path, *place, &id);
                let what = format!("{} {path}", route.method);
                let key = own.caller(route);
                let mut tries = vec![(path.clone(), body.clone())];
                if body.is_some() {
                    // The object is looked for before the fields are.
                    tries.push((path.clone(), Some(json!({"name": 5, "content": [], "reason": {}, "plan": false}))));
                }
                if !route.parameters.is_empty() {
                    tries.push((format!("{path}?page=abc&period=never&per_page=0"), None));
                }
                for (path, body) in tries {
                    let answer = key.call(route.method.as_str(), &path, body).await;
                    assert_documented(route, &answer);
                    let problem = problem(&answer, &what);
                    assert_eq!((answer.status, problem["code"].as_str()), (404, Some("not_found")), "{what}: {answer:?}");
                    assert!(problem["message"].as_str().unwrap().ends_with(" not found."), "{what}: {problem}");
                    assert_eq!(said.get_or_insert_with(|| problem.clone()), &problem, "{what}: one body for all");
                }
            }
        }
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn an_unknown_path_is_404_for_everybody(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let unknown = [
            "/api", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/contacts/", "/api/v1//contacts", "/API/V1/contacts",
            "/api/v20/partners", "/api/v1/contacts/1/2/3", "/api/v1/%63ontacts", "/api/v1/contacts%2F1", "/api/v1/partner", "/api/v1/partner/nothing",
            "/api/v3/contacts", "/docs/", "/docs/../Cargo.toml", "/docs/..%2f..%2fCargo.toml", "/docs/nothing.js",
            "/hooks/whatsapp", "/hooks/whatsapp/", "/hooks/whatsapp/nobody", "/hooks/whatsapp/%00", "/hooks/whatsapp/%ff",
            "/health", "/metrics/nothing", "/favicon.ico", "/.env", "/api/v1/contacts;x=1",
        ];
        let mut said = None;
        for path in unknown {
            for who in [&owner.workspace, &owner.partner, &world.visitor()] {
                let answer = who.get(path).await;
                assert_eq!(answer.status, 404, "{path}: {answer:?}");
                let problem = problem(&answer, path);
                assert_eq!(said.get_or_insert_with(|| problem.clone()), &problem, "{path}");
            }
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            let answer = owner.workspace.call(method, "/api/v1/nothing", None).await;
            assert_eq!(problem(&answer, method)["code"], "not_found", "{method}");
        }
    }

    async fn a_wrong_method_is_405_and_says_which_are_right(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let mut paths = BTreeMap::<&'static str, Vec<String>>::new();
        let routes = skylight::routes::all();
        for route in &routes {
            let allowed = paths.entry(route.path).or_default();
            allowed.push(route.method.to_string());
            if route.method == Method::GET {
                allowed.push("HEAD".to_owned());
            }
        }
        for (pattern, allowed) in &mut paths {
            allowed.sort();
            let route = routes.iter().find(|route| route.path == *pattern).unwrap();
            let path = owner.path(route).await;
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
                if allowed.iter().any(|allowed| allowed == method) {
                    continue;
                }
                for who in [owner.caller(route), &world.visitor()] {
                    let answer = who.call(method, &path, None).await;
                    let what = format!("{method} {path}: {answer:?}");
                    assert_eq!(answer.status, 405, "{what}");
                    assert_eq!(problem(&answer, &what)["code"], "method_not_allowed");
                    let mut named: Vec<_> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
                    named.sort_unstable();
                    assert_eq!(named, *allowed, "{what}");
                }
            }
        }
    }

    async fn a_key_is_admitted_by_its_browser_origins(world: World) {
        let partner = world.partner("rawabi").await;
        let (client, _) = partner.client("Nakheel", "business").await;
        let keys = format!("/api/v1/partner/clients/{}/api-keys", client["id"]);
        let app = "https://app.nakheel.example";
        // The domains of a key, a header of the request, and whether it passes.
        let cases: &[(&[&str], &str, &str, bool)] = &[
            (&["app.nakheel.example"], "Origin", app, true),
            (&["app.nakheel.example"], "Origin", "http://app.nakheel.example:8080", true),
            (&["App.Nakheel.Example"], "Origin", app, true),
            (&["app.nakheel.example"], "Origin", "https://APP.nakheel.example", true),
            (&["app.nakheel.example"], "Origin", "https://nakheel.example", false),
            (&["app.nakheel.example"], "Origin", "https://evil-app.nakheel.example", false),
            (&["app.nakheel.example"], "Origin", "https://app.nakheel.example.evil.net", false),
            (&["app.nakheel.example"], "Origin", "https://app.nakheel.example@evil.net", false),
            (&["app.nakheel.example"], "Origin", "null", false),
            (&["app.nakheel.example"], "Origin", "", false),
            (&["app.nakheel.example"], "Origin", "app.nakheel.example", false),
            (&["app.nakheel.example"], "Referer", "https://app.nakheel.example/settings?x=1", true),
            (&["app.nakheel.example"], "Referer", "https://evil.net/app.nakheel.example", false),
            (&["app.nakheel.example"], "Referer", "nonsense", false),
            (&["app.nakheel.example"], "User-Agent", "a server", true),
            (&["*.nakheel.example"], "Origin", app, true),
            (&["*.nakheel.example"], "Origin", "https://a.b.nakheel.example", true),
            (&["*.nakheel.example"], "Origin", "https://nakheel.example", false),
            (&["*.nakheel.example"], "Origin", "https://evilnakheel.example", false),
            (&["other.example", "*.nakheel.example"], "Origin", app, true),
            (&["other.example", "*"], "Origin", "https://anything.example", true),
            (&["127.0.0.1"], "Origin", "http://127.0.0.1:3000", true),
            (&["[::1]"], "Origin", "http://[::1]:3000", true),
            (&["متجر.السعودية"], "Origin", "https://xn--pgbep1f.xn--mgberp4a5d4ar", true),
            (&["*.Bücher.example"], "Origin", "https://shop.xn--bcher-kva.example", true),
            (&["*.Bücher.example"], "Origin", "https://shop.bucher.example", false),
            (&["app.nakheel.example"], "Origin", "https://app.nakheel.example.", false),
            (&["app.nakheel.example"], "Origin", "about:blank", false),
            (&["app.nakheel.example"], "Referer", "", false),
            (&["app.nakheel.example"], "Referer", "https://app.nakheel.example@evil.net/", false),
            (&["app.nakheel.example"], "Referer", "//app.nakheel.example/", false),
            (&["app.nakheel.example"], "Referer", "about:client", false),
            (&["app.nakheel.example"], "Host", "app.nakheel.example", true),
            (&[], "Origin", "https://anything.example", true),
            (&[], "Origin", "null", true),
        ];
        for (domains, header, value, passes) in cases {
            let issued = partner.post(&keys, json!({"allowed_domains": domains})).await.expect(201);
            let key = issued["data"]["key"].as_str().unwrap();
            let url = format!("{}/api/v1/contacts", world.base);
            let answer = world.http.get(&url).bearer(key).header(*header, *value).send().await;
            let what = format!("{domains:?} {header}: {value}");
            assert_eq!(answer.status, if *passes { 200 } else { 403 }, "{what}: {answer:?}");
            if !*passes {
                let problem = problem(&answer, &what);
                assert_eq!(problem["code"], "origin_not_allowed");
                assert_eq!(problem["message"], "Request origin is not allowed.");
            }
        }
        // An allowed page's address as Referer does not help a request from another origin.
        let issued = partner.post(&keys, json!({"allowed_domains": ["app.nakheel.example"]})).await.expect(201);
        let request = world.http.get(format!("{}/api/v1/contacts", world.base)).bearer(issued["data"]["key"].as_str().unwrap());
        request.clone().header("Origin", "https://evil.net").header("Referer", app).send().await.expect(403);
        request.clone().header("Origin", "null").header("Referer", app).send().await.expect(403);
        request.clone().header("Origin", app).header("Origin", "https://evil.net").send().await.expect(403);
        request.header("Origin", app).header("Referer", "https://evil.net/").send().await.expect(200);
        for wrong in ["https://app.example", "app.example/x", "*.*.example", "ex ample", "*.", "app.example:443", "app.example.", "*.127.0.0.1", "a..b"] {
            let refused = partner.post(&keys, json!({"allowed_domains": [wrong]})).await;
            assert_eq!(refused.status, 422, "{wrong}: {refused:?}");
            assert_eq!(refused.json()["errors"], json!({"allowed_domains.0": ["The allowed domains format is invalid."]}));
        }
    }
}

/// What is said to somebody, by the kind of route.
#[derive(Clone, Copy)]
enum Said {
    /// The credential is nobody's.
    Unknown,
    Refused(&'static str),
    /// The row names this one.
    Welcome,
}

struct Caller {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    on_workspace_routes: Said,
    on_partner_routes: Said,
    on_hub_routes: Said,
}

impl Caller {
    async fn call(&self, world: &World, route: &Route, path: &str, body: Option<&Value>) -> HttpResponse {
        call(world, route, path, &self.headers, body).await
    }

    fn expected(&self, who: Who) -> Option<(u16, &'static str)> {
        let (said, unknown) = match who {
            Who::Partner => (self.on_partner_routes, "partner_unauthenticated"),
            Who::Hub => (self.on_hub_routes, "hub_unauthenticated"),
            _ => (self.on_workspace_routes, "unauthenticated"),
        };
        match said {
            Said::Unknown => Some((401, unknown)),
            Said::Refused(code) => Some((403, code)),
            Said::Welcome => None,
        }
    }

    fn on_workspace(self, on_workspace_routes: Said) -> Self {
        Self { on_workspace_routes, ..self }
    }

    fn on_partner(self, on_partner_routes: Said) -> Self {
        Self { on_partner_routes, ..self }
    }

    fn on_hub(self, on_hub_routes: Said) -> Self {
        Self { on_hub_routes, ..self }
    }
}

/// A header's value for a key.
fn written(header: &str, key: &str) -> String {
    if header == "Authorization" { format!("Bearer {key}") } else { key.to_owned() }
}

/// Everybody who may not call: those who are nobody may call nothing, the others must not call one kind of route.
async fn strangers(world: &World, owner: &Owner<'_>) -> Vec<Caller> {
    let nobody = |name, headers: &[(&'static str, &str)]| Caller {
        name,
        headers: headers.iter().map(|(header, key)| (*header, written(header, key))).collect(),
        on_workspace_routes: Said::Unknown,
        on_partner_routes: Said::Unknown,
        on_hub_routes: Said::Unknown,
    };
    let known = |name, header, key: &str, workspace, partner| Caller {
        name,
        headers: vec![(header, written(header, key))],
        on_workspace_routes: Said::Refused(workspace),
        on_partner_routes: Said::Refused(partner),
        on_hub_routes: Said::Refused("wrong_credential"),
    };
    let (workspace, partner) = (owner.workspace.key(), owner.partner.key());
    let unknown = token::make(TokenKind::Workspace, &SystemRandom);
    let unknown_partner = token::make(TokenKind::Partner, &SystemRandom);
    let revoked = revoked_key(owner).await;
    let mistyped = format!("{}{}", &workspace[..47], if workspace.ends_with('x') { 'y' } else { 'x' });
    let mut callers = vec![
        nobody("nobody", &[]),
        nobody("an empty key", &[("X-Api-Key", "")]),
        nobody("a malformed key", &[("X-Api-Key", "letmein")]),
        nobody("a mistyped key", &[("X-Api-Key", &mistyped)]),
        nobody("a key in other letters", &[("X-Api-Key", &workspace.to_uppercase())]),
        nobody("a malformed bearer", &[("Authorization", "")]),
        nobody("an unknown key", &[("Authorization", unknown.reveal())]),
        nobody("an unknown partner key", &[("X-Partner-Key", unknown_partner.reveal())]),
        nobody("a revoked key", &[("X-Api-Key", &revoked)]),
        nobody("two credentials", &[("X-Api-Key", workspace), ("X-Partner-Key", partner)]),
        nobody("two workspace keys", &[("X-Api-Key", workspace), ("Authorization", unknown.reveal())]),
        nobody("one header twice", &[("X-Api-Key", workspace), ("X-Api-Key", unknown.reveal())]),
        nobody("a key and an empty one", &[("X-Partner-Key", partner), ("X-Api-Key", "")]),
        known("a workspace key as a partner key", "X-Partner-Key", workspace, "wrong_credential", "wrong_credential"),
        known("a partner key as an API key", "X-Api-Key", partner, "wrong_credential", "wrong_credential")
            .on_hub(Said::Welcome),
        known("a partner key as a bearer", "Authorization", partner, "wrong_credential", "wrong_credential"),
    ];
    let basic = ("Authorization", "Basic dXNlcjpwYXNzd29yZA==".to_owned());
    callers.push(Caller { headers: vec![basic], ..nobody("a password", &[]) });

    let (_, starter) = owner.partner.client("Starter", "starter").await;
    callers.push(known("a plan without API", "X-Api-Key", starter.key(), "feature_not_in_plan", "wrong_credential"));
    let (client, suspended) = owner.partner.client("Suspended", "business").await;
    owner.partner.post(&format!("/api/v1/partner/clients/{}/suspend", client["id"]), json!({})).await.expect(200);
    callers.push(known("a suspended client", "X-Api-Key", suspended.key(), "account_suspended", "wrong_credential"));

    let token = hub_token(world, owner).await;
    callers.push(
        known("a partner's token", "Authorization", &token, "wrong_credential", "wrong_credential")
            .on_hub(Said::Welcome),
    );
    callers.push(known("a token as a key", "X-Api-Key", &token, "wrong_credential", "wrong_credential"));

    let fallen = world.partner("fallen").await;
    let (_, orphan) = fallen.client("Orphan", "business").await;
    manage::set_partner_active(&world.app, fallen.id, false).await.unwrap();
    callers.push(known("a suspended partner", "X-Partner-Key", fallen.key(), "wrong_credential", "partner_suspended"));
    callers.push(
        known("a suspended partner's hub key", "X-Api-Key", fallen.key(), "wrong_credential", "wrong_credential")
            .on_hub(Said::Refused("partner_suspended")),
    );
    callers
        .push(known("a workspace's key", "X-Api-Key", workspace, "", "wrong_credential").on_workspace(Said::Welcome));
    callers.push(known("a partner's key", "X-Partner-Key", partner, "wrong_credential", "").on_partner(Said::Welcome));
    callers.push(known("its client", "X-Api-Key", orphan.key(), "account_suspended", "wrong_credential"));
    callers
}

pub async fn hub_token(world: &World, owner: &Owner<'_>) -> String {
    person::partner_person(world, &owner.partner).await;
    let login = json!({"username": format!("ops-{}@partner.example", owner.partner.id), "password": person::PASSWORD});
    let answer = world.visitor().post("/api/v2/token", login).await.expect(200);
    answer["access_token"].as_str().unwrap().to_owned()
}

pub async fn revoked_key(owner: &Owner<'_>) -> String {
    let keys = format!("/api/v1/partner/clients/{}/api-keys", owner.workspace.id);
    let issued = owner.partner.post(&keys, json!({})).await.expect(201);
    let key = issued["data"]["key"].as_str().unwrap().to_owned();
    let holder = owner.workspace.with_key("X-Api-Key", &key);
    holder.get("/api/v1/contacts").await.expect(200);
    owner.partner.delete(&format!("{keys}/{}", issued["data"]["id"])).await.expect(204);
    key
}

pub async fn call(
    world: &World,
    route: &Route,
    path: &str,
    headers: &[(&'static str, String)],
    body: Option<&Value>,
) -> HttpResponse {
    let mut request = world.http.request(route.method.as_str(), format!("{}{path}", world.base));
    for (header, value) in headers {
        request = request.header(*header, value.as_str());
    }
    request = match body {
        Some(body) if route.takes == FORM => {
            let pairs = body.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
            request.form(&pairs.collect::<Vec<_>>())
        }
        Some(body) => request.json(body),
        None => request,
    };
    let answer = request.send().await;
    assert_documented(route, &answer);
    answer
}

/// An error in the documented envelope, without what differs from request to request.
#[track_caller]
fn problem(answer: &HttpResponse, what: &str) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}: {answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
    let (_, mut problem) = in_the_envelope(answer.status, answer.json());
    assert_eq!(problem["success"], false, "{what}");
    let id = problem["request_id"].take();
    assert!(id.as_str().is_some_and(|id| !id.is_empty()), "{what}: {answer:?}");
    assert_eq!(answer.header("x-request-id"), id.as_str(), "{what}");
    problem
}

fn nth(path: &str, place: usize) -> &str {
    path.split('/').nth(place).unwrap()
}

fn with_nth(path: &str, place: usize, id: &str) -> String {
    let segments = path.split('/').enumerate().map(|(at, segment)| if at == place { id } else { segment });
    segments.collect::<Vec<_>>().join("/")
}
