//! A partner's own endpoint: where it hears what happens to its clients. There is one, so it is set rather than added.

use super::store::{self, Changes};
use super::{
    Dialect, EVERY, HookUrl, NewSecret, Settings, Signing, Webhook, Wishes, no_such, read_events, read_url, reveal,
    sign, to_json,
};
use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes as Noted};
use crate::auth::PartnerScope;
use crate::events::PARTNER_EVENTS;
use crate::kernel::fields::Fields;
use crate::kernel::seal::DataKey;
use crate::kernel::{Instant, Result, Secret};
use serde::Serialize;
use skylight_db::Read;
use utoipa::ToSchema;

/// What a partner's endpoint is called where it is one of several.
const NAME: &str = "Partner webhook";

/// The endpoint that hears of a partner's clients.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartnerWebhook {
    #[schema(example = "https://ops.rawabidigital.example/hooks")]
    pub url: String,
    /// Event names, or `*` for every event.
    #[schema(example = json!(["partner.client.created", "partner.client.deleted"]))]
    pub events: Vec<String>,
    pub is_active: bool,
    /// Why it was switched off, if nobody did it by hand.
    pub disabled_reason: Option<String>,
    #[schema(example = 31)]
    pub delivery_logs_count: i64,
    pub created_at: Instant,
    pub updated_at: Instant,
    /// Headers that are sent with every delivery. Their values are not shown.
    #[schema(example = json!(["Authorization"]))]
    pub header_names: Vec<String>,
    /// Deliveries per minute at most; null: no limit.
    #[schema(example = 600)]
    pub rate_limit: Option<u32>,
    #[schema(example = "hmac")]
    pub signing: Signing,
    /// What verifies `v1a` signatures. Null unless `signing` is `ed25519`.
    #[schema(example = json!(null))]
    pub public_key: Option<String>,
    /// Since when deliveries wait for `resume`.
    #[schema(example = json!(null))]
    pub paused_at: Option<Instant>,
}

/// The endpoint as it was set.
#[derive(Debug, Serialize, ToSchema)]
pub struct SavedPartnerWebhook {
    #[serde(flatten)]
    pub webhook: PartnerWebhook,
    /// Only when the endpoint is set for the first time.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal_once")]
    #[schema(value_type = Option<String>, example = "whsec_…64 characters…")]
    pub secret: Option<Secret>,
}

/// A secret just made: the only time it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewPartnerSecret {
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, example = "whsec_…64 characters…")]
    pub secret: Secret,
    /// Of an endpoint that has a key pair, which is renewed too.
    #[schema(example = json!(null))]
    pub public_key: Option<String>,
}

fn reveal_once<S: serde::Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => reveal(secret, serializer),
        None => serializer.serialize_none(),
    }
}

/// What a partner's endpoint is to be.
#[derive(Debug)]
pub struct PartnerWebhookBody {
    pub url: HookUrl,
    /// Left out, they stay as they are; at first that is `*`.
    pub events: Option<Vec<String>>,
    /// Left out, it stays as it is; at first that is true.
    pub is_active: Option<bool>,
    pub wishes: Wishes,
}

impl PartnerWebhookBody {
    pub fn read(fields: &Fields<'_>, app: &App) -> Option<Self> {
        let given = |name| fields.at(name).is_present();
        let url = read_url(fields, true, app);
        let events = read_events(fields, given("events"), PARTNER_EVENTS);
        let is_active = fields.at("is_active").required_if(given("is_active")).boolean();
        Some(Self { url: url?, events, is_active, wishes: Wishes::read(fields) })
    }
}

async fn row(read: impl Read, partner: PartnerScope) -> Result<store::WebhookRow> {
    store::of_partner(read, partner, Dialect::Product).await?.ok_or_else(no_such)
}

pub async fn get(read: impl Read, partner: PartnerScope) -> Result<PartnerWebhook> {
    Ok(row(read, partner).await?.into())
}

