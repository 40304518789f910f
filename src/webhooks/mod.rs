//! Webhooks: where other systems hear of events.
//!
//! [`FanOut`] reads the event log and makes one delivery per event and subscribed endpoint, in the transaction that
//! numbers the events; [`Deliver`] sends them, signed, until the receiver has answered 2xx or the schedule has ended.
//! At least once, the same id and bytes on every attempt, never again once a 2xx is recorded. A lane of jobs is one
//! endpoint, so a receiver that is slow or down holds back nobody else; within it a contact's events keep their order.
//! An endpoint belongs to a workspace, or to a partner ([`partner`]): the engine is the same.
//! Tables: `webhook`, `webhook_delivery`, `webhook_attempt`.

pub mod api;
mod custom_headers;
mod delivery;
mod endpoint;
mod fanout;
pub mod hub;
mod log;
mod metrics;
mod notice;
mod owner;
pub mod pages;
pub mod partner;
mod payload;
mod purge;
mod retention;
mod retry;
mod sign;
mod sockets;
mod store;

pub use delivery::Deliver;
pub use fanout::FanOut;
pub use log::{AttemptEntry, DeliveryEntry, DeliveryQuery, Status, deliveries};
pub use owner::Owner;
pub use purge::Purge;
pub use retention::forget_old;

use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes as Noted};
use crate::auth::WorkspaceScope;
use crate::events::{self, WORKSPACE_EVENTS};
use crate::jobs::{self, Kind, LaneKey, NewJob, Steps};
use crate::kernel::fields::Fields;
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Instant, Listing, Page, Result, Secret};
use payload::Dialect;
use serde::{Serialize, Serializer};
use sign::Slot;
use skylight_db::Read;
use skylight_outbound::{MAX_URL_LENGTH, UrlError, UrlRules, check_url};
use std::time::Duration;
use store::{Changes, Secrets, WebhookRow};
use utoipa::ToSchema;

/// Webhooks of one workspace.
const MOST: i64 = 50;
/// How long the previous secret signs beside a new one.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// Subscribes to every event.
const EVERY: &str = "*";

/// An endpoint that hears of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct Webhook {
    #[schema(example = 19)]
    pub id: i64,
    #[schema(example = "CRM sync")]
    pub name: String,
    #[schema(example = "https://crm.example/hooks")]
    pub url: String,
    /// Event names, or `*` for every event.
    #[schema(example = json!(["contact.created"]))]
    pub events: Vec<String>,
    pub is_active: bool,
    /// Why it was switched off, if nobody did it by hand.
    pub disabled_reason: Option<String>,
    #[schema(example = 128)]
    pub delivery_logs_count: i64,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// A webhook just created: the only time its secret is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedWebhook {
    #[schema(example = 19)]
    pub id: i64,
    #[schema(example = "CRM sync")]
    pub name: String,
    #[schema(example = "https://crm.example/hooks")]
    pub url: String,
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, example = "whsec_…64 characters…")]
    pub secret: Secret,
    #[schema(example = json!(["contact.created"]))]
    pub events: Vec<String>,
    pub is_active: bool,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// A secret just made: the only time it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewSecret {
    #[schema(example = 19)]
    pub id: i64,
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, example = "whsec_…64 characters…")]
    pub secret: Secret,
}

/// A test event on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueuedTest {
    #[schema(example = "0c9d7f0e-1111-4222-8333-abcdefabcdef")]
    pub delivery_id: String,
}

fn reveal<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.reveal())
}

/// An address that webhooks may have, in its normal form.
#[derive(Clone, Debug)]
pub struct HookUrl(String);

impl HookUrl {
    /// Judges by form and by what the operator allows; where a name leads is judged at every connect.
    pub fn parse(app: &App, text: &str) -> Result<Self, UrlError> {
        let rules = UrlRules { allow_http: app.config.webhook_allow_http };
        check_url(text, rules, app.strangers.guard()).map(|url| Self(url.into()))
    }

    fn host(&self) -> Option<&str> {
        host(&self.0)
    }
}

/// What the audit log says of an address: paths and queries may hold tokens.
fn host(url: &str) -> Option<&str> {
    url.split('/').nth(2)
}

/// What a new webhook is asked to be.
#[derive(Debug, ToSchema)]
pub struct NewWebhook {
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// `https`, at most 2048 characters.
    #[schema(value_type = String, max_length = 2048, pattern = "^https?://")]
    pub url: HookUrl,
    /// Event names, or `*` for every event.
    #[schema(min_items = 1, max_items = 100)]
    pub events: Vec<String>,
    /// Default: true.
    pub is_active: Option<bool>,
}

