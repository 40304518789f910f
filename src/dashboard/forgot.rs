//! Asking for a new password: one page and one way for workspaces and partners (rules W6, W8).

use super::choose::{self, Forgot};
use super::people::People;
use super::sign_in::{Anonymous, Visitor, check_form};
use super::{Frame, Reader, Referrer, TAG};
use crate::app::Trace;
use crate::auth::{Purpose, guesses};
use crate::http::gate::ClientAddress;
use crate::http::{Form, Http, Route, Who};
use crate::kernel::{Email, Result};
use crate::mail;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

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

/// Asking for a link, and the page behind it. The four operations' names are the room's.
pub fn routes<P: People>([shown, asked, opened, chosen]: [&'static str; 4]) -> Vec<Route> {
    let reset = P::page(Purpose::Reset);
    vec![
        Route::new(Method::GET, P::FORGOT, Who::Public, shown, show::<P>).page().doc(TAG, "Forgot a password", ""),
        Route::new(Method::POST, P::FORGOT, Who::Public, asked, ask::<P>).page().doc(TAG, "Ask for a link", ""),
        Route::new(Method::GET, reset, Who::Public, opened, choose::show::<P, Forgot>)
            .page()
            .doc(TAG, "The page behind a link to a new password", "Opening it does not use the link up.")
            .guessable(),
        Route::new(Method::POST, reset, Who::Public, chosen, choose::accept::<P, Forgot>)
            .page()
            .doc(TAG, "Choose a new password", "Uses the link up.")
            .guessable(),
    ]
}

async fn show<P: People>(
    State(http): State<Http>,
    reader: Reader,
    headers: HeaderMap,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
) -> Result<Response> {
    let visitor = Visitor { app: &http.app, reader: &reader, headers: &headers, address };
    page::<P>(&visitor, StatusCode::OK, None)
}

fn page<P: People>(visitor: &Visitor<'_>, status: StatusCode, fault: Option<&'static str>) -> Result<Response> {
    let anonymous = Anonymous::of(visitor.app, visitor.headers)?;
    let (frame, by_mail) = (visitor.reader.bare_frame(P::FORGOT), mail::is_configured(visitor.app));
    let page = Page { frame, action: P::FORGOT, login: P::LOGIN, form: &anonymous.form, by_mail, fault };
    let response = visitor.reader.page(status, Referrer::SameOrigin, &page)?;
    Ok(anonymous.set_on(response))
}

/// Reads the form and answers at once, the same to everybody. What is to be done is done afterwards, so that nobody learns
/// from the time whether there is anything to do; and it is counted as a guess is, so that nobody's mailbox is filled.
async fn ask<P: People>(
    State(http): State<Http>,
    reader: Reader,
    headers: HeaderMap,
    trace: Trace,
    form: Form,
) -> Result<Response> {
    let (app, reader) = (&http.app, reader.in_language_of(&form));
    let visitor = Visitor { app, reader: &reader, headers: &headers, address: trace.address };
    check_form(app, &headers, &form, false)?;
    let w = reader.words();
    let Some(email) = Email::parse(form.text("email").trim()) else {
        return page::<P>(&visitor, StatusCode::UNPROCESSABLE_ENTITY, Some(w.no_email));
    };
    let account = format!("{} {}", P::FORGOT, email.key());
    if let Err(seconds) = guesses::attempt(app, &account, visitor.address).await? {
        let mut response = page::<P>(&visitor, StatusCode::TOO_MANY_REQUESTS, Some(w.wait_before_trying))?;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        return Ok(response);
    }
    let sending = P::forgot(app.clone(), trace, email);
    tokio::spawn(async move {
        if let Err(error) = sending.await {
            tracing::warn!(%error, "a link to a new password was not sent");
        }
    });
    let asked = Asked { frame: reader.bare_frame(P::FORGOT), login: P::LOGIN };
    reader.page(StatusCode::OK, Referrer::SameOrigin, &asked)
}
