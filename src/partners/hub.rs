//! What the second partner API knows of a partner beside its profile.

use super::{no_such, store};
use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::PartnerScope;
use crate::kernel::Result;
use skylight_db::Read;
use std::sync::Arc;

/// A partner as the second partner API shows it, but for what other rooms know.
#[derive(Debug)]
pub struct HubPartner {
    pub public_id: String,
    pub company_name: String,
    pub logo_url: Option<String>,
    pub redirect_url: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    pub allow_client_to_add_phone_no: bool,
}

/// What is to change; what is not said stays.
#[derive(Debug, Default)]
pub struct HubChange {
    /// None inside removes it.
    pub redirect_url: Option<Option<String>>,
    pub allow_client_to_add_phone_no: Option<bool>,
}

pub async fn get(read: impl Read, scope: PartnerScope) -> Result<HubPartner> {
    store::hub(read, scope).await?.ok_or_else(no_such)
}

/// The one id that the second partner API calls a partner by: it never changes.
pub async fn public_id(app: &App, scope: PartnerScope) -> Result<Arc<str>> {
    let cache = app.caches.of::<PartnerScope, Arc<str>>();
    if let Some(id) = cache.get(&scope) {
        return Ok(id);
    }
    let generation = cache.generation();
    let id: Arc<str> = get(&app.db, scope).await?.public_id.into();
    cache.put(scope, id.clone(), generation);
    Ok(id)
}

pub async fn update(unit: &mut Unit, scope: PartnerScope, change: &HubChange) -> Result<()> {
    if !store::set_hub(&mut unit.tx, scope, change).await? {
        return Ok(());
    }
    // An address may hold a secret in its query.
    let changes = Changes::none()
        .and_if_given("partner_redirect_url_changed", change.redirect_url.as_ref().map(|_| true))
        .and_if_given("allow_client_to_add_phone_no", change.allow_client_to_add_phone_no);
    audit::record_for_partner(unit, scope, Action::PartnerUpdated, scope.id(), changes).await?;
    unit.changed();
    Ok(())
}

/// The plan of clients that are made without one: the partner's choice, or the smallest.
pub async fn client_plan(read: impl Read, scope: PartnerScope) -> Result<String> {
    store::client_plan(read, scope).await?.ok_or_else(no_such)
}