/// What is to change of a webhook; what is not named stays.
#[derive(Debug, Default, ToSchema)]
pub struct WebhookChanges {
    #[schema(nullable = false, min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// `https`, at most 2048 characters.
    #[schema(value_type = Option<String>, nullable = false, max_length = 2048, pattern = "^https?://")]
    pub url: Option<HookUrl>,
    /// Event names, or `*` for every event.
    #[schema(nullable = false, min_items = 1, max_items = 100)]
    pub events: Option<Vec<String>>,
    /// Switching off gives up the deliveries that wait; switching on again does not bring them back.
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
}

impl NewWebhook {
    pub fn read(fields: &Fields<'_>, app: &App) -> Option<Self> {
        let name = fields.at("name").required().text(255);
        let url = read_url(fields, true, app);
        let events = read_events(fields, true, WORKSPACE_EVENTS);
        let is_active = fields.at("is_active").boolean();
        Some(Self { name: name?, url: url?, events: events?, is_active })
    }
}

impl WebhookChanges {
    pub fn read(fields: &Fields<'_>, app: &App) -> Option<Self> {
        let given = |name| fields.at(name).is_present();
        let name = fields.at("name").required_if(given("name")).text(255);
        let url = read_url(fields, given("url"), app);
        let events = read_events(fields, given("events"), WORKSPACE_EVENTS);
        let is_active = fields.at("is_active").required_if(given("is_active")).boolean();
        Some(Self { name, url, events, is_active })
    }

    fn noted(&self) -> Noted {
        Noted::none()
            .and_if_given("name", self.name.as_ref())
            .and_if_given("host", self.url.as_ref().map(HookUrl::host))
            .and_if_given("events", self.events.as_ref())
            .and_if_given("is_active", self.is_active)
    }
}

fn read_url(fields: &Fields<'_>, required: bool, app: &App) -> Option<HookUrl> {
    let text = fields.at("url").required_if(required).text(MAX_URL_LENGTH)?;
    HookUrl::parse(app, &text).map_err(|fault| fields.fault("url", fault.to_string())).ok()
}

fn read_events(fields: &Fields<'_>, required: bool, events: &[(&str, &str)]) -> Option<Vec<String>> {
    let known = |name: &str| name == EVERY || events.iter().any(|(event, _)| *event == name);
    let field = fields.at("events").required_if(required);
    let events = field.choices(100, known)?;
    if events.is_empty() {
        fields.fault("events", "The events field is required.");
        return None;
    }
    Some(events)
}

/// All webhooks of a workspace, the newest first: they are few, so there is one page.
pub async fn list(read: impl Read, scope: WorkspaceScope) -> Result<Listing<Webhook>> {
    let items: Vec<Webhook> = store::list(read, scope).await?.into_iter().map(Webhook::from).collect();
    let total = i64::try_from(items.len()).unwrap_or(MOST);
    Ok(Listing::counted(Page::first(MOST.max(total)), items, total))
}

pub async fn get(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Webhook> {
    Ok(row(read, scope.into(), id).await?.into())
}

async fn row(read: impl Read, owner: Owner, id: i64) -> Result<WebhookRow> {
    store::find(read, owner, id).await?.ok_or_else(no_such)
}

fn no_such() -> Error {
    Error::no_such("Webhook")
}

/// Adds a webhook and makes its secret. `key` is the workspace's data key.
pub async fn create(unit: &mut Unit, scope: WorkspaceScope, key: &DataKey, new: NewWebhook) -> Result<CreatedWebhook> {
    let events = to_json(&new.events)?;
    let is_active = new.is_active.unwrap_or(true);
    let (secret, now) = (sign::make(&*unit.app().random), unit.now());
    let fields =
        Changes { name: Some(&new.name), url: Some(&new.url.0), events: Some(&events), is_active: Some(is_active) };
    store::take_turn(&mut unit.tx, scope).await?;
    let id = store::insert(&mut unit.tx, scope, fields, MOST, now).await?;
    let id = id.ok_or_else(|| Error::field("url", format!("You can have at most {MOST} webhooks.")))?;
    // The sealed form names its row, which has its id only now.
    let sealed = Slot::Current.seal(key, scope.into(), id, &secret, &*unit.app().random)?;
    store::set_secret(&mut unit.tx, scope.into(), id, &sealed).await?;
    let noted = Noted::of("name", &new.name).and("host", new.url.host()).and("events", &new.events);
    audit::record(unit, scope, Action::WebhookCreated, id, noted.and("is_active", is_active)).await?;
    unit.changed();
    let NewWebhook { name, url: HookUrl(url), events, .. } = new;
    Ok(CreatedWebhook { id, name, url, secret, events, is_active, created_at: now, updated_at: now })
}

pub async fn update(unit: &mut Unit, scope: WorkspaceScope, id: i64, changes: WebhookChanges) -> Result<Webhook> {
    let events = changes.events.as_ref().map(|events| to_json(events)).transpose()?;
    let fields = Changes {
        name: changes.name.as_deref(),
        url: changes.url.as_ref().map(|url| url.0.as_str()),
        events: events.as_deref(),
        is_active: changes.is_active,
    };
    row(&mut unit.tx, scope.into(), id).await?;
    let now = unit.now();
    give_another_chance(unit, id, &fields).await?;
    let updated = store::update(&mut unit.tx, scope.into(), id, fields, now).await?.ok_or_else(no_such)?;
    audit::record(unit, scope, Action::WebhookUpdated, id, changes.noted()).await?;
    unit.changed();
    Ok(updated.into())
}

/// An endpoint that was switched on, or has another address, is not judged by what was before. Comes before the change: lanes
/// are locked first.
async fn give_another_chance(unit: &mut Unit, id: i64, changes: &Changes<'_>) -> Result<()> {
    match changes.is_active == Some(true) || changes.url.is_some() {
        true => jobs::forget_failures(unit, Deliver::NAME, id).await,
        false => Ok(()),
    }
}

/// Makes a webhook disappear at once. Its deliveries may be many, so they are removed in the background.
pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    let now = unit.now();
    if !store::delete(&mut unit.tx, scope, id, now).await? {
        return Err(no_such());
    }
    audit::record(unit, scope, Action::WebhookDeleted, id, Noted::none()).await?;
    unit.changed();
    let lane = LaneKey { kind: Purge::NAME, key: id, workspace: Some(scope) };
    jobs::enqueue(unit, lane, &[NewJob { subject: id, group: id }]).await
}

