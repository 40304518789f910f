//! The page behind the invitation of a partner's person.

use crate::app::{Origin, Trace};
use crate::dashboard::choose::{self, Guest};
use crate::dashboard::{Frame, Reader, TAG};
use crate::http::{Form, Http, Route, Who};
use crate::kernel::Result;
use crate::partners::people::{self, Invited};
use axum::extract::State;
use axum::response::Response;
use http::Method;

const INVITE: &str = "/partner/invite";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, INVITE, Who::Public, "partner_invitation_page", show)
            .page()
            .doc(TAG, "A partner invitation's page", "Opening it does not use the link up.")
            .guessable(),
        Route::new(Method::POST, INVITE, Who::Public, "accept_partner_invitation", accept)
            .page()
            .doc(TAG, "Choose a password", "Uses the link up.")
            .guessable(),
    ]
}

fn frame(reader: &Reader, invited: &Invited, token: &str) -> Frame {
    let here = format!("{INVITE}?token={token}");
    reader.frame(&invited.company_name, invited.colour, invited.logo.as_deref(), &here)
}

fn guest<'a>(reader: &Reader, invited: &'a Invited) -> Guest<'a> {
    let (email, company) = (&invited.email, &invited.company_name);
    Guest { name: "", email, invited_to: reader.words().invited_as_partner, company }
}

async fn show(State(http): State<Http>, reader: Reader) -> Result<Response> {
    let token = reader.asked_for("token").unwrap_or_default();
    match people::invited(&http.app, token).await? {
        Some(invited) => {
            let frame = frame(&reader, &invited, token);
            choose::form(&reader, frame, &guest(&reader, &invited), INVITE, token, None)
        }
        None => choose::dead(&reader, reader.words().dead_why),
    }
}

async fn accept(State(http): State<Http>, trace: Trace, reader: Reader, form: Form) -> Result<Response> {
    let (reader, token) = (reader.in_language_of(&form), form.text("token"));
    let w = reader.words();
    let Some(invited) = people::invited(&http.app, token).await? else { return choose::dead(&reader, w.dead_why) };
    let frame = frame(&reader, &invited, token);
    let password = match choose::chosen(&form, w) {
        Ok(password) => password,
        Err(fault) => return choose::form(&reader, frame, &guest(&reader, &invited), INVITE, token, Some(fault)),
    };
    let hashed = password.hashed(&http.app).await?;
    let mut unit = http.app.begin_by(Origin::anonymous(trace)).await?;
    if !people::accept(&mut unit, &invited, &hashed).await? {
        return choose::dead(&reader, w.dead_why);
    }
    unit.commit().await?;
    choose::done(&reader, frame, &guest(&reader, &invited), "/partner/login")
}
