//! How refusals are written: one error, two dialects. The product's is the documented envelope; the second partner API has
//! a body of its own and answers faults of input with 400.

use super::route::Dialect;
use crate::kernel::Problem;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
struct ErrorBody<'a> {
    success: bool,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    code: &'a str,
    request_id: &'a str,
}

#[derive(Serialize)]
struct HubBody<'a> {
    meta: HubMeta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<&'a str>,
}

#[derive(Serialize)]
struct HubMeta<'a> {
    success: bool,
    http_code: u16,
    /// The one field that integrations print, so it says everything.
    developer_message: &'a str,
    details: Vec<String>,
    error: &'a str,
    request_id: &'a str,
}

/// The status that a problem has in a dialect.
pub fn status(problem: &Problem, dialect: Dialect) -> u16 {
    match (dialect, problem.status, problem.code) {
        (Dialect::Product, status, _) => status,
        (_, 422, _) | (_, _, "email_taken") => 400,
        (_, status, _) => status,
    }
}

/// Puts a problem into a response.
pub fn write(response: &mut Response, problem: &Problem, id: &str, dialect: Dialect) {
    let status = status(problem, dialect);
    let text = match dialect {
        Dialect::Product => product(problem, id),
        Dialect::Hub | Dialect::Token => hub(problem, status, id, dialect),
    };
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.body_mut() = Body::from(text);
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

fn product(problem: &Problem, id: &str) -> String {
    let errors = problem.errors.iter().map(|(field, messages)| (field.clone(), Value::from(messages.clone())));
    let errors: Map<String, Value> = errors.collect();
    let body = ErrorBody {
        success: false,
        message: &problem.message,
        errors: (!errors.is_empty()).then_some(errors),
        retry_after: problem.retry_after.filter(|_| problem.status == 429),
        code: problem.code,
        request_id: id,
    };
    serde_json::to_string(&body).unwrap_or_default()
}

fn hub(problem: &Problem, http_code: u16, id: &str, dialect: Dialect) -> String {
    let faults = problem.errors.iter().flat_map(|(field, messages)| messages.iter().map(move |text| (field, text)));
    let details: Vec<String> = faults.map(|(field, text)| format!("{field}: {text}")).collect();
    let told = match details.is_empty() {
        true => problem.message.to_string(),
        false => format!("{} {}", problem.message, details.join(" ")),
    };
    let meta =
        HubMeta { success: false, http_code, developer_message: &told, details, error: problem.code, request_id: id };
    let error = (dialect == Dialect::Token).then(|| oauth(http_code));
    serde_json::to_string(&HubBody { meta, error, error_description: error.map(|_| told.as_str()) }).unwrap_or_default()
}

/// The word that OAuth has for a refusal.
pub fn oauth(status: u16) -> &'static str {
    match status {
        401 => "invalid_grant",
        429 | 503 => "temporarily_unavailable",
        500 => "server_error",
        _ => "invalid_request",
    }
}
