//! What browsers send and keep: cookies, forms, and where a request comes from (rules W1, W2).

use super::Http;
use crate::app::App;
use crate::kernel::{Error, Result, secret};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Who is signed in to a workspace.
pub const SESSION: &str = "session";
/// Who is signed in as a partner. A cookie of its own, because partners visit their clients.
pub const PARTNER_SESSION: &str = "partner_session";

/// The field of every form that proves that it is ours.
pub const FORM_TOKEN: &str = "form";

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn is_https(app: &App) -> bool {
    app.config.public_url.scheme() == "https"
}

/// Under https a cookie is this host's alone, by its name's prefix.
fn full_name(app: &App, name: &str) -> String {
    if is_https(app) { format!("__Host-{name}") } else { name.to_owned() }
}

/// A cookie's value; none if it is not there, or there with different values.
pub fn cookie<'a>(app: &App, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let name = full_name(app, name);
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(of, _)| *of == name).map(|(_, value)| value);
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// A cookie to be set: no script reads it, no other site's form carries it. Without a life it ends with the browser.
pub fn set_cookie(app: &App, name: &str, value: &str, life: Option<Duration>) -> Result<HeaderValue> {
    let secure = if is_https(app) { "; Secure" } else { "" };
    let life = life.map(|life| format!("; Max-Age={}", life.as_secs())).unwrap_or_default();
    let name = full_name(app, name);
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{life}");
    HeaderValue::from_str(&text).map_err(Error::internal)
}

/// A cookie to be forgotten.
pub fn drop_cookie(app: &App, name: &str) -> Result<HeaderValue> {
    set_cookie(app, name, "", Some(Duration::ZERO))
}

/// Whether a form was sent by a page of ours. Pages that keep their address to themselves (`no-referrer`) send `null` as
/// their origin: there the form's token decides alone.
pub fn is_from_here(app: &App, headers: &HeaderMap, may_be_null: bool) -> bool {
    let site = headers.get(FETCH_SITE).map(|site| site.as_bytes() == b"same-origin");
    let own = app.config.public_url.origin().ascii_serialization();
    let is_own = |origin: &HeaderValue| origin == own.as_str() || (may_be_null && origin == "null");
    let mut origins = headers.get_all(ORIGIN).iter();
    match origins.next() {
        Some(first) => is_own(first) && origins.next().is_none() && site.unwrap_or(true),
        None => site.unwrap_or(false),
    }
}

/// What a page's form sent: the last of each name.
#[derive(Clone, Debug, Default)]
pub struct Form(Arc<HashMap<String, String>>);

impl Form {
    pub fn parse(body: &[u8]) -> Self {
        Self(Arc::new(url::form_urlencoded::parse(body).into_owned().collect()))
    }

    /// A field's text; empty if it was not sent.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether the form carries this token (rule K5).
    pub fn proves(&self, token: &str) -> bool {
        secret::equal(&secret::digest(self.text(FORM_TOKEN)), &secret::digest(token))
    }
}

impl FromRequest<Http> for Form {
    type Rejection = Error;

    async fn from_request(mut request: Request, http: &Http) -> Result<Self> {
        // The gate has read the forms of who is signed in.
        if let Some(read) = request.extensions_mut().remove::<Self>() {
            return Ok(read);
        }
        check_type(request.headers())?;
        let body = Bytes::from_request(request, http).await.map_err(|_| Error::malformed_request())?;
        Ok(Self::parse(&body))
    }
}

/// Only forms are read.
pub fn check_type(headers: &HeaderMap) -> Result<()> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(super::route::FORM));
    if is_form {
        return Ok(());
    }
    Err(Error::unsupported_media_type().saying("The request body must be application/x-www-form-urlencoded."))
}
