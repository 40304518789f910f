//! Webhooks: where other systems hear of events.
//!
//! [`FanOut`] reads the event log and makes one delivery per event and subscribed endpoint, in the transaction that
//! numbers the events; [`Deliver`] sends them, signed, until the receiver has answered 2xx or the schedule has ended.
//! At least once, the same id and bytes on every attempt, never again once a 2xx is recorded. A lane of jobs is one
//! endpoint, so a receiver that is slow or down holds back nobody else; within it a contact's events keep their order.
//! An endpoint belongs to a workspace, or to a partner ([`partner`]): the engine is the same.
//! Tables: `webhook`, `webhook_delivery`, `webhook_attempt`.

mod again;
pub mod api;
mod custom_headers;
mod delivery;
mod endpoint;
mod fanout;
mod flat;
pub mod hub;
mod log;
mod metrics;
mod notice;
mod owner;
pub mod pages;
pub mod partner;
mod pause;
mod payload;
mod purge;
pub mod recovery;
mod retention;
mod retry;
mod secrets;
mod settings;
mod sign;
mod sockets;
mod store;

pub use again::{QueuedTest, redeliver, send_test};
pub use delivery::Deliver;
pub use fanout::FanOut;
pub use log::{AttemptEntry, DeliveryEntry, DeliveryQuery, DeliveryWithPayload, Status, deliveries, delivery};
pub use owner::Owner;
pub use pause::{pause, resume};
pub use purge::Purge;
pub use recovery::Recover;
pub use retention::forget_old;
pub use secrets::{NewSecret, regenerate_secret};
pub use settings::{PayloadVersion, Settings, Signing, Wishes};

use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes as Noted};
use crate::auth::WorkspaceScope;
use crate::events::WORKSPACE_EVENTS;
use crate::jobs::{self, Kind, LaneKey, NewJob, Steps};
use crate::kernel::fields::Fields;
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Instant, Listing, Page, Result, Secret};
use payload::Dialect;
use serde::{Serialize, Serializer};
use sign::Slot;
use skylight_db::Read;
use skylight_outbound::{MAX_URL_LENGTH, UrlError, UrlRules, check_url};
use store::{Changes, WebhookRow};
use utoipa::ToSchema;

/// Webhooks of one workspace.
const MOST: i64 = 50;
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
    #[serde(flatten)]
    pub settings: Settings,
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
    #[serde(flatten)]
    pub settings: Settings,
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
#[derive(Debug)]
pub struct NewWebhook {
    pub name: String,
    pub url: HookUrl,
    /// Event names, or `*` for every event.
    pub events: Vec<String>,
    /// Default: true.
    pub is_active: Option<bool>,
    pub wishes: Wishes,
}

/// What is to change of a webhook; what is not named stays.
#[derive(Debug, Default)]
pub struct WebhookChanges {
    pub name: Option<String>,
    pub url: Option<HookUrl>,
    /// Event names, or `*` for every event.
    pub events: Option<Vec<String>>,
    /// Switching off gives up the deliveries that wait; switching on again does not bring them back.
    pub is_active: Option<bool>,
    pub wishes: Wishes,
}

impl NewWebhook {
    pub fn read(fields: &Fields<'_>, app: &App) -> Option<Self> {
        let name = fields.at("name").required().text(255);
        let url = read_url(fields, true, app);
        let events = read_events(fields, true, WORKSPACE_EVENTS);
        let is_active = fields.at("is_active").boolean();
        let wishes = Wishes::read_of_workspace(fields);
        Some(Self { name: name?, url: url?, events: events?, is_active, wishes })
    }
}

impl WebhookChanges {
    pub fn read(fields: &Fields<'_>, app: &App) -> Option<Self> {
        let given = |name| fields.at(name).is_present();
        let name = fields.at("name").required_if(given("name")).text(255);
        let url = read_url(fields, given("url"), app);
        let events = read_events(fields, given("events"), WORKSPACE_EVENTS);
        let is_active = fields.at("is_active").required_if(given("is_active")).boolean();
        Some(Self { name, url, events, is_active, wishes: Wishes::read_of_workspace(fields) })
    }

