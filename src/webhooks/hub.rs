//! Where the second partner API tells a partner of its clients: a partner's other endpoint, with its own dialect.

use super::partner::save;
use super::settings;
use super::store::{self, Changes};
use super::{Dialect, HookUrl, Wishes};
use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes as Noted};
use crate::auth::PartnerScope;
use crate::kernel::fields::Fields;
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Result, Secret};
use serde_json::{Map, Value};
use skylight_db::Read;
use skylight_outbound::MAX_URL_LENGTH;

const NAME: &str = "Hub webhook";

/// What is to become of the endpoint; what is not said stays.
#[derive(Debug, Default)]
pub struct HubEndpoint {
    /// None inside removes it.
    pub url: Option<Option<HookUrl>>,
    /// What the receiver wants to see on every delivery; empty is nothing.
    pub headers: Option<Map<String, Value>>,
}

impl HubEndpoint {
    /// Reads `webhook_url`. Empty or null removes the address, unless it is required.
    pub fn read(fields: &Fields<'_>, app: &App, required: bool) -> Self {
        let field = fields.at("webhook_url").required_if(required);
        if !field.is_given() {
            let url = field.is_present().then_some(None);
            return Self { url, headers: None };
        }
        let parsed = field.text(MAX_URL_LENGTH).and_then(|text| {
            HookUrl::parse(app, &text).map_err(|fault| fields.fault("webhook_url", fault.to_string())).ok()
        });
        Self { url: parsed.map(Some), headers: None }
    }

    /// Reads `headers`: names and values.
    pub fn read_headers(&mut self, fields: &Fields<'_>) {
        self.headers = settings::read_headers(fields);
    }

    fn changes_nothing(&self) -> bool {
        self.url.is_none() && self.headers.is_none()
    }
}

/// The address; none if there is none. One that was switched off for us stays, so that it is seen.
pub async fn url(read: impl Read, partner: PartnerScope) -> Result<Option<String>> {
    let row = store::of_partner(read, partner, Dialect::Hub).await?;
    Ok(row.filter(|row| row.is_active || row.disabled_reason.is_some()).map(|row| row.url))
}

/// Sets or removes the address; answers the secret of one that is new. `key` is the partner's data key.
pub async fn set(
    unit: &mut Unit,
    partner: PartnerScope,
    key: &DataKey,
    endpoint: &HubEndpoint,
) -> Result<Option<Secret>> {
    if endpoint.changes_nothing() {
        return Ok(None);
    }
    let mut shown = None;
    match &endpoint.url {
        Some(Some(url)) => {
            let changes = Changes { name: Some(NAME), url: Some(&url.0), events: None, is_active: Some(true) };
            shown = save(unit, partner, Dialect::Hub, key, changes, &Wishes::default()).await?;
        }
        Some(None) => remove(unit, partner).await?,
        None => {}
    }
    if let Some(headers) = &endpoint.headers {
        set_headers(unit, partner, key, headers).await?;
    }
    unit.changed();
    Ok(shown)
}

/// The row stays, with its secret: an address that is set again is signed as before.
async fn remove(unit: &mut Unit, partner: PartnerScope) -> Result<()> {
    let now = unit.now();
    let Some(row) = store::of_partner(&mut unit.tx, partner, Dialect::Hub).await? else { return Ok(()) };
    // Switched on and off again: why it was off before is forgotten.
    for is_active in [true, false] {
        let changes = Changes { name: None, url: None, events: None, is_active: Some(is_active) };
        store::update(&mut unit.tx, partner.into(), row.id, changes, now).await?;
    }
    if row.is_active {
        audit::record_for_partner(unit, partner, Action::PartnerWebhookRemoved, row.id, Noted::none()).await?;
    }
    Ok(())
}

async fn set_headers(
    unit: &mut Unit,
    partner: PartnerScope,
    key: &DataKey,
    headers: &Map<String, Value>,
) -> Result<()> {
    let Some(row) = store::of_partner(&mut unit.tx, partner, Dialect::Hub).await? else { return Ok(()) };
    let (names, sealed) = settings::sealed(unit, partner.into(), key, row.id, headers)?;
    let settings = store::Settings { headers: Some((&names, sealed.as_deref())), ..store::Settings::default() };
    store::set(&mut unit.tx, partner.into(), row.id, settings).await?;
    // Their values are the receiver's secrets.
    let names: Vec<&String> = headers.keys().collect();
    audit::record_for_partner(unit, partner, Action::PartnerWebhookSet, row.id, Noted::of("headers", names)).await
}

/// Makes a new secret that signs from now on. `key` is the partner's data key.
pub async fn regenerate_secret(unit: &mut Unit, partner: PartnerScope, key: &DataKey) -> Result<Secret> {
    let row = store::of_partner(&mut unit.tx, partner, Dialect::Hub).await?;
    let id = row.ok_or_else(|| Error::no_such("Webhook"))?.id;
    Ok(super::regenerate_secret(unit, partner.into(), key, id).await?.secret)
}
