//! Choosing a password, for the first time or again, and asking for a link to a new one.

use crate::app::{App, Trace, Unit};
use crate::auth::{Hashed, Purpose};
use crate::dashboard::choose::{self, Invited};
use crate::dashboard::people::{Guest, People};
use crate::dashboard::{TAG, Words, forgot};
use crate::http::{Route, Who};
use crate::kernel::{Email, Result};
use crate::partners::people::link::{self, Holder};
use crate::partners::people::reset;
use http::Method;

/// Everybody of a partner.
pub(super) struct Members;

impl People for Members {
    const LOGIN: &'static str = "/partner/login";
    const FORGOT: &'static str = "/partner/forgot";
    type Holder = Holder;

    fn page(purpose: Purpose) -> &'static str {
        link::page(purpose)
    }

    fn invited_to(w: &'static Words) -> &'static str {
        w.invited_as_partner
    }

    fn guest(holder: &Holder) -> Guest<'_> {
        Guest { name: "", email: &holder.email, face: &holder.face }
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

pub fn routes() -> Vec<Route> {
    const INVITE: &str = link::page(Purpose::Invitation);
    let mut routes = vec![
        Route::new(Method::GET, INVITE, Who::Public, "partner_invitation_page", choose::show::<Members, Invited>)
            .page()
            .doc(TAG, "A partner invitation's page", "Opening it does not use the link up.")
            .guessable(),
        Route::new(Method::POST, INVITE, Who::Public, "accept_partner_invitation", choose::accept::<Members, Invited>)
            .page()
            .doc(TAG, "Choose a password", "Uses the link up.")
            .guessable(),
    ];
    let names = ["partner_forgot_page", "partner_forgot", "partner_reset_page", "reset_partner_password"];
    routes.extend(forgot::routes::<Members>(names));
    routes
}