    fn noted(&self) -> Noted {
        let noted = Noted::none()
            .and_if_given("name", self.name.as_ref())
            .and_if_given("host", self.url.as_ref().map(HookUrl::host))
            .and_if_given("events", self.events.as_ref())
            .and_if_given("is_active", self.is_active);
        self.wishes.noted(noted)
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
    new.wishes.apply(unit, scope.into(), key, id).await?;
    let noted = Noted::of("name", &new.name).and("host", new.url.host()).and("events", &new.events);
    let noted = new.wishes.noted(noted.and("is_active", is_active));
    audit::record(unit, scope, Action::WebhookCreated, id, noted).await?;
    unit.changed();
    let settings = Settings::of(&row(&mut unit.tx, scope.into(), id).await?);
    let NewWebhook { name, url: HookUrl(url), events, .. } = new;
    Ok(CreatedWebhook { id, name, url, secret, events, is_active, created_at: now, updated_at: now, settings })
}

/// Changes what is given. `key` is the workspace's data key.
pub async fn update(
    unit: &mut Unit,
    scope: WorkspaceScope,
    key: &DataKey,
    id: i64,
    changes: WebhookChanges,
) -> Result<Webhook> {
    let events = changes.events.as_ref().map(|events| to_json(events)).transpose()?;
    let fields = Changes {
        name: changes.name.as_deref(),
        url: changes.url.as_ref().map(|url| url.0.as_str()),
        events: events.as_deref(),
        is_active: changes.is_active,
    };
    let known = row(&mut unit.tx, scope.into(), id).await?;
    let now = unit.now();
    give_another_chance(unit, &known, &fields).await?;
    store::update(&mut unit.tx, scope.into(), id, fields, now).await?.ok_or_else(no_such)?;
    changes.wishes.apply(unit, scope.into(), key, id).await?;
    audit::record(unit, scope, Action::WebhookUpdated, id, changes.noted()).await?;
    unit.changed();
    get(&mut unit.tx, scope, id).await
}

/// An endpoint that is switched on, or gets another address, is not judged by what was before; one that is only confirmed is
/// tried at once. Comes before the change: lanes are locked first.
async fn give_another_chance(unit: &mut Unit, known: &WebhookRow, changes: &Changes<'_>) -> Result<()> {
    let switched_on = changes.is_active == Some(true) && !known.is_active;
    let moved = changes.url.is_some_and(|url| url != known.url);
    match changes.is_active == Some(true) || changes.url.is_some() {
        true if switched_on || moved => jobs::forget_failures(unit, Deliver::NAME, known.id).await,
        true => jobs::wake(unit, Deliver::NAME, known.id).await,
        false => Ok(()),
    }
}

/// Makes a webhook disappear at once. Its deliveries may be many, so they are removed in the background.
pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    let now = unit.now();
    row(&mut unit.tx, scope.into(), id).await?;
    // A lane that sleeps (the webhook is paused, say) learns that it may go. Lanes first: workers take their locks in this
    // order.
    jobs::wake(unit, Deliver::NAME, id).await?;
    if !store::delete(&mut unit.tx, scope, id, now).await? {
        return Err(no_such());
    }
    audit::record(unit, scope, Action::WebhookDeleted, id, Noted::none()).await?;
    unit.changed();
    let lane = LaneKey { kind: Purge::NAME, key: id, workspace: Some(scope) };
    jobs::enqueue(unit, lane, &[NewJob { subject: id, group: id }]).await
}

fn to_json(events: &[String]) -> Result<String> {
    serde_json::to_string(events).map_err(Error::internal)
}

fn from_json(events: &str) -> Vec<String> {
    serde_json::from_str(events).unwrap_or_default()
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        let settings = Settings::of(&row);
        Self {
            settings,
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
