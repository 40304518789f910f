//! Choosing a password behind a link: one set of pages for everybody who is invited.

use super::{Frame, Reader, Referrer, Words};
use crate::auth::{Password, Unfit};
use crate::http::Form;
use crate::kernel::Result;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

/// Somebody who is asked to choose.
#[derive(Debug)]
pub struct Guest<'a> {
    /// What they are called, if we know.
    pub name: &'a str,
    /// Their login.
    pub email: &'a str,
    /// What they are invited to, and how that is said.
    pub invited_to: &'static str,
    pub company: &'a str,
}

#[derive(Template)]
#[template(path = "page/choose.html")]
struct Choose<'a> {
    frame: Frame,
    guest: &'a Guest<'a>,
    action: &'static str,
    token: &'a str,
    fault: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "page/chosen.html")]
struct Chosen<'a> {
    frame: Frame,
    guest: &'a Guest<'a>,
    login: &'static str,
}

#[derive(Template)]
#[template(path = "page/dead.html")]
struct Dead {
    frame: Frame,
    why: &'static str,
}

/// The form. `action` is the path of the page; a fault says why it is shown again.
pub fn form(
    reader: &Reader,
    frame: Frame,
    guest: &Guest<'_>,
    action: &'static str,
    token: &str,
    fault: Option<&'static str>,
) -> Result<Response> {
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    reader.page(status, Referrer::Nobody, &Choose { frame, guest, action, token, fault })
}

/// It is done, and this is where to sign in.
pub fn done(reader: &Reader, frame: Frame, guest: &Guest<'_>, login: &'static str) -> Result<Response> {
    reader.page(StatusCode::OK, Referrer::Nobody, &Chosen { frame, guest, login })
}

/// One page for links that are unknown, used, replaced or expired.
pub fn dead(reader: &Reader, why: &'static str) -> Result<Response> {
    let frame = reader.bare_frame("/");
    reader.page(StatusCode::NOT_FOUND, Referrer::Nobody, &Dead { frame, why })
}

/// The password that a form chose, or why it cannot be.
pub fn chosen(form: &Form, w: &'static Words) -> Result<Password, &'static str> {
    let chosen = Password::choose(form.text("password")).map_err(|unfit| match unfit {
        Unfit::TooShort => w.too_short,
        Unfit::TooLong => w.too_long,
        Unfit::Common => w.common,
    })?;
    if form.text("password") == form.text("again") { Ok(chosen) } else { Err(w.differ) }
}
