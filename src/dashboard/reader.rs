//! Who reads a page: in which language, and how the page remembers it.

use super::{Referrer, Words, page, root};
use crate::app::App;
use crate::http::Http;
use crate::http::browser;
use crate::kernel::{Error, Language, Result};
use crate::partners::brand::LOGOS;
use crate::partners::{Colour, Face};
use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::{ACCEPT_LANGUAGE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};
use std::time::Duration;

const COOKIE: &str = "lang";
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Somebody who reads pages.
#[derive(Clone, Debug)]
pub struct Reader {
    app: App,
    pub language: Language,
    /// They asked for this language just now.
    asked: bool,
    query: Vec<(String, String)>,
}

impl FromRequestParts<Http> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self> {
        Ok(Self::of(&http.app, &parts.headers, &parts.uri))
    }
}

impl Reader {
    /// The language asked for in the address, else the one chosen before, else what the browser likes.
    pub fn of(app: &App, headers: &HeaderMap, uri: &Uri) -> Self {
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let reader = Self { app: app.clone(), language: Language::English, asked: false, query };
        let asked = reader.asked_for("lang").and_then(Language::named);
        let kept = browser::cookie(app, headers, COOKIE).and_then(Language::named);
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let language = asked.or(kept).unwrap_or_else(|| Language::chosen(None, accepted));
        Self { language, asked: asked.is_some(), ..reader }
    }

    /// A value of the address's query.
    pub fn asked_for(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// A form says in which language its page was.
    pub fn in_language_of(mut self, form: &browser::Form) -> Self {
        self.language = form.get("lang").and_then(Language::named).unwrap_or(self.language);
        self
    }

    pub fn words(&self) -> &'static Words {
        Words::of(self.language)
    }

    pub fn page(&self, status: StatusCode, referrer: Referrer, template: &impl Template) -> Result<Response> {
        let mut response = page(&self.app, status, referrer, template)?;
        if self.asked {
            let cookie = browser::set_cookie(&self.app, COOKIE, self.language.code(), Some(A_YEAR))?;
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// What a page shows around its part. `here` is its own path, with what must stay in its query.
    pub fn frame(&self, brand: &str, colour: Option<Colour>, logo: Option<&str>, here: &str) -> Frame {
        let (root, other) = (root(&self.app), self.language.other());
        let mark = if here.contains('?') { '&' } else { '?' };
        Frame {
            w: self.words(),
            language: self.language,
            root: root.to_owned(),
            brand: brand.to_owned(),
            colour: colour.map(Colour::digits),
            // Pages load nothing from elsewhere.
            logo: logo.filter(|logo| logo.starts_with(LOGOS)).map(str::to_owned),
            elsewhere: format!("{root}{here}{mark}lang={}", other.code()),
        }
    }

    pub fn frame_of(&self, face: &Face, here: &str) -> Frame {
        self.frame(&face.brand, face.colour, face.logo.as_deref(), here)
    }

    /// Without a brand: nobody knows whose page it is.
    pub fn bare_frame(&self, here: &str) -> Frame {
        self.frame("", None, None, here)
    }
}

/// What every page shows around its own part.
#[derive(Debug)]
pub struct Frame {
    pub w: &'static Words,
    pub language: Language,
    /// Stands before every path.
    pub root: String,
    pub brand: String,
    /// Digits of the brand's colour.
    pub colour: Option<String>,
    /// The path of the brand's logo.
    pub logo: Option<String>,
    /// This page in the other language.
    pub elsewhere: String,
}
