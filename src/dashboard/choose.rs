//! Choosing a password behind a link: one flow for everybody who is invited or forgot theirs. Looking at the page uses
//! nothing up; only its form does.

use super::people::{Guest, People};
use super::{Frame, Reader, Referrer, Words};
use crate::app::{Origin, Trace};
use crate::auth::{Password, Purpose, Unfit};
use crate::http::{Form, Http};
use crate::kernel::Result;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

/// What a page's links are for.
pub trait Why: 'static {
    const PURPOSE: Purpose;
}

#[derive(Debug)]
pub struct Invited;

impl Why for Invited {
    const PURPOSE: Purpose = Purpose::Invitation;
}

#[derive(Debug)]
pub struct Forgot;

impl Why for Forgot {
    const PURPOSE: Purpose = Purpose::Reset;
}

#[derive(Template)]
#[template(path = "page/choose.html")]
struct Choose<'a> {
    frame: Frame,
    guest: Guest<'a>,
    /// What they choose it for, and how that is said.
    what_for: &'static str,
    action: &'static str,
    token: &'a str,
    fault: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "page/chosen.html")]
struct Chosen<'a> {
    frame: Frame,
    email: &'a str,
    login: &'static str,
}

#[derive(Template)]
#[template(path = "page/dead.html")]
struct Dead {
    frame: Frame,
    why: &'static str,
}

/// The page behind a link.
pub async fn show<P: People, W: Why>(State(http): State<Http>, reader: Reader) -> Result<Response> {
    let token = reader.asked_for("token").unwrap_or_default();
    match P::holder(&http.app, W::PURPOSE, token).await? {
        Some(holder) => form::<P>(&reader, W::PURPOSE, P::guest(&holder), token, None),
        None => dead_link(&reader, W::PURPOSE),
    }
}

/// What its form does.
pub async fn accept<P: People, W: Why>(
    State(http): State<Http>,
    trace: Trace,
    reader: Reader,
    sent: Form,
) -> Result<Response> {
    let (reader, token) = (reader.in_language_of(&sent), sent.text("token"));
    let Some(holder) = P::holder(&http.app, W::PURPOSE, token).await? else {
        return dead_link(&reader, W::PURPOSE);
    };
    let guest = P::guest(&holder);
    let password = match chosen(&sent, reader.words()) {
        Ok(password) => password,
        Err(fault) => return form::<P>(&reader, W::PURPOSE, guest, token, Some(fault)),
    };
    let hashed = password.hashed(&http.app).await?;
    let mut unit = http.app.begin_by(Origin::anonymous(trace)).await?;
    if !P::accept(&mut unit, &holder, &hashed).await? {
        return dead_link(&reader, W::PURPOSE);
    }
    unit.commit().await?;
    let frame = frame::<P>(&reader, W::PURPOSE, guest, token);
    reader.page(StatusCode::OK, Referrer::Nobody, &Chosen { frame, email: guest.email, login: P::LOGIN })
}

fn frame<P: People>(reader: &Reader, purpose: Purpose, guest: Guest<'_>, token: &str) -> Frame {
    reader.frame_of(guest.face, &format!("{}?token={token}", P::page(purpose)))
}

/// A fault says why it is shown again.
fn form<P: People>(
    reader: &Reader,
    purpose: Purpose,
    guest: Guest<'_>,
    token: &str,
    fault: Option<&'static str>,
) -> Result<Response> {
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let what_for = match purpose {
        Purpose::Invitation => P::invited_to(reader.words()),
        Purpose::Reset => reader.words().new_password_at,
    };
    let (frame, action) = (frame::<P>(reader, purpose, guest, token), P::page(purpose));
    reader.page(status, Referrer::Nobody, &Choose { frame, guest, what_for, action, token, fault })
}

fn dead_link(reader: &Reader, purpose: Purpose) -> Result<Response> {
    let w = reader.words();
    dead(reader, if purpose == Purpose::Reset { w.reset_dead_why } else { w.dead_why })
}

/// One page for links that are unknown, used, replaced or expired.
pub fn dead(reader: &Reader, why: &'static str) -> Result<Response> {
    let frame = reader.bare_frame("/");
    reader.page(StatusCode::NOT_FOUND, Referrer::Nobody, &Dead { frame, why })
}

/// The password that a form chose, or why it cannot be.
fn chosen(form: &Form, w: &'static Words) -> Result<Password, &'static str> {
    let chosen = Password::choose(form.text("password")).map_err(|unfit| match unfit {
        Unfit::TooShort => w.too_short,
        Unfit::TooLong => w.too_long,
        Unfit::Common => w.common,
    })?;
    if form.text("password") == form.text("again") { Ok(chosen) } else { Err(w.differ) }
}
