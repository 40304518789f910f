//! Bad input of every kind at every endpoint that reads any. The endpoints come from the route table, their fields from the
//! documentation of their bodies, the cases from `data/`: status, code and faults by field, the same on both engines, and
//! nothing stored.

use crate::bad_cases::{self, bad_bodies, put, remove, with_query, wrong_values};
use crate::cast::{Owner, unlimited};
use crate::documented::{self, Field, assert_documented};
use crate::on_both_engines;
use crate::refusals::in_the_envelope;
use crate::stored;
use crate::world::{Engine, World};
use parking_lot::Mutex;
use serde_json::{Value, json};
use skylight::http::Route;
use skylight::http::route::{Dialect, FORM};
use skylight_test_support::http::{HttpResponse, RawConnection};
use std::collections::BTreeMap;

const MIB: usize = 1024 * 1024;

on_both_engines! {
    async fn a_body_that_is_not_json_or_no_object_is_refused_everywhere(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let endpoints = endpoints(&owner).await;
        let cases = bad_bodies();
        let before = stored::rows(&world).await;
        let mut heard = Vec::new();
        for endpoint in &endpoints {
            for case in &cases {
                let answer = endpoint.send(&owner, Some("application/json"), case.bytes.clone()).await;
                let what = format!("{} with {}", endpoint.route.operation, case.name);
                let problem = problem(&answer, case.status, &case.code, &what);
                if case.status == 422 {
                    assert_eq!(named(&problem), ["body"], "{what}");
                }
                heard.push(format!("{what}: {problem}"));
            }
        }
        stored::assert_same(&before, &stored::rows(&world).await);
        agree(&world, "bodies", heard);
    }

    async fn every_documented_field_refuses_what_it_cannot_be(world: World) {
        let (owner, foreign) = (Owner::new(&world, "nakheel").await, Owner::new(&world, "sahara").await);
        let endpoints = endpoints(&owner).await;
        let strange = foreign.workspace.contact("Eve", "+14155550000").await["id"].clone();
        let [their_list, their_segment] = [foreign.group("list").await, foreign.group("segment").await];
        let their_channel = foreign.workspace.get("/api/v1/channels").await.expect(200)["data"][0]["id"].clone();
        let (their_type, their_resource) = crate::cast::bookable(&foreign.workspace, 1).await;
        let their_department = foreign.workspace.get("/api/v1/tickets/departments").await.expect(200)["data"][0]["id"].clone();
        let before = stored::rows(&world).await;
        let mut heard = Vec::new();
        for endpoint in &endpoints {
            for field in &endpoint.fields {
                let mut values = wrong_values(field);
                // What is somebody else's and what is not there are told alike.
                match field.name() {
                    "contact_id" => values.push(strange.clone()),
                    "contact_ids" => values.push(json!([strange])),
                    "channel_id" => values.push(their_channel.clone()),
                    "booking_type_id" => values.push(their_type.clone()),
                    "booking_type_ids" => values.push(json!([their_type])),
                    "resource_id" => values.push(their_resource.clone()),
                    "department_id" => values.push(their_department.clone()),
                    "list_id" => values.push(their_list.clone()),
                    "segment_id" => values.push(their_segment.clone()),
                    _ => {}
                }
                if field.required {
                    values.extend([Value::Null, json!(""), json!(" \u{a0}\t\u{200f} ")]);
                }
                for value in values {
                    let shown: String = value.to_string().chars().take(60).collect();
                    let what = format!("{} with {} = {shown}", endpoint.route.operation, field.path);
                    let mut body = endpoint.body.clone();
                    put(&mut body, field, value);
                    let answer = endpoint.json(&owner, &body).await;
                    let problem = problem(&answer, 422, "invalid", &what);
                    assert_eq!(problem["message"], "The given data was invalid.", "{what}");
                    assert_faults(&problem, field, &what);
                    // Ids differ between the engines' runs, what is said of them does not.
                    heard.push(format!("{} with {}: {problem}", endpoint.route.operation, field.path));
                }
                if field.required {
                    let mut body = endpoint.body.clone();
                    remove(&mut body, field);
                    let what = format!("{} without {}", endpoint.route.operation, field.path);
                    let problem = problem(&endpoint.json(&owner, &body).await, 422, "invalid", &what);
                    assert_faults(&problem, field, &what);
                    assert!(problem.to_string().contains(" field is required."), "{what}: {problem}");
                    heard.push(format!("{what}: {problem}"));
                }
            }
            heard.extend(nothing_given(&owner, endpoint).await);
        }
        assert!(heard.len() > 500, "{} cases", heard.len());
        stored::assert_same(&before, &stored::rows(&world).await);
        agree(&world, "fields", heard);
    }

    async fn null_is_taken_where_the_document_says_so_and_nowhere_else(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let mut heard = Vec::new();
        unlimited(&world).await;
        for mut endpoint in endpoints(&owner).await {
            let fields = std::mem::take(&mut endpoint.fields);
            for field in fields.iter().filter(|field| !field.required) {
                let what = format!("{} with {} = null", endpoint.route.operation, field.path);
                let mut said = Vec::new();
                for is_there in [true, false] {
                    // Every time about things of its own: what is taken may change them.
                    endpoint.path = owner.path(&endpoint.route).await;
                    endpoint.body = owner.body(&endpoint.route).await.unwrap();
                    if !documented::can_hold(&endpoint.body, field) {
                        break;
                    }
                    put(&mut endpoint.body, field, Value::Null);
                    if !is_there {
                        remove(&mut endpoint.body, field);
                    }
                    let answer = endpoint.json(&owner, &endpoint.body).await;
                    assert!(answer.status < 500, "{what}: {answer:?}");
                    said.push(in_the_envelope(answer.status, answer.json()).1["errors"].get(&field.path).cloned());
                }
                // A contact may lose its number where the channel does not need one.
                if said.is_empty() || (endpoint.route.operation, field.name()) == ("update_contact", "phone") {
                    continue;
                }
                if field.nullable {
                    assert_eq!(said[0], said[1], "{what} is not what nothing is");
                } else {
                    assert!(said[0].is_some(), "{what} is taken, and the document does not say so");
                }
                heard.push(format!("{what}: {said:?}"));
            }
        }
        assert!(heard.len() > 15, "{} fields", heard.len());
        agree(&world, "null", heard);
    }

    async fn a_text_may_be_as_long_as_documented_and_no_longer(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        unlimited(&world).await;
        let mut measured = 0;
        for mut endpoint in endpoints(&owner).await {
            for field in std::mem::take(&mut endpoint.fields) {
                let Some(most) = field.longest else { continue };
                for (length, is_too_long) in [(most, false), (most + 1, true)] {
                    endpoint.path = owner.path(&endpoint.route).await;
                    endpoint.body = owner.body(&endpoint.route).await.unwrap();
                    if !documented::can_hold(&endpoint.body, &field) {
                        continue;
                    }
                    // Characters count, not bytes.
                    put(&mut endpoint.body, &field, json!("ن".repeat(length)));
                    let answer = endpoint.json(&owner, &endpoint.body).await;
                    let errors = in_the_envelope(answer.status, answer.json()).1["errors"][&field.path].to_string();
                    let refused = errors.contains(&format!("must not be greater than {most} characters"));
                    assert_eq!(refused, is_too_long, "{}.{} with {length} characters: {answer:?}", endpoint.route.operation, field.path);
                    measured += 1;
                }
            }
        }
        assert!(measured > 20, "{measured} lengths");
    }

    async fn only_json_is_read_and_it_may_be_called_so_in_several_ways(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let endpoints = endpoints(&owner).await;
        let before = stored::rows(&world).await;
        for endpoint in &endpoints {
            let body = endpoint.body.to_string();
            // The second partner API reads forms too.
            let is_taken = |kind: &String| kind == FORM && endpoint.route.dialect() == Dialect::Hub;
            for kind in bad_cases::media_types().into_iter().filter(|kind| !is_taken(kind)) {
                let what = format!("{} as {kind:?}", endpoint.route.operation);
                problem(&endpoint.send(&owner, Some(&kind), body.clone()).await, 415, "unsupported_media_type", &what);
                // The type is looked at before the text.
                problem(&endpoint.send(&owner, Some(&kind), "{").await, 415, "unsupported_media_type", &what);
            }
            let good = ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json", "application/json ;x"];
            for kind in good.map(Some).into_iter().chain([None]) {
                let what = format!("{} as {kind:?}", endpoint.route.operation);
                problem(&endpoint.send(&owner, kind, "[]").await, 422, "invalid", &what);
            }
        }
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn too_much_is_refused_before_it_is_read(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let endpoints = endpoints(&owner).await;
        let before = stored::rows(&world).await;
        for endpoint in &endpoints {
            let what = endpoint.route.operation;
            // Announced: refused without a byte of it, even before it is asked who sends it.
            for key in [owner.caller(&endpoint.route).key(), "letmein"] {
                let announced = endpoint.raw_head(&owner, key, &format!("Content-Length: {}", MIB + 1));
                let (status, text) = first_answer(&world, &[announced.as_bytes()]).await;
                assert!(status == 413 && text.contains(":\"body_too_large\""), "{what}: {text}");
            }
            // Not announced: refused when it has become too much.
            let head = endpoint.raw_head(&owner, owner.caller(&endpoint.route).key(), "Transfer-Encoding: chunked");
            let chunk = format!("{:x}\r\n{}\r\n", 64 * 1024, " ".repeat(64 * 1024));
            let parts: Vec<&[u8]> = [head.as_bytes()].into_iter().chain([chunk.as_bytes(); 17]).collect();
            let (status, text) = first_answer(&world, &parts).await;
            assert!(status == 413 && text.contains(":\"body_too_large\""), "{what}: {text}");
            // A mebibyte is not too much, and arrays may have a thousand items.
            let mut spaces = vec![b' '; MIB - 2];
            spaces.extend(b"[]");
            problem(&endpoint.send(&owner, Some("application/json"), spaces).await, 422, "invalid", what);
            let long = json!({"unknown": {"deep": vec![0; 1001]}});
            let refused = problem(&endpoint.json(&owner, &long).await, 422, "invalid", what);
            assert_eq!(refused["errors"]["body"], json!(["The body must not have arrays of more than 1000 items."]), "{what}");
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                for depth in [65, 200, 100_000] {
                    let inner = if open == "[" { "" } else { "1" };
                    let deep = format!("{{\"unknown\":{}{inner}{}}}", open.repeat(depth), close.repeat(depth));
                    problem(&endpoint.send(&owner, Some("application/json"), deep).await, 400, "malformed_body", what);
                }
            }
        }
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn the_first_fault_in_the_order_of_the_rules_answers(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let channels = owner.workspace.get("/api/v1/channels").await.expect(200);
        let idle = channels["data"].as_array().unwrap().iter().find(|channel| channel["is_connected"] == false).unwrap();
        let simulate = format!("/api/v1/channels/{}/simulate", idle["id"]);
        let starter = owner.partner.client("Starter", "starter").await.1;
        let before = stored::rows(&world).await;
        // Path, key, content type and body; each has every fault that comes after the one that answers.
        let (good, json, text) = (owner.workspace.key(), "application/json", "text/plain");
        for (path, key, kind, body, status) in [
            ("/api/v1/nothing", "letmein", text, "{", 404),
            ("/api/v1/channels", "letmein", text, "{", 401),
            ("/api/v1/channels/999/simulate", "letmein", text, "{", 401),
            ("/api/v1/channels/999/simulate", starter.key(), text, "{", 403),
            ("/api/v1/channels/999/simulate", good, text, "{", 415),
            ("/api/v1/channels/999/simulate", good, json, "{", 400),
            ("/api/v1/channels/999/simulate", good, json, "[]", 404),
            ("/api/v1/channels/999/simulate", good, json, "{\"from\": 5}", 404),
            (&simulate, good, json, "{\"from\": 5}", 422),
            (&simulate, good, json, "{\"from\": \"+966501234567\", \"content\": \"hello\"}", 409),
        ] {
            let request = world.http.post(format!("{}{path}", world.base)).header("X-Api-Key", key).header("content-type", kind);
            request.bytes(body).send().await.expect(status);
        }
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn every_query_refuses_what_it_cannot_be(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let cases = &*bad_cases::QUERIES;
        let long = "a".repeat(600);
        let mut heard = Vec::new();
        for route in skylight::routes::all() {
            // Pages and hooks open or do not; nobody reads the fields of their queries.
            if route.parameters.is_empty() || !route.who.has_key() {
                continue;
            }
            let path = owner.path(&route).await;
            let caller = owner.caller(&route);
            for parameter in &route.parameters {
                let kind = if parameter.kind.contains('|') { "words" } else { parameter.kind };
                for value in cases["refused"][kind].as_array().unwrap() {
                    let value = if value == "LONG" { &long } else { value.as_str().unwrap() };
                    let what = format!("{}?{}={value}", route.operation, parameter.name);
                    let answer = caller.get(&with_query(&path, &format!("{}={value}", parameter.name))).await;
                    assert_documented(&route, &answer);
                    let problem = problem(&answer, 422, "invalid", &what);
                    assert_eq!(named(&problem), [parameter.name], "{what}");
                    heard.push(format!("{what}: {problem}"));
                }
                if parameter.is_required {
                    let (start, query) = path.split_once('?').unwrap();
                    let others: Vec<_> = query.split('&').filter(|pair| !pair.starts_with(&format!("{}=", parameter.name))).collect();
                    let answer = caller.get(&format!("{start}?{}", others.join("&"))).await;
                    let problem = problem(&answer, 422, "invalid", &path);
                    assert_eq!(named(&problem), [parameter.name], "{path} without it");
                }
                // What is needed, and given, cannot be left out.
                if !path.contains(&format!("{}=", parameter.name)) {
                    caller.get(&with_query(&path, &format!("{}=", parameter.name))).await.expect(200);
                }
            }
            for query in cases["ignored"].as_array().unwrap().iter().map(|query| query.as_str().unwrap()) {
                // What names a parameter of this route is not ignored here.
                if route.parameters.iter().any(|parameter| query.starts_with(&format!("{}=", parameter.name)) && parameter.kind == "sort") {
                    continue;
                }
                caller.get(&with_query(&path, query)).await.expect(200);
            }
            if route.parameters.iter().any(|parameter| parameter.name == "per_page") {
                for many in ["101", "1000", "9223372036854775807"] {
                    let clamped = caller.get(&format!("{path}?per_page={many}")).await.expect(200)["meta"]["per_page"].clone();
                    let most = if route.operation == "get_partner_usage" { 200 } else { 100 };
                    let expected = many.parse::<i64>().unwrap().min(most);
                    assert_eq!(clamped, expected, "{path}?per_page={many}");
                }
                let beyond = caller.get(&format!("{path}?page=1000000&per_page=100")).await.expect(200);
                assert_eq!(beyond["meta"]["current_page"], 1_000_000, "{path}");
                let items = beyond["data"].as_array().or(beyond["data"]["clients"].as_array());
                assert_eq!(items.map(Vec::len), Some(0), "a page past the end is empty");
                caller.get(&format!("{path}?page=9223372036854775&per_page=200")).await.expect(200);
            }
        }
        agree(&world, "queries", heard);
    }
}

/// An endpoint with a JSON body, ready to be tried: a path to real things, and a body it would take.
struct Endpoint {
    route: Route,
    path: String,
    body: Value,
    fields: Vec<Field>,
}

async fn endpoints(owner: &Owner<'_>) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for route in skylight::routes::all() {
        if route.request.is_none() || !route.who.has_key() {
            continue;
        }
        let (path, body) = (owner.path(&route).await, owner.body(&route).await.unwrap());
        let fields = documented::fields(&route, &body);
        assert!(!fields.is_empty(), "{} documents no field", route.operation);
        endpoints.push(Endpoint { route, path, body, fields });
    }
    assert!(endpoints.len() >= 12);
    endpoints
}

impl Endpoint {
    async fn json(&self, owner: &Owner<'_>, body: &Value) -> HttpResponse {
        let answer = owner.caller(&self.route).call(self.route.method.as_str(), &self.path, Some(body.clone())).await;
        assert_documented(&self.route, &answer);
        answer
    }

    async fn send(&self, owner: &Owner<'_>, kind: Option<&str>, body: impl Into<Vec<u8>>) -> HttpResponse {
        let caller = owner.caller(&self.route);
        let (header, key) = caller.credential.as_ref().unwrap();
        let request = caller.http.request(self.route.method.as_str(), format!("{}{}", caller.base, self.path));
        let request = request.header(*header, key.as_str()).bytes(body.into());
        let answer = match kind {
            Some(kind) => request.header("content-type", kind).send().await,
            None => request.send().await,
        };
        assert_documented(&self.route, &answer);
        answer
    }

    fn raw_head(&self, owner: &Owner<'_>, key: &str, framing: &str) -> String {
        let (header, _) = owner.caller(&self.route).credential.as_ref().unwrap();
        let (method, path) = (&self.route.method, &self.path);
        format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\n{header}: {key}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
        )
    }
}

