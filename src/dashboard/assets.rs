//! Style sheets. Everything a page needs is inside the binary.

use super::TAG;
use crate::http::{Route, Segment, Who};
use crate::kernel::Error;
use crate::partners::Colour;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/static/{file}", Who::Public, "static_file", file)
            .doc(
                TAG,
                "Style sheets of pages",
                "`page.css`, `dashboard.css`, and `brand-rrggbb.css` for a brand's colour.",
            )
            .answers_text("text/css", ":root { … }")
            .may_fail(&[404]),
    ]
}

async fn file(Segment(file): Segment) -> Response {
    const HEADERS: [(HeaderName, &str); 2] =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")];
    match file.as_str() {
        "page.css" => return (HEADERS, include_str!("../../static/page.css")).into_response(),
        "dashboard.css" => return (HEADERS, include_str!("../../static/dashboard.css")).into_response(),
        _ => {}
    }
    let digits = file.strip_prefix("brand-").and_then(|rest| rest.strip_suffix(".css"));
    match digits.and_then(|digits| Colour::parse(&format!("#{digits}"))) {
        Some(colour) => (HEADERS, brand(colour)).into_response(),
        None => Error::not_found().into_response(),
    }
}

/// A brand's colour as a sheet of its own, so that no page needs a style inside.
fn brand(colour: Colour) -> String {
    let (digits, ink, on_white) = (colour.digits(), colour.ink(), colour.on_white());
    format!(":root {{ --brand: #{digits}; --brand-ink: {ink}; --brand-text: {on_white}; }}\n")
}
