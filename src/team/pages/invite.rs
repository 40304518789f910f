//! The page behind an invitation: somebody chooses a password. Looking at it uses nothing up; only the form does.

use crate::app::{Origin, Trace};
use crate::dashboard::choose::{self, Guest};
use crate::dashboard::{Frame, Reader, TAG};
use crate::http::route::FORM_LIMIT;
use crate::http::{Form, Http, Route, Who};
use crate::kernel::Result;
use crate::team::invite::{self, Invited};
use axum::extract::State;
use axum::response::Response;
use http::Method;
use serde_json::json;
use utoipa::ToSchema;

const INVITE: &str = "/invite";

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

fn frame(reader: &Reader, invited: &Invited, token: &str) -> Frame {
    reader.frame(
        &invited.face.brand,
        invited.face.colour,
        invited.face.logo.as_deref(),
        &format!("{INVITE}?token={token}"),
    )
}

fn guest<'a>(reader: &Reader, invited: &'a Invited) -> Guest<'a> {
    let (name, email, company) = (&invited.name, invited.email.as_str(), &invited.face.company_name);
    Guest { name, email, invited_to: reader.words().invited_to, company }
}

async fn show(State(http): State<Http>, reader: Reader) -> Result<Response> {
    let token = reader.asked_for("token").unwrap_or_default();
    match invite::invited(&http.app, token).await? {
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
    let Some(invited) = invite::invited(&http.app, token).await? else { return choose::dead(&reader, w.dead_why) };
    let frame = frame(&reader, &invited, token);
    let password = match choose::chosen(&form, w) {
        Ok(password) => password,
        Err(fault) => return choose::form(&reader, frame, &guest(&reader, &invited), INVITE, token, Some(fault)),
    };
    let hashed = password.hashed(&http.app).await?;
    let mut unit = http.app.begin_by(Origin::of_request(invited.actor(), trace)).await?;
    if !invite::accept(&mut unit, &invited, &hashed).await? {
        return choose::dead(&reader, w.dead_why);
    }
    unit.commit().await?;
    choose::done(&reader, frame, &guest(&reader, &invited), "/login")
}
