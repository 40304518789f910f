//! Choosing a password, for the first time or again, and asking for a link to a new one.

use crate::app::{App, Trace, Unit};
use crate::auth::{Hashed, Purpose};
use crate::dashboard::choose::{self, Invited};
use crate::dashboard::people::{Guest, People};
use crate::dashboard::{TAG, Words, forgot};
use crate::http::route::FORM_LIMIT;
use crate::http::{Route, Who};
use crate::kernel::{Email, Result};
use crate::team::link::{self, Holder};
use crate::team::reset;
use http::Method;
use serde_json::json;
use utoipa::ToSchema;

/// Everybody of a workspace.
pub(super) struct Members;

impl People for Members {
    const LOGIN: &'static str = "/login";
    const FORGOT: &'static str = "/forgot";
    type Holder = Holder;

    fn page(purpose: Purpose) -> &'static str {
        link::page(purpose)
    }

    fn invited_to(w: &'static Words) -> &'static str {
        w.invited_to
    }

    fn guest(holder: &Holder) -> Guest<'_> {
        Guest { name: &holder.name, email: holder.email.as_str(), face: &holder.face }
    }

    async fn forgot(app: App, trace: Trace, email: Email) -> Result<()> {
        reset::ask(&app, &trace, &email).await
    }

    async fn holder(app: &App, purpose: Purpose, token: &str) -> Result<Option<Holder>> {
        link::holder(app, purpose, token).await
    }

    async fn accept(unit: &mut Unit, holder: &Holder, password: &Hashed) -> Result<bool> {
        link::accept(unit, holder, password).await
    }
}

/// The page behind an invitation is part of the API's document.
pub fn invitation() -> Vec<Route> {
    const INVITE: &str = link::page(Purpose::Invitation);
    vec![
        Route::new(Method::GET, INVITE, Who::Public, "invitation_page", choose::show::<Members, Invited>)
            .doc(
                TAG,
                "An invitation's page",
                "Where somebody who was invited chooses a password. Opening it does not use the link up.",
            )
            .query("token", "string", "From the invitation.")
            .query("lang", "en|ar", "Default: what the browser asks for.")
            .shows(&[404])
            .guessable(),
        Route::new(Method::POST, INVITE, Who::Public, "accept_invitation", choose::accept::<Members, Invited>)
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

pub fn reset() -> Vec<Route> {
    forgot::routes::<Members>(["forgot_page", "forgot", "reset_page", "reset_password"])
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
