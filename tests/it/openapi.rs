//! The OpenAPI document and the page that shows it. (What the other stories hear is held against the document where they
//! hear it: `documented::assert_documented`.)

use crate::documented::{self, DOCUMENT, operation};
use crate::on_both_engines;
use serde_json::Value;
use skylight::events::{HUB_EVENTS, PARTNER_EVENTS, WORKSPACE_EVENTS};
use skylight::http::route::{Dialect, Shape};
use skylight::http::{Who, openapi};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

on_both_engines! {
    async fn the_server_hands_out_the_document_of_its_own_routes(world: World) {
        let answer = world.visitor().get("/api/openapi.json").await;
        assert_eq!(answer.expect(200), *DOCUMENT);
        assert!(answer.json()["openapi"].as_str().unwrap().starts_with("3.1."));
    }

    async fn the_reference_page_loads_nothing_from_elsewhere(world: World) {
        let visitor = world.visitor();
        let page = visitor.get("/docs").await;
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
        let policy: Vec<_> = page.header("content-security-policy").unwrap().split(';').map(str::trim).collect();
        for needed in [
            "default-src 'none'", "script-src 'self'", "connect-src 'self'", "img-src 'self' data:", "font-src 'self' data:",
            "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(&needed), "{needed} is not in {policy:?}");
        }
        assert!(!policy.iter().any(|rule| rule.contains('*') || rule.contains("http") || rule.contains("unsafe-eval")), "{policy:?}");
        // No script of its own, and none that is not ours.
        let html = page.text();
        let scripts: Vec<_> = html.split("<script").skip(1).map(|rest| rest.split('>').next().unwrap().trim()).collect();
        assert_eq!(scripts, ["src=\"/docs/boot.js\"", "src=\"/docs/scalar.js\""]);
        for handler in ["onload=", "onerror=", "onclick=", "javascript:", "<style", "<iframe"] {
            assert!(!html.contains(handler), "{handler} stands in the page");
        }
        let boot = visitor.get("/docs/boot.js").await;
        for (name, text) in [("index.html", &html), ("boot.js", &boot.text())] {
            for foreign in ["http://", "https://", "\"//", "'//", "wss:", "ws:"] {
                assert!(!text.contains(foreign), "{name} names another host: {foreign}");
            }
        }
        let scalar = visitor.get("/docs/scalar.js").await;
        assert_eq!((scalar.header("content-encoding"), &scalar.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
        for script in [boot, scalar] {
            assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
            assert_eq!(script.header("x-content-type-options"), Some("nosniff"));
        }
    }
}

#[test]
fn every_route_is_documented_and_nothing_else_is() {
    let routes = skylight::routes::all();
    let mut operations = BTreeSet::new();
    for route in &routes {
        let described = operation(route);
        let name = route.operation;
        assert_eq!(described["operationId"], name, "{} {}", route.method, route.path);
        assert!(operations.insert(name), "{name} is there twice");
        assert!(described["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
        assert!(described["tags"][0].as_str().is_some_and(|text| !text.is_empty()), "{name} has no tag");
        let parameters = described["parameters"].as_array().cloned().unwrap_or_default();
        let named = |place: &str| -> Vec<&str> {
            let all = parameters.iter().filter(|parameter| parameter["in"] == place);
            all.map(|parameter| parameter["name"].as_str().unwrap()).collect()
        };
        let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(named("path"), in_path.collect::<Vec<_>>(), "{name}");
        assert_eq!(
            named("query"),
            route.parameters.iter().map(|parameter| parameter.name).collect::<Vec<_>>(),
            "{name}"
        );
        let keyed = route.who.has_key();
        assert_eq!(named("header") == ["Idempotency-Key"], route.writes() && keyed, "{name}");
        let security = match route.who {
            Who::Workspace => r#"[{"workspaceBearer":[]},{"workspaceKey":[]}]"#,
            Who::Partner => r#"[{"partnerKey":[]}]"#,
            Who::Hub => r#"[{"hubKey":[]},{"hubBearer":[]}]"#,
            _ => "[]",
        };
        assert_eq!(described["security"].to_string(), security, "{name}");
    }
    let paths = DOCUMENT["paths"].as_object().unwrap().values();
    let documented: usize =
        paths.map(|path| path.as_object().unwrap().keys().filter(|key| *key != "parameters").count()).sum();
    assert_eq!(documented, routes.len());
    let events = DOCUMENT["webhooks"].as_object().unwrap();
    assert_eq!(events.len(), WORKSPACE_EVENTS.len() + PARTNER_EVENTS.len() + HUB_EVENTS.len());
}

#[test]
fn every_operation_documents_every_status_it_may_answer() {
    for route in skylight::routes::all() {
        let responses = operation(&route)["responses"].as_object().unwrap();
        for status in openapi::statuses(&route) {
            let problem = &documented::response(&route, status)["content"]["application/json"];
            let (name, at) = match route.dialect() {
                Dialect::Product => ("Problem", "/code"),
                Dialect::Hub => ("HubProblem", "/meta/error"),
                Dialect::Token => ("TokenProblem", "/meta/error"),
            };
            let refers = format!("#/components/schemas/{name}");
            assert_eq!(problem["schema"]["$ref"], refers.as_str(), "{} {status}", route.operation);
            let examples = problem["examples"].as_object().unwrap();
            assert!(!examples.is_empty(), "{} {status} has no example", route.operation);
            for (code, example) in examples {
                let mut faults = Vec::new();
                documented::compare(&problem["schema"], &example["value"], code, &mut faults);
                assert!(faults.is_empty(), "{} {status}: {faults:?}", route.operation);
                let said = example["value"].pointer(at).and_then(Value::as_str);
                assert_eq!(said, Some(code.as_str()), "{} {status}", route.operation);
            }
        }
        for status in &route.pages {
            let page = &responses[&status.to_string()]["content"];
            assert!(page["text/html"].is_object(), "{} {status}", route.operation);
        }
        assert_eq!(
            responses.len(),
            openapi::statuses(&route).len() + route.pages.len() + 1,
            "{}: {responses:?}",
            route.operation
        );
        assert!(responses.contains_key(&route.status.to_string()), "{}", route.operation);
    }
}

#[test]
fn every_operation_shows_what_it_answers() {
    for route in skylight::routes::all() {
        let name = route.operation;
        let described = documented::response(&route, route.status);
        if route.shape == Shape::Nothing {
            assert!(described.get("content").is_none(), "{name} answers nothing");
            continue;
        }
        let content = described["content"].as_object().unwrap_or_else(|| panic!("{name} does not say what it answers"));
        let (kind, body) = content.iter().next().unwrap();
        assert_eq!((content.len(), kind == "application/json"), (1, route.text.is_none()), "{name}: {kind}");
        assert!(body["schema"].is_object(), "{name} answers without a schema");
        assert!(
            body.get("example").is_some(),
            "{name} shows no answer: some field of its data says no `#[schema(example = …)]`, see src/http/openapi/examples.rs"
        );
        let mut faults = Vec::new();
        documented::compare(&body["schema"], &body["example"], "example", &mut faults);
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
}

#[test]
fn a_body_is_required_where_a_field_is() {
    for route in skylight::routes::all() {
        let Some(example) = &route.request_example else { continue };
        let needed = documented::fields(&route, example).iter().any(|field| field.required);
        assert_eq!(operation(&route)["requestBody"]["required"], needed, "{}", route.operation);
    }
}

#[test]
fn every_reference_resolves_and_every_schema_is_used() {
    let mut referred = BTreeSet::new();
    collect(&DOCUMENT, &mut referred);
    for name in &referred {
        assert!(DOCUMENT.pointer(name.strip_prefix('#').unwrap()).is_some(), "{name} leads nowhere");
    }
    let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap().keys();
    let unused: Vec<_> = schemas.filter(|name| !referred.contains(&format!("#/components/schemas/{name}"))).collect();
    assert!(unused.is_empty(), "nobody refers to {unused:?}");
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[test]
fn every_example_of_a_body_is_one() {
    for route in skylight::routes::all() {
        let Some(example) = &route.request_example else { continue };
        let body = &operation(&route)["requestBody"]["content"][route.takes];
        assert_eq!(&body["example"], example, "{}", route.operation);
        let mut faults = Vec::new();
        documented::compare(&body["schema"], example, "body", &mut faults);
        assert!(faults.is_empty(), "{}: {faults:?}", route.operation);
    }
}

#[test]
fn the_committed_document_is_the_programs_own() {
    let printed = Command::new(env!("CARGO_BIN_EXE_skylight")).arg("openapi").output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let committed = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json")).unwrap_or_default();
    assert!(
        printed.stdout == committed,
        "docs/openapi.json is not what the program says; renew it with\n\n    cargo run --quiet -- openapi > docs/openapi.json\n"
    );
    assert_eq!(serde_json::from_slice::<Value>(&committed).unwrap(), *DOCUMENT);
}
