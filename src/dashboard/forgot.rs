//! Asking for a new password: one page and one way for workspaces and partners (rules W6, W8).

use super::sign_in::{Anonymous, Visitor, check_form};
use super::{Frame, Referrer};
use crate::app::App;
use crate::auth::guesses;
use crate::http::Form;
use crate::kernel::{Email, Result};
use crate::mail;
use askama::Template;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

/// One of the two places where people ask.
#[derive(Debug)]
pub struct Counter {
    /// Of its page.
    pub path: &'static str,
    /// Where one signs in.
    pub login: &'static str,
}

#[derive(Template)]
#[template(path = "page/forgot.html")]
struct Page<'a> {
    frame: Frame,
    action: &'static str,
    login: &'static str,
    form: &'a str,
    /// Whether there is somebody who carries mail.
    by_mail: bool,
    fault: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "page/asked.html")]
struct Asked {
    frame: Frame,
    login: &'static str,
}

pub fn show(visitor: &Visitor<'_>, counter: &Counter) -> Result<Response> {
    page(visitor, counter, StatusCode::OK, None)
}

fn page(visitor: &Visitor<'_>, counter: &Counter, status: StatusCode, fault: Option<&'static str>) -> Result<Response> {
    let anonymous = Anonymous::of(visitor.app, visitor.headers)?;
    let Counter { path, login } = *counter;
    let (frame, by_mail) = (visitor.reader.bare_frame(path), mail::is_configured(visitor.app));
    let page = Page { frame, action: path, login, form: &anonymous.form, by_mail, fault };
    let response = visitor.reader.page(status, Referrer::SameOrigin, &page)?;
    Ok(anonymous.set_on(response))
}

/// Reads the form and answers at once, the same to everybody. What is to be done is done afterwards, so that nobody learns
/// from the time whether there is anything to do; and it is counted as a guess is, so that nobody's mailbox is filled.
pub async fn ask<F>(
    visitor: &Visitor<'_>,
    counter: &Counter,
    form: &Form,
    send: impl FnOnce(App, Email) -> F,
) -> Result<Response>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    check_form(visitor.app, visitor.headers, form, false)?;
    let w = visitor.reader.words();
    let Some(email) = Email::parse(form.text("email").trim()) else {
        return page(visitor, counter, StatusCode::UNPROCESSABLE_ENTITY, Some(w.no_email));
    };
    let account = format!("{} {}", counter.path, email.key());
    if let Err(seconds) = guesses::attempt(visitor.app, &account, visitor.address).await? {
        let mut response = page(visitor, counter, StatusCode::TOO_MANY_REQUESTS, Some(w.wait_before_trying))?;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        return Ok(response);
    }
    let sending = send(visitor.app.clone(), email);
    tokio::spawn(async move {
        if let Err(error) = sending.await {
            tracing::warn!(%error, "a link to a new password was not sent");
        }
    });
    let asked = Asked { frame: visitor.reader.bare_frame(counter.path), login: counter.login };
    visitor.reader.page(StatusCode::OK, Referrer::SameOrigin, &asked)
}