/// Writes until the server does not want more; answers the status and the text of what it said.
async fn first_answer(world: &World, parts: &[&[u8]]) -> (u16, String) {
    let mut connection = RawConnection::open(world.base.strip_prefix("http://").unwrap()).await;
    for part in parts {
        if !connection.write(part).await {
            break;
        }
    }
    let text = connection.read_until(b"\"request_id\":").await;
    let text = String::from_utf8_lossy(&text).into_owned();
    (text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), text)
}

/// An empty object, and no body at all: all that is needed is missed at once.
async fn nothing_given(owner: &Owner<'_>, endpoint: &Endpoint) -> Vec<String> {
    let needed: Vec<_> = endpoint.fields.iter().filter(|field| field.required && field.kind != "object").collect();
    let mut heard = Vec::new();
    if needed.is_empty() {
        return heard;
    }
    for body in ["{}", "null", "", " \r\n\t "] {
        let what = format!("{} with {body:?}", endpoint.route.operation);
        let answer = endpoint.send(owner, Some("application/json"), body).await;
        let problem = problem(&answer, 422, "invalid", &what);
        let missed = named(&problem);
        // What is needed depends on the channel's type, as long as that is known.
        for field in needed.iter().filter(|field| !field.path.starts_with("credentials.")) {
            assert!(missed.contains(&field.path), "{what}: {problem}");
        }
        heard.push(format!("{what}: {problem}"));
    }
    heard
}

