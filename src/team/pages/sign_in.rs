//! Coming in to a workspace, and leaving it.

use super::password::Members;
use crate::app::{Origin, Trace};
use crate::auth::sessions;
use crate::dashboard::people::People;
use crate::dashboard::sign_in::{self, Door, Visitor, end_former};
use crate::dashboard::{Frame, Reader, TAG};
use crate::http::browser::SESSION;
use crate::http::gate::ClientAddress;
use crate::http::{Form, Http, Route, SignedIn, Who};
use crate::kernel::Result;
use crate::workspaces;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method};

const LOGIN: &str = Members::LOGIN;
const DOOR: Door = Door { path: LOGIN, landing: "/dashboard", cookie: SESSION, forgot: Members::FORGOT };

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, LOGIN, Who::Public, "login_page", show).page().doc(TAG, "Sign in", ""),
        Route::new(Method::POST, LOGIN, Who::Public, "login", enter).page().doc(TAG, "Sign in", ""),
        Route::new(Method::POST, "/logout", Who::Session, "logout", leave).doc(TAG, "Sign out", "Or end the visit."),
    ]
}

/// The page shows the brand of the workspace that it was opened for.
async fn frame(http: &Http, reader: &Reader, workspace: &str) -> Result<Frame> {
    let here = format!(
        "{LOGIN}?{}",
        url::form_urlencoded::Serializer::new(String::new()).append_pair("workspace", workspace).finish()
    );
    Ok(match workspaces::face_of_slug(&http.app.db, workspace).await? {
        Some(face) => reader.frame_of(&face, &here),
        None => reader.bare_frame(LOGIN),
    })
}

async fn show(
    State(http): State<Http>,
    reader: Reader,
    headers: HeaderMap,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
) -> Result<Response> {
    let frame = frame(&http, &reader, reader.asked_for("workspace").unwrap_or_default()).await?;
    let visitor = Visitor { app: &http.app, reader: &reader, headers: &headers, address };
    sign_in::show(&visitor, &DOOR, frame)
}

async fn enter(
    State(http): State<Http>,
    reader: Reader,
    headers: HeaderMap,
    trace: Trace,
    form: Form,
) -> Result<Response> {
    let (app, reader) = (&http.app, reader.in_language_of(&form));
    let frame = frame(&http, &reader, form.text("workspace")).await?;
    let visitor = Visitor { app, reader: &reader, headers: &headers, address: trace.address };
    let try_it = async |presented: sign_in::Presented, attempt| {
        let proved = crate::team::prove(app, &trace, &presented.email, &presented.password).await?;
        let Some(proved) = proved else { return Ok(None) };
        let mut unit = app.begin_by(Origin::anonymous(trace.clone())).await?;
        let Some(token) = crate::team::sign_in(&mut unit, &proved, attempt).await? else { return Ok(None) };
        end_former(&mut unit, app, &headers, DOOR.cookie).await?;
        unit.commit().await?;
        Ok(Some(token))
    };
    sign_in::enter(&visitor, &DOOR, frame, &form, try_it).await
}

async fn leave(signed_in: SignedIn) -> Result<Response> {
    let mut unit = signed_in.begin().await?;
    sessions::leave(&mut unit, &signed_in.session).await?;
    unit.commit().await?;
    sign_in::left(&signed_in.app, &DOOR)
}
