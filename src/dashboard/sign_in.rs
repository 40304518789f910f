//! Signing in: one page and one way for workspaces and partners (rules W1, W2, W5, W6, W8).

use super::{Frame, Reader, Referrer, go_to, local_path};
use crate::app::{App, Unit};
use crate::auth::guesses::{self, Attempt};
use crate::auth::{Typed, sessions};
use crate::http::Form;
use crate::http::browser::{self, is_from_here};
use crate::kernel::{Email, Error, Result, Secret, secret};
use askama::Template;
use axum::response::Response;
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::net::IpAddr;

/// Of somebody who is not signed in: what their forms must carry follows from it.
const FORM_COOKIE: &str = "form";

/// One of the two places where people sign in.
#[derive(Debug)]
pub struct Door {
    /// Of its page.
    pub path: &'static str,
    /// Where one comes in, unless another page was asked for.
    pub landing: &'static str,
    /// Of its sessions.
    pub cookie: &'static str,
    /// Where one asks for a new password.
    pub forgot: &'static str,
}

#[derive(Template)]
#[template(path = "page/login.html")]
struct Login<'a> {
    frame: Frame,
    action: &'static str,
    forgot: &'static str,
    form: &'a str,
    next: &'a str,
    workspace: &'a str,
    email: &'a str,
    fault: Option<&'static str>,
}

/// Somebody at a door.
#[derive(Debug)]
pub struct Visitor<'a> {
    pub app: &'a App,
    pub reader: &'a Reader,
    pub headers: &'a HeaderMap,
    pub address: IpAddr,
}

/// The token of a form for somebody who is not signed in, and the secret it follows from, if they have none yet.
#[derive(Debug)]
pub struct Anonymous {
    pub form: String,
    cookie: Option<HeaderValue>,
}

impl Anonymous {
    pub fn of(app: &App, headers: &HeaderMap) -> Result<Self> {
        if let Some(kept) = kept_secret(app, headers) {
            return Ok(Self { form: token_of(kept), cookie: None });
        }
        let fresh = app.random.alphanumeric(43);
        let cookie = browser::set_cookie(app, FORM_COOKIE, &fresh, None)?;
        Ok(Self { form: token_of(&fresh), cookie: Some(cookie) })
    }

    /// Gives the page its cookie.
    pub fn set_on(self, mut response: Response) -> Response {
        if let Some(cookie) = self.cookie {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

fn kept_secret<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let is_ours = |text: &&str| text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    browser::cookie(app, headers, FORM_COOKIE).filter(is_ours)
}

fn token_of(kept: &str) -> String {
    secret::hex(&secret::hmac(kept.as_bytes(), b"form before signing in"))
}

/// Refuses a form that is not of a page that this browser was shown.
pub fn check_form(app: &App, headers: &HeaderMap, form: &Form, may_be_null: bool) -> Result<()> {
    let kept = kept_secret(app, headers);
    let is_ours = is_from_here(app, headers, may_be_null) && kept.is_some_and(|kept| form.proves(&token_of(kept)));
    if is_ours { Ok(()) } else { Err(Error::foreign_form()) }
}

/// Shows a door's page.
pub fn show(visitor: &Visitor<'_>, door: &Door, frame: Frame) -> Result<Response> {
    let asked = |name| visitor.reader.asked_for(name).unwrap_or_default();
    let again = Again { next: asked("next"), workspace: asked("workspace"), email: "", fault: None };
    login_page(visitor, door, frame, StatusCode::OK, &again)
}

/// What a page that is shown again still knows.
struct Again<'a> {
    next: &'a str,
    workspace: &'a str,
    email: &'a str,
    fault: Option<&'static str>,
}

fn login_page(
    visitor: &Visitor<'_>,
    door: &Door,
    frame: Frame,
    status: StatusCode,
    again: &Again<'_>,
) -> Result<Response> {
    let anonymous = Anonymous::of(visitor.app, visitor.headers)?;
    let Again { next, workspace, email, fault } = *again;
    let next = local_path(next).unwrap_or_default();
    let Door { path, forgot, .. } = *door;
    let page = Login { frame, action: path, forgot, form: &anonymous.form, next, workspace, email, fault };
    let response = visitor.reader.page(status, Referrer::SameOrigin, &page)?;
    Ok(anonymous.set_on(response))
}

/// What a door's form said.
#[derive(Debug)]
pub struct Presented {
    pub email: Email,
    pub password: Typed,
}

/// Reads a door's form, tries what it presents, and lets its owner in. `try_it` answers a session's token for the right
/// password; for a wrong one, and for nobody's e-mail, nothing, after the same work.
pub async fn enter<F: Future<Output = Result<Option<Secret>>>>(
    visitor: &Visitor<'_>,
    door: &Door,
    frame: Frame,
    form: &Form,
    try_it: impl FnOnce(Presented, Attempt) -> F,
) -> Result<Response> {
    check_form(visitor.app, visitor.headers, form, false)?;
    let (typed, w) = (form.text("email").trim(), visitor.reader.words());
    let again = |status, fault| {
        let again =
            Again { next: form.text("next"), workspace: form.text("workspace"), email: typed, fault: Some(fault) };
        login_page(visitor, door, frame, status, &again)
    };
    let Some(email) = Email::parse(typed) else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, w.not_let_in);
    };
    let account = format!("{} {}", door.path, email.key());
    let attempt = match guesses::attempt(visitor.app, &account, visitor.address).await? {
        Ok(attempt) => attempt,
        Err(seconds) => {
            let mut page = again(StatusCode::TOO_MANY_REQUESTS, w.wait_before_trying)?;
            page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            return Ok(page);
        }
    };
    let presented = Presented { email, password: Typed::new(form.text("password")) };
    match try_it(presented, attempt).await? {
        Some(token) => let_in(visitor, door, form, &token),
        None => again(StatusCode::UNPROCESSABLE_ENTITY, w.not_let_in),
    }
}

fn let_in(visitor: &Visitor<'_>, door: &Door, form: &Form, token: &Secret) -> Result<Response> {
    let next = local_path(form.text("next")).unwrap_or(door.landing);
    let mut response = go_to(visitor.app, next);
    let cookie = browser::set_cookie(visitor.app, door.cookie, token.reveal(), None)?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// Ends the session that a browser has behind a door, in the unit that starts another, or none.
pub async fn end_former(unit: &mut Unit, app: &App, headers: &HeaderMap, cookie: &'static str) -> Result<()> {
    match browser::cookie(app, headers, cookie) {
        Some(former) => sessions::end(unit, former).await,
        None => Ok(()),
    }
}

/// What somebody sees who has signed out; their browser forgets the session.
pub fn left(app: &App, door: &Door) -> Result<Response> {
    let mut response = go_to(app, door.path);
    response.headers_mut().append(SET_COOKIE, browser::drop_cookie(app, door.cookie)?);
    Ok(response)
}
