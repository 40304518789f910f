//! What an owner may ask of its endpoint beyond the documentation: headers of its own, a limit, another form of the
//! payload, signatures that a public key verifies. And whether it is paused.

use super::sign::{KeyPair, Slot};
use super::{Owner, custom_headers, store};
use crate::app::Unit;
use crate::audit::Changes as Noted;
use crate::kernel::fields::Fields;
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Instant, Result, Secret};
use crate::words;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Headers of one endpoint.
const MOST_HEADERS: usize = 20;
/// Deliveries a minute.
const FASTEST: i64 = 60_000;

words! {
    /// How deliveries are signed. Every delivery has the HMAC signatures; `ed25519` adds one that a public key verifies.
    pub enum Signing { Hmac = "hmac", Ed25519 = "ed25519" }
}

words! {
    /// A form of the payload other than the documented one. `2026-04`: `timestamp` in Unix seconds, `data` flat.
    pub enum PayloadVersion { Flat = "2026-04" }
}

/// What is asked for; what is not named stays.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Empty removes them.
    headers: Option<Map<String, Value>>,
    /// None inside takes the limit away.
    rate_limit: Option<Option<u32>>,
    payload_version: Option<Option<PayloadVersion>>,
    signing: Option<Signing>,
}

impl Wishes {
    /// Reads `headers`, `rate_limit` and `signing`, which every endpoint knows.
    pub fn read(fields: &Fields<'_>) -> Self {
        let limit = fields.at("rate_limit");
        let rate_limit = match limit.is_given() {
            true => limit.integer_between(1, FASTEST).and_then(|limit| u32::try_from(limit).ok()).map(Some),
            false => limit.is_present().then_some(None),
        };
        let signing = fields.at("signing").not_emptied().one_of(Signing::WORDS);
        Self { headers: read_headers(fields), rate_limit, payload_version: None, signing }
    }

    /// Likewise, and `payload_version`: partners are told in one form.
    pub fn read_of_workspace(fields: &Fields<'_>) -> Self {
        let version = fields.at("payload_version");
        let payload_version = match version.is_given() {
            true => version.one_of(PayloadVersion::WORDS).map(Some),
            false => version.is_present().then_some(None),
        };
        Self { payload_version, ..Self::read(fields) }
    }

    /// For the audit log: names of headers, never values.
    pub(super) fn noted(&self, noted: Noted) -> Noted {
        let names = self.headers.as_ref().map(|headers| headers.keys().collect::<Vec<_>>());
        noted
            .and_if_given("headers", names)
            .and_if_given("rate_limit", self.rate_limit)
            .and_if_given("payload_version", self.payload_version)
            .and_if_given("signing", self.signing)
    }

    /// Writes what was asked for. `key` is the owner's data key.
    pub(super) async fn apply(&self, unit: &mut Unit, owner: Owner, key: &DataKey, id: i64) -> Result<()> {
        let headers = self.headers.as_ref().map(|headers| sealed(unit, owner, key, id, headers)).transpose()?;
        let headers = headers.as_ref().map(|(names, sealed)| (names.as_str(), sealed.as_deref()));
        let Self { rate_limit, payload_version, signing, .. } = *self;
        let settings = store::Settings { rate_limit, payload_version, signing, headers };
        store::set(&mut unit.tx, owner, id, settings).await?;
        if signing == Some(Signing::Ed25519) {
            let pair = KeyPair::make(&*unit.app().random)?;
            let sealed = Slot::PrivateKey.seal(key, owner, id, &pair.private, &*unit.app().random)?;
            store::set_key_pair(&mut unit.tx, owner, id, &pair.public, &sealed).await?;
        }
        Ok(())
    }
}

/// Reads `headers`: names and values. Null and an empty object remove them.
pub(super) fn read_headers(fields: &Fields<'_>) -> Option<Map<String, Value>> {
    let field = fields.at("headers");
    if !field.is_given() {
        return field.is_present().then(Map::new);
    }
    let map = field.members(MOST_HEADERS)?;
    let mut known = Vec::new();
    for (name, value) in &map {
        let parsed = value.as_str().and_then(|value| custom_headers::parse(name, value));
        match parsed {
            None => fields.fault(&format!("headers.{name}"), "The header cannot be set."),
            Some((name, _)) if known.contains(&name) => {
                fields.fault(&format!("headers.{name}"), "The header is given twice.");
            }
            Some((name, _)) => known.push(name),
        }
    }
    Some(map)
}

/// The names in the open, and all of it sealed; nothing if there is nothing.
pub(super) fn sealed(
    unit: &Unit,
    owner: Owner,
    key: &DataKey,
    id: i64,
    headers: &Map<String, Value>,
) -> Result<(String, Option<String>)> {
    let names: Vec<&String> = headers.keys().collect();
    let names = serde_json::to_string(&names).map_err(Error::internal)?;
    if headers.is_empty() {
        return Ok((names, None));
    }
    let text = Secret::new(serde_json::to_string(headers).map_err(Error::internal)?);
    let sealed = Slot::Headers.seal(key, owner, id, &text, &*unit.app().random)?;
    Ok((names, Some(sealed)))
}

/// The settings as they are shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct Settings {
    /// Headers that are sent with every delivery. Their values are not shown.
    #[schema(example = json!(["Authorization"]))]
    pub header_names: Vec<String>,
    /// Deliveries per minute at most; null: no limit.
    #[schema(example = 600)]
    pub rate_limit: Option<u32>,
    /// Null: the documented form.
    #[schema(value_type = Option<PayloadVersion>, example = json!(null))]
    pub payload_version: Option<PayloadVersion>,
    #[schema(example = "ed25519")]
    pub signing: Signing,
    /// What verifies `v1a` signatures: `whpk_` and 32 bytes in base64. Null unless `signing` is `ed25519`.
    #[schema(example = "whpk_DmDq7yOUCeQZXZE6NYx7PDNLzZGDJ3XVxEc9wFDO1fM=")]
    pub public_key: Option<String>,
    /// Since when deliveries wait for `resume`.
    #[schema(example = json!(null))]
    pub paused_at: Option<Instant>,
}

impl Settings {
    pub(super) fn of(row: &store::WebhookRow) -> Self {
        Self {
            header_names: super::from_json(&row.header_names),
            rate_limit: row.rate_limit,
            payload_version: row.payload_version,
            signing: row.signing,
            public_key: row.public_key.clone().filter(|_| row.signing == Signing::Ed25519),
            paused_at: row.paused_at,
        }
    }
}
