//! What routes refuse with: the statuses that follow from a row of the table, and the answers that rows share.

use super::{JSON, kind_of, text};
use crate::http::problem::oauth;
use crate::http::route::{Dialect, Route, Who};
use crate::kernel::Error;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder, Schema};

/// What a route can refuse with, as it follows from its row of the table.
pub fn statuses(route: &Route) -> Vec<u16> {
    // The frame of a request may be wrong whoever sends it.
    let mut statuses = vec![400, 413, 431, 500, 503];
    match route.who {
        Who::Workspace | Who::Partner | Who::Hub => statuses.extend([401, 403, 429]),
        Who::Provider => statuses.extend([401, 404]),
        Who::Public | Who::Session | Who::PartnerSession => {}
    }
    if route.guessable {
        statuses.push(429);
    }
    if route.who.has_key() {
        if route.has_id() {
            statuses.push(404);
        }
        if !route.parameters.is_empty() {
            statuses.push(422);
        }
        if route.writes() {
            statuses.extend([409, 422]);
        }
        if route.request.is_some() {
            statuses.push(415);
        }
    }
    statuses.extend(&route.problems);
    if route.dialect() != Dialect::Product {
        statuses.retain(|status| *status != 422);
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// The answer's name among the shared ones.
fn name(who: Who, dialect: Dialect, status: u16) -> String {
    match dialect {
        Dialect::Token => format!("Token{status}"),
        _ => format!("{who:?}{status}"),
    }
}

/// Adds a reference to every refusal of a route.
pub fn refer(route: &Route, mut operation: OperationBuilder) -> OperationBuilder {
    for status in statuses(route) {
        let at = format!("#/components/responses/{}", name(route.who, route.dialect(), status));
        operation = operation.response(status.to_string(), RefOr::<Response>::Ref(Ref::new(at)));
    }
    operation
}

/// Every refusal that some route refers to.
pub fn shared(routes: &[Route]) -> BTreeMap<String, RefOr<Response>> {
    let used =
        routes.iter().flat_map(|route| statuses(route).into_iter().map(|status| (route.who, route.dialect(), status)));
    let described = |(who, dialect, status)| (name(who, dialect, status), response(who, dialect, status).into());
    used.map(described).collect()
}

fn response(who: Who, dialect: Dialect, status: u16) -> Response {
    let here = |code: &str, of: u16| match (dialect, code) {
        (Dialect::Product, _) => of == status,
        (_, "invalid" | "email_taken") => status == 400,
        _ => of == status,
    };
    let codes: Vec<_> =
        Error::CODES.iter().filter(|(code, of, _)| here(code, *of) && concerns(who, dialect, code)).collect();
    let description = codes.iter().map(|(code, ..)| format!("`{code}`")).collect::<Vec<_>>().join(", ");
    let examples = codes.iter().map(|(code, _, message)| {
        let value = match dialect {
            Dialect::Product => problem(code, status, message),
            Dialect::Hub => hub_problem(code, status, message),
            Dialect::Token => {
                let mut body = hub_problem(code, status, message);
                body["error"] = json!(oauth(status));
                body["error_description"] = body["meta"]["developer_message"].clone();
                body
            }
        };
        let example = ExampleBuilder::new().summary(*message).value(Some(value));
        (*code, RefOr::<Example>::T(example.build()))
    });
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema_name(dialect))));
    let response = ResponseBuilder::new().description(description);
    let response = response.content(JSON, content.examples_from_iter(examples).build());
    let waits = matches!(status, 429 | 503);
    let response = if waits { response.header("Retry-After", seconds("When to try again.")) } else { response };
    let limits = if status == 429 && who != Who::Provider { LIMITS } else { &[] };
    limits.iter().fold(response, |response, (name, says)| response.header(*name, seconds(says))).build()
}

const LIMITS: &[(&str, &str)] = &[
    ("X-RateLimit-Limit", "Requests that a window of a minute takes."),
    ("X-RateLimit-Remaining", "How many are left of them."),
    ("X-RateLimit-Reset", "When the window ends, in Unix seconds."),
];

fn seconds(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().schema(Some(kind_of(Type::Integer))).description(Some(description)).build()
}

