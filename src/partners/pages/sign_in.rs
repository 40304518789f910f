//! Coming in as a partner, and leaving.

use super::password::Members;
use crate::app::{Origin, Trace};
use crate::auth::sessions;
use crate::dashboard::people::People;
use crate::dashboard::sign_in::{self, Door, Visitor, end_former};
use crate::dashboard::{Reader, TAG};
use crate::http::browser::PARTNER_SESSION;
use crate::http::gate::ClientAddress;
use crate::http::{Form, Http, PartnerSignedIn, Route, Who};
use crate::kernel::Result;
use crate::partners::people;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method};

const LOGIN: &str = Members::LOGIN;
const DOOR: Door = Door { path: LOGIN, landing: "/partner", cookie: PARTNER_SESSION, forgot: Members::FORGOT };

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, LOGIN, Who::Public, "partner_login_page", show).page().doc(TAG, "Sign in", ""),
        Route::new(Method::POST, LOGIN, Who::Public, "partner_login", enter).page().doc(TAG, "Sign in", ""),
        Route::new(Method::POST, "/partner/logout", Who::PartnerSession, "partner_logout", leave)
            .doc(TAG, "Sign out", ""),
    ]
}

async fn show(
    State(http): State<Http>,
    reader: Reader,
    headers: HeaderMap,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
) -> Result<Response> {
    let visitor = Visitor { app: &http.app, reader: &reader, headers: &headers, address };
    sign_in::show(&visitor, &DOOR, reader.bare_frame(LOGIN))
}

async fn enter(
    State(http): State<Http>,
    reader: Reader,
    headers: HeaderMap,
    trace: Trace,
    form: Form,
) -> Result<Response> {
    let (app, reader) = (&http.app, reader.in_language_of(&form));
    let visitor = Visitor { app, reader: &reader, headers: &headers, address: trace.address };
    let try_it = async |presented: sign_in::Presented, attempt| {
        let proved = people::prove(app, &trace, &presented.email, &presented.password).await?;
        let Some(proved) = proved else { return Ok(None) };
        let mut unit = app.begin_by(Origin::anonymous(trace.clone())).await?;
        let Some(token) = people::sign_in(&mut unit, &proved, attempt).await? else { return Ok(None) };
        end_former(&mut unit, app, &headers, DOOR.cookie).await?;
        unit.commit().await?;
        Ok(Some(token))
    };
    sign_in::enter(&visitor, &DOOR, reader.bare_frame(LOGIN), &form, try_it).await
}

async fn leave(signed_in: PartnerSignedIn) -> Result<Response> {
    let mut unit = signed_in.begin().await?;
    sessions::leave_partner(&mut unit, &signed_in.session).await?;
    unit.commit().await?;
    sign_in::left(&signed_in.app, &DOOR)
}