/// Only this field is at fault, or something inside it.
#[track_caller]
fn assert_faults(problem: &Value, field: &Field, what: &str) {
    let named = named(problem);
    let inside = format!("{}.", field.path);
    assert!(
        !named.is_empty() && named.iter().all(|name| *name == field.path || name.starts_with(&inside)),
        "{what}: {problem}"
    );
}

/// The names at fault; each with sentences.
#[track_caller]
fn named(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_object().unwrap_or_else(|| panic!("no errors: {problem}"));
    for sentences in errors.values() {
        let sentences = sentences.as_array().unwrap();
        assert!(!sentences.is_empty() && sentences.iter().all(|s| s.as_str().unwrap().ends_with('.')), "{problem}");
    }
    errors.keys().cloned().collect()
}

/// An error in the documented envelope, without what differs from request to request.
#[track_caller]
fn problem(answer: &HttpResponse, status: u16, code: &str, what: &str) -> Value {
    let (heard, mut problem) = in_the_envelope(answer.status, answer.json());
    assert_eq!(heard, status, "{what}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    assert_eq!(
        (problem["success"].as_bool(), problem["code"].as_str()),
        (Some(false), Some(code)),
        "{what}: {problem}"
    );
    let id = problem.as_object_mut().unwrap().remove("request_id").unwrap();
    assert_eq!(answer.header("x-request-id"), id.as_str(), "{what}");
    assert_eq!(problem.get("errors").is_some(), status == 422, "{what}: {problem}");
    problem
}

/// What one engine said must be what the other says.
#[track_caller]
fn agree(world: &World, story: &'static str, heard: Vec<String>) {
    static FIRST: Mutex<BTreeMap<&str, (Engine, Vec<String>)>> = Mutex::new(BTreeMap::new());
    let mut first = FIRST.lock();
    match first.get(story) {
        Some((engine, _)) if *engine == world.engine => {}
        Some((_, other)) => {
            let differences = heard.iter().zip(other).filter(|(here, there)| here != there);
            let differences: Vec<_> = differences.map(|(here, there)| format!("{here}\n{there}")).collect();
            assert!(
                differences.is_empty() && heard.len() == other.len(),
                "the engines differ:\n{}",
                differences.join("\n")
            );
        }
        None => drop(first.insert(story, (world.engine, heard))),
    }
}