/// Whether callers of this kind can meet this code.
fn concerns(who: Who, dialect: Dialect, code: &str) -> bool {
    match code {
        "unauthenticated"
        | "origin_not_allowed"
        | "feature_not_in_plan"
        | "plan_limit_reached"
        | "channel_already_connected"
        | "provider_unavailable" => who == Who::Workspace,
        "numbers_not_allowed" => who == Who::Workspace,
        "partner_unauthenticated" => who == Who::Partner,
        "hub_unauthenticated" => who == Who::Hub,
        "metrics_unauthenticated" => who == Who::Public && dialect == Dialect::Product,
        "wrong_login" => dialect == Dialect::Token,
        "email_taken" => dialect != Dialect::Token,
        "partner_suspended" | "seat_limit_reached" => matches!(who, Who::Partner | Who::Hub),
        // A partner hears it of a client that it would visit.
        "account_suspended" => matches!(who, Who::Workspace | Who::Partner),
        // Said by pages.
        "not_permitted" | "foreign_form" => false,
        "bad_signature" | "verification_failed" => who == Who::Provider,
        "malformed_body" => who.has_key() || dialect == Dialect::Token,
        "wrong_credential" => who.has_key(),
        _ => true,
    }
}

fn problem(code: &str, status: u16, message: &str) -> Value {
    let mut problem = json!({
        "success": false, "message": message, "code": code, "request_id": "3f0c1d2e4b5a69788796a5b4c3d2e1f0",
    });
    match (status, code) {
        (_, "email_taken") => problem["errors"] = json!({"admin.email": ["The email has already been taken."]}),
        (422, _) => problem["errors"] = json!({"name": ["The name field is required."]}),
        (429, _) => problem["retry_after"] = json!(17),
        _ => {}
    }
    problem
}

fn hub_problem(code: &str, status: u16, message: &str) -> Value {
    let details = match code {
        "invalid" => vec!["name: The name field is required."],
        "email_taken" => vec!["email: The email has already been taken."],
        _ => Vec::new(),
    };
    let told = [&[message], &details[..]].concat().join(" ");
    json!({"meta": {
        "success": false, "http_code": status, "developer_message": told, "details": details, "error": code,
        "request_id": "3f0c1d2e4b5a69788796a5b4c3d2e1f0",
    }})
}

/// The name of the schema of refusals.
pub fn schema_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Product => "Problem",
        Dialect::Hub => "HubProblem",
        Dialect::Token => "TokenProblem",
    }
}

/// The body of every refusal of the second partner API.
pub fn hub_schema() -> RefOr<Schema> {
    hub_body().into()
}

/// Likewise, of its tokens.
pub fn token_schema() -> RefOr<Schema> {
    let body = hub_body().property("error", text("invalid_grant"));
    let body = body.property("error_description", text("The username or the password is wrong."));
    body.required("error").required("error_description").into()
}

fn hub_body() -> ObjectBuilder {
    let details = ArrayBuilder::new().items(text("name: The name field is required."));
    let meta = ObjectBuilder::new()
        .property("success", ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])))
        .property("http_code", kind_of(Type::Integer).examples([json!(404)]))
        .property("developer_message", text("Client not found."))
        .property("details", details)
        .property("error", text("not_found").description(Some("A stable word for programs.")))
        .property("request_id", text("3f0c1d2e4b5a69788796a5b4c3d2e1f0"));
    let keys = ["success", "http_code", "developer_message", "details", "error", "request_id"];
    let meta = keys.into_iter().fold(meta, ObjectBuilder::required);
    ObjectBuilder::new().property("meta", meta).required("meta")
}

/// The body of every refusal.
pub fn schema() -> RefOr<Schema> {
    let messages = ArrayBuilder::new().items(kind_of(Type::String));
    ObjectBuilder::new()
        .property("success", ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])))
        .property("message", text("The given data was invalid."))
        .property("code", text("invalid").description(Some("A stable word for programs.")))
        .property("request_id", text("3f0c1d2e4b5a69788796a5b4c3d2e1f0"))
        .property(
            "errors",
            ObjectBuilder::new()
                .additional_properties(Some(Schema::from(messages.build())))
                .description(Some("Sentences by dotted field name; with 422, and with 409 where a field is meant."))
                .examples([json!({"admin.email": ["The email has already been taken."]})]),
        )
        .property("retry_after", kind_of(Type::Integer).description(Some("With 429: seconds.")).examples([json!(17)]))
        .required("success")
        .required("message")
        .required("code")
        .required("request_id")
        .into()
}
