//! Requests that are wrong outside of their body, at every endpoint that takes a key: credentials, lengths, codings, headers,
//! long URLs, idempotency keys. The cases stand in `data/bad_frames.json`.

use crate::bad_cases::FRAMES;
use crate::cast::Owner;
use crate::on_both_engines;
use crate::refusals::in_the_envelope;
use crate::stored;
use serde_json::{Map, Value};
use skylight::http::route::Dialect;
use skylight::http::{Route, Who};
use skylight_test_support::http::{clip, raw};

/// More than a head may have in all.
const LONG: usize = 17 * 1024;

on_both_engines! {
    async fn whatever_is_wrong_around_a_body_is_refused_everywhere(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let mut requests = Vec::new();
        for route in skylight::routes::all() {
            if route.who.has_key() {
                let body = owner.body(&route).await.map_or_else(String::new, |body| body.to_string());
                requests.push((owner.path(&route).await, body, route));
            }
        }
        let before = stored::rows(&world).await;
        let mut tried = 0;
        for (path, body, route) in &requests {
            for case in FRAMES.as_array().unwrap().iter().map(|case| case.as_object().unwrap()) {
                if case.get("on").is_some_and(|on| on == "writes") && !route.writes() {
                    continue;
                }
                let request = request(case, route, owner.caller(route).key(), path, body);
                let answer = raw(world.base.strip_prefix("http://").unwrap(), request.as_bytes()).await;
                refused(case, route, &answer);
                tried += 1;
            }
        }
        assert!(tried > 1_000, "{tried} requests");
        stored::assert_same(&before, &stored::rows(&world).await);
    }
}

/// The request's bytes: right but for what is wrong with it.
fn request(case: &Map<String, Value>, route: &Route, key: &str, path: &str, body: &str) -> String {
    let header = if route.who == Who::Partner { "X-Partner-Key" } else { "X-Api-Key" };
    let body = case.get("body").and_then(Value::as_str).unwrap_or(body);
    let query = case.get("query").and_then(Value::as_str).map_or_else(String::new, |query| format!("?{query}"));
    let mut lines =
        vec![format!("{} {path}{query} HTTP/1.1", route.method), "Host: x".into(), "Connection: close".into()];
    if !body.is_empty() {
        lines.push("Content-Type: application/json".into());
    }
    if case.get("key") != Some(&Value::Bool(false)) {
        lines.push(format!("{header}: {key}"));
    }
    if !case.contains_key("frames") && !body.is_empty() {
        lines.push("Content-Length: {length}".into());
    }
    let more = case.get("lines").and_then(Value::as_array).into_iter().flatten();
    lines.extend(more.map(|line| line.as_str().unwrap().to_owned()));
    let head = lines.join("\r\n").replace("{header}", header).replace("{key}", key);
    let head = head.replace("{length}", &body.len().to_string()).replace("{long}", &"a".repeat(LONG));
    format!("{head}\r\n\r\n{body}")
}

#[track_caller]
fn refused(case: &Map<String, Value>, route: &Route, answer: &[u8]) {
    let what = format!("{} with {}: {}", route.operation, case["name"], clip(answer));
    let text = String::from_utf8_lossy(answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse::<u64>().ok());
    let hub_input = route.dialect() == Dialect::Hub && case["status"] == 422;
    assert_eq!(status, if hub_input { Some(400) } else { case["status"].as_u64() }, "{what}");
    // What is no request at all is told so by its status alone.
    let Some(code) = case.get("code").and_then(Value::as_str) else { return };
    let (_, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{what}"));
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{what}"));
    let (_, problem) = in_the_envelope(u16::try_from(status.unwrap()).unwrap(), problem);
    let named: Vec<&str> = problem["errors"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let expected = case.get("errors").and_then(Value::as_array).into_iter().flatten();
    assert_eq!(named, expected.map(|name| name.as_str().unwrap()).collect::<Vec<_>>(), "{what}");
    let code = match (route.who, code) {
        (Who::Partner, "unauthenticated") => "partner_unauthenticated",
        (Who::Hub, "unauthenticated") => "hub_unauthenticated",
        _ => code,
    };
    assert_eq!((problem["success"].as_bool(), problem["code"].as_str()), (Some(false), Some(code)), "{what}");
}
