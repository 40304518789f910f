//! What is refused, as a page.

use super::{Frame, Reader, Referrer};
use crate::app::App;
use crate::kernel::Problem;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

#[derive(Template)]
#[template(path = "page/problem.html")]
struct Refused {
    frame: Frame,
    title: &'static str,
    why: &'static str,
    /// The site's own address, where forms must come from.
    address: Option<String>,
}

/// The page for a refusal. It does not know who reads it, so it shows no brand.
pub fn problem_page(app: &App, headers: &HeaderMap, problem: &Problem) -> Response {
    let reader = Reader::of(app, headers, &Uri::default());
    let w = reader.words();
    let (title, why) = match problem.code {
        "foreign_form" => (w.old_form, w.old_form_why),
        _ => match problem.status {
            401 => (w.no_key_here, w.no_key_here_why),
            403 => (w.forbidden, w.forbidden_why),
            404 => (w.missing, w.missing_why),
            429 => (w.too_many, w.too_many_why),
            400..=499 => (w.not_understood, w.not_understood_why),
            503 => (w.busy, w.busy_why),
            _ => (w.broken, w.broken_why),
        },
    };
    let address = (problem.code == "foreign_form").then(|| app.config.public_url.as_str().to_owned());
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let frame = reader.bare_frame("/");
    let page = reader.page(status, Referrer::SameOrigin, &Refused { frame, title, why, address });
    let mut response = page.unwrap_or_else(IntoResponse::into_response);
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