/// Makes a new secret that signs from now on; the one before signs beside it for a day. `key` is the owner's data key.
pub async fn regenerate_secret(unit: &mut Unit, owner: Owner, key: &DataKey, id: i64) -> Result<NewSecret> {
    let old = store::secrets(&mut unit.tx, owner, id).await?.ok_or_else(no_such)?;
    let (secret, now) = (sign::make(&*unit.app().random), unit.now());
    let random = &*unit.app().random;
    let previous = Slot::Current.open(key, owner, id, &old.secret)?;
    let new = Secrets {
        secret: Slot::Current.seal(key, owner, id, &secret, random)?,
        previous_secret: Some(Slot::Previous.seal(key, owner, id, &previous, random)?),
        previous_until: Some(now.after(OVERLAP)),
    };
    if !store::rotate(&mut unit.tx, owner, id, &old.secret, &new, now).await? {
        return Err(Error::conflict().saying("The secret was changed by another request."));
    }
    match owner {
        Owner::Workspace(scope) => {
            audit::record(unit, scope, Action::WebhookSecretRegenerated, id, Noted::none()).await?
        }
        Owner::Partner(scope) => {
            let action = Action::PartnerWebhookSecretRegenerated;
            audit::record_for_partner(unit, scope, action, id, Noted::none()).await?;
        }
    }
    unit.changed();
    Ok(NewSecret { id, secret })
}

/// Queues a `webhook.test` event for this webhook alone, also for one that is switched off: so can a repaired receiver
/// be tried before it is switched on again.
pub async fn send_test(unit: &mut Unit, owner: Owner, id: i64) -> Result<QueuedTest> {
    let webhook = row(&mut unit.tx, owner, id).await?;
    let data = payload::TestData::of(id, &webhook.name);
    let event_id = match owner {
        Owner::Workspace(scope) => events::record_returning_id(unit, scope, payload::TEST, id, &data).await?,
        Owner::Partner(scope) => events::record_for_partner_returning_id(unit, scope, payload::TEST, id, &data).await?,
    };
    let delivery_id = unit.app().random.uuid().to_string();
    let new =
        store::NewDelivery { owner, webhook_id: id, event_id, event: payload::TEST, delivery_id: delivery_id.clone() };
    let now = unit.now();
    let added = store::all_workspaces_insert_deliveries(&mut unit.tx, &[new], now).await?;
    let jobs: Vec<_> = added.iter().map(|(delivery, ..)| NewJob { subject: *delivery, group: id }).collect();
    jobs::enqueue_first(unit, Deliver::lane(owner, id), &jobs).await?;
    store::add_to_counts(&mut unit.tx, &[(owner, id, 1)]).await?;
    Ok(QueuedTest { delivery_id })
}

fn to_json(events: &[String]) -> Result<String> {
    serde_json::to_string(events).map_err(Error::internal)
}

fn from_json(events: &str) -> Vec<String> {
    serde_json::from_str(events).unwrap_or_default()
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            url: row.url,
            events: from_json(&row.events),
            is_active: row.is_active,
            disabled_reason: row.disabled_reason,
            delivery_logs_count: row.deliveries,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
