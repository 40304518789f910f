//! A forgotten password of one of a partner's people: asking for a link, and the page behind it.

use crate::app::{Origin, Trace};
use crate::dashboard::choose::{self, Guest};
use crate::dashboard::forgot::{self, Counter};
use crate::dashboard::sign_in::Visitor;
use crate::dashboard::{Frame, Reader, TAG};
use crate::http::gate::ClientAddress;
use crate::http::{Form, Http, Route, Who};
use crate::kernel::Result;
use crate::partners::people::reset::{self, Holder};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method};

const COUNTER: Counter = Counter { path: "/partner/forgot", login: "/partner/login" };
const RESET: &str = "/partner/reset";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, COUNTER.path, Who::Public, "partner_forgot_page", show).page().doc(
            TAG,
            "Forgot a password",
            "",
        ),
        Route::new(Method::POST, COUNTER.path, Who::Public, "partner_forgot", ask).page().doc(
            TAG,
            "Ask for a link",
            "",
        ),
        Route::new(Method::GET, RESET, Who::Public, "partner_reset_page", open)
            .page()
            .doc(TAG, "The page behind a link to a new password", "Opening it does not use the link up.")
            .guessable(),
        Route::new(Method::POST, RESET, Who::Public, "reset_partner_password", choose_new)
            .page()
            .doc(TAG, "Choose a new password", "Uses the link up.")
            .guessable(),
    ]
}

async fn show(
    State(http): State<Http>,
    reader: Reader,
    headers: HeaderMap,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
) -> Result<Response> {
    forgot::show(&Visitor { app: &http.app, reader: &reader, headers: &headers, address }, &COUNTER)
}

async fn ask(
    State(http): State<Http>,
    reader: Reader,
    headers: HeaderMap,
    trace: Trace,
    form: Form,
) -> Result<Response> {
    let reader = reader.in_language_of(&form);
    let visitor = Visitor { app: &http.app, reader: &reader, headers: &headers, address: trace.address };
    forgot::ask(&visitor, &COUNTER, &form, |app, email| async move { reset::ask(&app, &trace, &email).await }).await
}

fn frame(reader: &Reader, holder: &Holder, token: &str) -> Frame {
    let here = format!("{RESET}?token={token}");
    reader.frame(&holder.company_name, holder.colour, holder.logo.as_deref(), &here)
}

fn guest<'a>(reader: &Reader, holder: &'a Holder) -> Guest<'a> {
    let (email, company) = (holder.email.as_str(), &holder.company_name);
    Guest { name: "", email, invited_to: reader.words().new_password_at, company }
}

async fn open(State(http): State<Http>, reader: Reader) -> Result<Response> {
    let token = reader.asked_for("token").unwrap_or_default();
    match reset::holder(&http.app, token).await? {
        Some(holder) => {
            choose::form(&reader, frame(&reader, &holder, token), &guest(&reader, &holder), RESET, token, None)
        }
        None => choose::dead(&reader, reader.words().reset_dead_why),
    }
}

async fn choose_new(State(http): State<Http>, trace: Trace, reader: Reader, form: Form) -> Result<Response> {
    let (reader, token) = (reader.in_language_of(&form), form.text("token"));
    let w = reader.words();
    let Some(holder) = reset::holder(&http.app, token).await? else { return choose::dead(&reader, w.reset_dead_why) };
    let frame = frame(&reader, &holder, token);
    let password = match choose::chosen(&form, w) {
        Ok(password) => password,
        Err(fault) => return choose::form(&reader, frame, &guest(&reader, &holder), RESET, token, Some(fault)),
    };
    let hashed = password.hashed(&http.app).await?;
    let mut unit = http.app.begin_by(Origin::anonymous(trace)).await?;
    if !reset::set(&mut unit, &holder, &hashed).await? {
        return choose::dead(&reader, w.reset_dead_why);
    }
    unit.commit().await?;
    choose::done(&reader, frame, &guest(&reader, &holder), COUNTER.login)
}
