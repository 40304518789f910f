//! The face for people: what all pages share. Pages themselves stand with their capability, in its `pages.rs`.
//!
//! A page is rendered here, of templates that escape whatever they are given; it has no script and no inline style, and a
//! brand's colour is a style sheet of its own.

pub mod assets;
pub mod choose;
mod figure;
pub mod forgot;
pub mod people;
mod problem;
mod reader;
mod shell;
pub mod sign_in;
mod words;

pub use figure::{Figure, ShownVisit};
pub use problem::problem_page;
pub use reader::{Frame, Reader};
pub use shell::{Place, Shell, day_and_time, number};
pub use words::Words;

use crate::app::App;
use crate::http::Route;
use crate::kernel::{Error, Result};
use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, LOCATION, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderValue, StatusCode};

pub const TAG: &str = "Pages";

/// Pages have no script at all, and load nothing but their own style sheets (rule W4).
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      object-src 'none'; frame-ancestors 'none'";

/// Whether where a page leads may learn its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referrer {
    SameOrigin,
    /// Its address holds a secret.
    Nobody,
}

pub fn routes() -> Vec<Route> {
    assets::routes()
}

/// A page about somebody: nobody keeps it.
pub fn page(app: &App, status: StatusCode, referrer: Referrer, template: &impl Template) -> Result<Response> {
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    let html = template.render().map_err(Error::internal)?;
    let referrer = if referrer == Referrer::Nobody { "no-referrer" } else { "same-origin" };
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, referrer),
        (CACHE_CONTROL, "no-store"),
        (OPENER, "same-origin"),
    ];
    let mut response = (status, headers, Html(html)).into_response();
    if app.config.public_url.scheme() == "https" {
        let a_year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, a_year);
    }
    Ok(response)
}

/// What follows a form that did its work: a clean address, so that a reload does not do it again.
pub fn go_to(app: &App, path: &str) -> Response {
    let location = format!("{}{path}", root(app));
    (StatusCode::SEE_OTHER, [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())]).into_response()
}

/// What stands before every path, where a proxy serves us under one.
pub fn root(app: &App) -> &str {
    app.config.public_url.path().trim_end_matches('/')
}

/// A path of this site to go to after signing in (rule W5): nothing that a browser could take for another site.
pub fn local_path(text: &str) -> Option<&str> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_local = text.starts_with('/') && !text.starts_with("//");
    (is_plain && is_local && text.len() <= 2048).then_some(text)
}
