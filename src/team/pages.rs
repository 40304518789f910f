//! The page behind an invitation: somebody chooses a password. Looking at it uses nothing up; only the form does.

use super::invite::{self, Invited};
use super::password::{Password, Unfit};
use super::words::Words;
use crate::http::{Http, Route, Segment, Who};
use crate::kernel::{Error, Result};
use crate::partners::Colour;
use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::json;
use std::collections::HashMap;
use utoipa::ToSchema;

const INVITE: &str = "/invite";
const TAG: &str = "Pages";
const FORM_LIMIT: usize = 16 * 1024;
/// The page has no script at all and loads nothing but its own two style sheets.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
                      frame-ancestors 'none'";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, INVITE, Who::Public, "invitation_page", show)
            .doc(
                TAG,
                "An invitation's page",
                "Where somebody who was invited chooses a password. Opening it does not use the link up.",
            )
            .query("token", "string", "From the invitation.")
            .query("lang", "en|ar", "Default: what the browser asks for.")
            .shows(&[404])
            .guessable(),
        Route::new(Method::POST, INVITE, Who::Public, "accept_invitation", accept)
            .doc(TAG, "Choose a password", "The form of the invitation's page. Uses the link up.")
            .takes_form::<AcceptForm>(json!({
                "token": "inv_…", "password": "seven palms, one well", "again": "seven palms, one well", "lang": "en",
            }))
            .body_limit(FORM_LIMIT)
            .shows(&[404, 422])
            .may_fail(&[413, 415])
            .guessable(),
        Route::new(Method::GET, "/static/{file}", Who::Public, "static_file", file)
            .doc(TAG, "Style sheets of pages", "`page.css`, and `brand-rrggbb.css` for a brand's colour.")
            .answers_text("text/css", ":root { … }")
            .may_fail(&[404]),
    ]
}

/// What the page's form sends.
#[derive(Debug, ToSchema)]
pub struct AcceptForm {
    pub token: String,
    #[schema(min_length = 8, max_length = 256)]
    pub password: String,
    /// The password again.
    pub again: String,
    #[schema(example = "en")]
    pub lang: Option<String>,
}

/// What every page shows around its own part.
struct Frame {
    w: &'static Words,
    brand: String,
    /// Digits of the brand's colour.
    colour: Option<String>,
}

impl Frame {
    fn of(w: &'static Words, invited: &Invited) -> Self {
        let (brand, colour) = (invited.face.brand.clone(), invited.face.colour.map(Colour::digits));
        Self { w, brand, colour }
    }

    /// Without a brand: nobody knows whose link it was.
    fn bare(w: &'static Words) -> Self {
        Self { w, brand: String::new(), colour: None }
    }
}

#[derive(Template)]
#[template(path = "invite/choose.html")]
struct Choose<'a> {
    frame: Frame,
    invited: &'a Invited,
    token: &'a str,
    fault: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "invite/done.html")]
struct Done<'a> {
    frame: Frame,
    invited: &'a Invited,
}

#[derive(Template)]
#[template(path = "invite/dead.html")]
struct Dead {
    frame: Frame,
}

async fn show(State(http): State<Http>, headers: HeaderMap, uri: Uri) -> Result<Response> {
    let given = pairs(uri.query().unwrap_or_default().as_bytes());
    let w = words(&given, &headers);
    let token = given.get("token").map_or("", String::as_str);
    match invite::invited(&http.app, token).await? {
        Some(invited) => {
            let page = Choose { frame: Frame::of(w, &invited), invited: &invited, token, fault: None };
            page_of(&http, StatusCode::OK, &page)
        }
        None => dead(&http, w),
    }
}

async fn accept(State(http): State<Http>, headers: HeaderMap, body: Bytes) -> Result<Response> {
    if !is_form(&headers) {
        return Err(
            Error::unsupported_media_type().saying("The request body must be application/x-www-form-urlencoded.")
        );
    }
    let given = pairs(&body);
    let w = words(&given, &headers);
    let text = |name: &str| given.get(name).map_or("", String::as_str);
    let Some(invited) = invite::invited(&http.app, text("token")).await? else { return dead(&http, w) };
    let password = match chosen(text("password"), text("again"), w) {
        Ok(password) => password,
        Err(fault) => {
            let frame = Frame::of(w, &invited);
            let page = Choose { frame, invited: &invited, token: text("token"), fault: Some(fault) };
            return page_of(&http, StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    let hashed = password.hashed(&http.app).await?;
    let mut unit = http.app.begin().await?;
    if !invite::accept(&mut unit, &invited, &hashed).await? {
        return dead(&http, w);
    }
    unit.commit().await?;
    page_of(&http, StatusCode::OK, &Done { frame: Frame::of(w, &invited), invited: &invited })
}

/// One page for links that are unknown, used, replaced or expired.
fn dead(http: &Http, w: &'static Words) -> Result<Response> {
    page_of(http, StatusCode::NOT_FOUND, &Dead { frame: Frame::bare(w) })
}

fn chosen(password: &str, again: &str, w: &'static Words) -> Result<Password, &'static str> {
    let chosen = Password::choose(password).map_err(|unfit| match unfit {
        Unfit::TooShort => w.too_short,
        Unfit::TooLong => w.too_long,
        Unfit::Common => w.common,
    })?;
    if password == again { Ok(chosen) } else { Err(w.differ) }
}

fn pairs(text: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

fn words(given: &HashMap<String, String>, headers: &HeaderMap) -> &'static Words {
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Words::chosen(given.get("lang").map(String::as_str), accepted)
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// A page about one person: nobody keeps it, and where it leads learns nothing of its address.
fn page_of(http: &Http, status: StatusCode, page: &impl Template) -> Result<Response> {
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    let html = page.render().map_err(Error::internal)?;
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (OPENER, "same-origin"),
    ];
    let mut response = (status, headers, Html(html)).into_response();
    if http.app.config.public_url.scheme() == "https" {
        let a_year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, a_year);
    }
    Ok(response)
}

async fn file(Segment(file): Segment) -> Response {
    const HEADERS: [(HeaderName, &str); 2] =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")];
    if file == "page.css" {
        return (HEADERS, include_str!("../../static/page.css")).into_response();
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
