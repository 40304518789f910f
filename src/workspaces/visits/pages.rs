//! Entering a client's workspace, and ending visits from either side.

use super::{enter, invited};
use crate::app::{Origin, Trace};
use crate::auth::sessions;
use crate::dashboard::sign_in::{Anonymous, check_form, end_former};
use crate::dashboard::{Frame, Place, Reader, Referrer, TAG, choose, go_to};
use crate::http::browser::{SESSION, set_cookie};
use crate::http::route::Permission;
use crate::http::{Form, Http, Id, PartnerSignedIn, Route, SignedIn, Who};
use crate::kernel::Result;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, StatusCode};

const ENTER: &str = "/partner-login";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, ENTER, Who::Public, "visit_page", show)
            .page()
            .doc(TAG, "Enter a client's workspace", "Opening the link's page does not use it up.")
            .guessable(),
        Route::new(Method::POST, ENTER, Who::Public, "start_visit", start)
            .page()
            .doc(TAG, "Enter a client's workspace", "The form of the link's page. Uses the link up.")
            .guessable(),
        Route::new(Method::POST, "/visits/{id}/end", Who::Session, "send_visitor_away", send_away)
            .doc(TAG, "End a partner's visit", "")
            .only(Permission::AdminsInPerson),
        Route::new(Method::POST, "/partner/visits/{id}/end", Who::PartnerSession, "end_visit", end).doc(
            TAG,
            "End a visit of one's own",
            "",
        ),
    ]
}

#[derive(Template)]
#[template(path = "page/visit.html")]
struct VisitPage<'a> {
    frame: Frame,
    company: &'a str,
    form: &'a str,
    token: &'a str,
}

async fn show(State(http): State<Http>, reader: Reader, headers: HeaderMap) -> Result<Response> {
    let token = reader.asked_for("token").unwrap_or_default();
    let Some(invited) = invited(&http.app, token).await? else {
        return choose::dead(&reader, reader.words().visit_dead_why);
    };
    let anonymous = Anonymous::of(&http.app, &headers)?;
    let frame = reader.frame_of(&invited.face, &format!("{ENTER}?token={token}"));
    let company = invited.face.company_name.as_str();
    let page = VisitPage { frame, company, form: &anonymous.form, token };
    let response = reader.page(StatusCode::OK, Referrer::Nobody, &page)?;
    Ok(anonymous.set_on(response))
}

async fn start(
    State(http): State<Http>,
    trace: Trace,
    reader: Reader,
    headers: HeaderMap,
    form: Form,
) -> Result<Response> {
    let (app, reader) = (&http.app, reader.in_language_of(&form));
    // The page keeps its address to itself, so browsers say `null` of where its form comes from.
    check_form(app, &headers, &form, true)?;
    let dead = || choose::dead(&reader, reader.words().visit_dead_why);
    let Some(invited) = invited(app, form.text("token")).await? else { return dead() };
    let mut unit = app.begin_by(Origin::anonymous(trace)).await?;
    let Some(token) = enter(&mut unit, &invited).await? else { return dead() };
    end_former(&mut unit, app, &headers, SESSION).await?;
    unit.commit().await?;
    let mut response = go_to(app, Place::Home.path());
    response.headers_mut().append(SET_COOKIE, set_cookie(app, SESSION, token.reveal(), None)?);
    Ok(response)
}

async fn send_away(signed_in: SignedIn, Id(id): Id) -> Result<Response> {
    let mut unit = signed_in.begin().await?;
    sessions::end_visit_in(&mut unit, signed_in.scope(), id).await?;
    unit.commit().await?;
    Ok(go_to(&signed_in.app, Place::Home.path()))
}

async fn end(signed_in: PartnerSignedIn, Id(id): Id) -> Result<Response> {
    let mut unit = signed_in.begin().await?;
    sessions::end_visit_of(&mut unit, signed_in.scope(), id).await?;
    unit.commit().await?;
    Ok(go_to(&signed_in.app, Place::PartnerHome.path()))
}