/// Sets the endpoint. The first time it gets a secret, which later changes keep. `key` is the partner's data key.
pub async fn set(
    unit: &mut Unit,
    partner: PartnerScope,
    key: &DataKey,
    body: &PartnerWebhookBody,
) -> Result<SavedPartnerWebhook> {
    let events = body.events.as_ref().map(|events| to_json(events)).transpose()?;
    let PartnerWebhookBody { url, is_active, .. } = body;
    let changes = Changes { name: Some(NAME), url: Some(&url.0), events: events.as_deref(), is_active: *is_active };
    let secret = save(unit, partner, Dialect::Product, key, changes, &body.wishes).await?;
    Ok(SavedPartnerWebhook { webhook: get(&mut unit.tx, partner).await?, secret })
}

/// Adds a partner's endpoint, or changes the one that is there; answers the secret of a new one.
pub(super) async fn save(
    unit: &mut Unit,
    partner: PartnerScope,
    dialect: Dialect,
    key: &DataKey,
    changes: Changes<'_>,
    wishes: &Wishes,
) -> Result<Option<Secret>> {
    let now = unit.now();
    let every = to_json(&[EVERY.to_owned()])?;
    let new =
        Changes { events: changes.events.or(Some(&every)), is_active: changes.is_active.or(Some(true)), ..changes };
    unit.changed();
    if let Some(id) = store::insert_of_partner(&mut unit.tx, partner, dialect, new, now).await? {
        audit::record_for_partner(unit, partner, Action::PartnerWebhookSet, id, wishes.noted(noted(&new))).await?;
        let secret = sign::make(&*unit.app().random);
        let sealed = sign::Slot::Current.seal(key, partner.into(), id, &secret, &*unit.app().random)?;
        store::set_secret(&mut unit.tx, partner.into(), id, &sealed).await?;
        wishes.apply(unit, partner.into(), key, id).await?;
        return Ok(Some(secret));
    }
    let known = store::of_partner(&mut unit.tx, partner, dialect).await?.ok_or_else(no_such)?;
    super::give_another_chance(unit, &known, &changes).await?;
    store::update(&mut unit.tx, partner.into(), known.id, changes, now).await?;
    wishes.apply(unit, partner.into(), key, known.id).await?;
    let noted = wishes.noted(noted(&changes));
    audit::record_for_partner(unit, partner, Action::PartnerWebhookSet, known.id, noted).await?;
    Ok(None)
}

fn noted(changes: &Changes<'_>) -> Noted {
    Noted::none()
        .and_if_given("host", changes.url.map(super::host))
        .and_if_given("events", changes.events.map(super::from_json))
        .and_if_given("is_active", changes.is_active)
}

/// Makes a new secret; the one before signs beside it for a day. `key` is the partner's data key.
pub async fn regenerate_secret(unit: &mut Unit, partner: PartnerScope, key: &DataKey) -> Result<NewPartnerSecret> {
    let id = row(&mut unit.tx, partner).await?.id;
    let NewSecret { secret, public_key, .. } = super::regenerate_secret(unit, partner.into(), key, id).await?;
    Ok(NewPartnerSecret { secret, public_key })
}

/// The id of the endpoint, for the verbs that every endpoint has.
pub async fn id(read: impl Read, partner: PartnerScope) -> Result<i64> {
    Ok(row(read, partner).await?.id)
}

impl From<store::WebhookRow> for PartnerWebhook {
    fn from(row: store::WebhookRow) -> Self {
        let webhook = Webhook::from(row);
        let Webhook { url, events, is_active, disabled_reason, delivery_logs_count, created_at, updated_at, .. } =
            webhook;
        let Settings { header_names, rate_limit, signing, public_key, paused_at, .. } = webhook.settings;
        Self {
            url,
            events,
            is_active,
            disabled_reason,
            delivery_logs_count,
            created_at,
            updated_at,
            header_names,
            rate_limit,
            signing,
            public_key,
            paused_at,
        }
    }
}
