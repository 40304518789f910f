//! Sending much again: what failed since a moment, or a span of the event log. It may be long work, so it is done in
//! steps by a job of its own ([`Recover`]); whoever asked watches how far it is. One at a time for each endpoint.

mod work;

pub use work::Recover;

use super::store::{self, NewRecovery, RecoveryRow};
use super::{Deliver, EVERY, Owner, again, from_json, row, to_json};
use crate::app::Unit;
use crate::audit::{Action, Changes};
use crate::events;
use crate::jobs::{self, Kind, LaneKey, NewJob};
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Cursor, Error, Instant, Listing, Page, Result};
use crate::words;
use serde::Serialize;
use skylight_db::Db;
use std::time::Duration;
use utoipa::ToSchema;

words! {
    /// `recover`: what failed since a moment. `replay`: a span of the event log.
    pub enum RecoveryKind { Recover = "recover", Replay = "replay" }
}

words! {
    /// `cancelled`: the webhook was switched off meanwhile.
    pub enum RecoveryStatus { Running = "running", Completed = "completed", Cancelled = "cancelled" }
}

/// Long work on a webhook's deliveries, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Recovery {
    #[schema(example = 3)]
    pub id: i64,
    #[schema(example = 19)]
    pub webhook_id: i64,
    pub kind: RecoveryKind,
    pub status: RecoveryStatus,
    /// What happened from then on; `since` of `recover`.
    pub from: Option<Instant>,
    /// What happened before then.
    #[schema(example = json!(null))]
    pub to: Option<Instant>,
    /// Events with greater numbers.
    #[schema(example = json!(null))]
    pub after: Option<i64>,
    /// Events up to this number.
    #[schema(example = json!(null))]
    pub through: Option<i64>,
    /// Null: what the webhook subscribes to.
    #[schema(example = json!(null))]
    pub events: Option<Vec<String>>,
    /// Failed deliveries, or events, that were looked at so far.
    #[schema(example = 412)]
    pub examined: i64,
    /// Deliveries that were queued so far.
    #[schema(example = 412)]
    pub queued: i64,
    pub created_at: Instant,
    pub finished_at: Option<Instant>,
}

/// Since when failed deliveries are sent again.
#[derive(Debug, ToSchema)]
pub struct RecoverBody {
    #[schema(example = "2026-03-04T12:00:00.000000Z")]
    pub since: Instant,
}

impl Input for RecoverBody {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (since, _) = fields.at("since").required().span()?;
        Some(Self { since })
    }
}

/// Which part of the event log is sent: by time, or by the events' numbers.
#[derive(Debug, ToSchema)]
pub struct ReplayBody {
    /// Events that happened from then on.
    pub from: Option<Instant>,
    /// Events that happened before then.
    pub to: Option<Instant>,
    /// Events with greater numbers; left out, from the first one on. Not together with a time.
    #[schema(minimum = 0)]
    pub after: Option<i64>,
    /// Events up to this number; left out, up to the last one. Not together with a time.
    #[schema(minimum = 1)]
    pub through: Option<i64>,
    /// Left out, what the webhook subscribes to.
    #[schema(nullable = false, min_items = 1, max_items = 100)]
    pub events: Option<Vec<String>>,
}

impl ReplayBody {
    pub fn read(fields: &Fields<'_>, known: &[(&str, &str)]) -> Option<Self> {
        let [from, to] = ["from", "to"].map(|name| fields.at(name).span().map(|(first, _)| first));
        let after = fields.at("after").integer_between(0, i64::MAX);
        let through = fields.at("through").integer_between(1, i64::MAX);
        let given = |name: &str| fields.at(name).is_given();
        if given("from") || given("to") {
            for name in ["after", "through"].into_iter().filter(|name| given(name)) {
                fields.fault(name, format!("The {name} must not be given together with a time."));
            }
        } else if !given("after") && !given("through") {
            fields.fault("from", "The from field is required when no number is given.");
        }
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            fields.fault("to", "The to must be after the from.");
        }
        if after.zip(through).is_some_and(|(after, through)| after >= through) {
            fields.fault("through", "The through must be greater than the after.");
        }
        let events = super::read_events(fields, given_at_all(fields, "events"), known);
        Some(Self { from, to, after, through, events })
    }
}

fn given_at_all(fields: &Fields<'_>, name: &str) -> bool {
    fields.at(name).is_present()
}

/// How long a finished one is shown.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Sends again whatever failed since a moment: deliveries that were given up, and those that wait for another attempt.
pub async fn recover(unit: &mut Unit, owner: Owner, webhook: i64, body: &RecoverBody) -> Result<Recovery> {
    let new = NewRecovery {
        kind: RecoveryKind::Recover,
        from: Some(body.since),
        to: None,
        after: None,
        through: None,
        events: None,
        place: body.since.micros(),
    };
    begin(unit, owner, webhook, new).await
}

/// Sends a span of the event log: a delivery that is there is sent again, one that is missing is made.
pub async fn replay(unit: &mut Unit, owner: Owner, webhook: i64, body: &ReplayBody) -> Result<Recovery> {
    let stream = owner.stream();
    let head = events::head(&mut unit.tx, stream).await?;
    for (name, number) in [("after", body.after), ("through", body.through)] {
        if number.is_some_and(|number| number > head) {
            let fault = format!("The {name} must not be greater than the number of the last event.");
            return Err(Error::field(name, fault));
        }
    }
    let place = match body.from {
        Some(from) => events::number_before(&mut unit.tx, stream, from).await?,
        None => body.after.unwrap_or(0),
    };
    let events = body.events.as_ref().map(|events| to_json(events)).transpose()?;
    let new = NewRecovery {
        kind: RecoveryKind::Replay,
        from: body.from,
        to: body.to,
        after: body.after,
        through: Some(body.through.unwrap_or(head)),
        events: events.as_deref(),
        place,
    };
    begin(unit, owner, webhook, new).await
}

async fn begin(unit: &mut Unit, owner: Owner, webhook: i64, new: NewRecovery<'_>) -> Result<Recovery> {
    let hook = row(&mut unit.tx, owner, webhook).await?;
    again::is_on(&hook)?;
    let now = unit.now();
    store::forget_recoveries(&mut unit.tx, owner, webhook, now.before(KEPT)).await?;
    let begun = store::insert_recovery(&mut unit.tx, owner, webhook, new, now).await?;
    let begun = begun.ok_or_else(|| Error::conflict().saying("Another recovery of this webhook is running."))?;
    // Who asks has repaired the receiver: it is tried at once.
    jobs::wake(unit, Deliver::NAME, webhook).await?;
    let lane = LaneKey { kind: Recover::NAME, key: webhook, workspace: owner.workspace() };
    jobs::enqueue(unit, lane, &[NewJob { subject: begun.id, group: webhook }]).await?;
    let done = (Action::WebhookRecoveryStarted, Action::PartnerWebhookRecoveryStarted);
    owner.note(unit, done, webhook, Changes::of("kind", begun.kind).and("recovery", begun.id)).await?;
    Ok(begun.into())
}

pub async fn get(db: &Db, owner: Owner, webhook: i64, id: i64) -> Result<Recovery> {
    row(db, owner, webhook).await?;
    let found = store::find_recovery(db, owner, webhook, id).await?;
    found.map(Recovery::from).ok_or_else(|| Error::no_such("Recovery"))
}

/// One page of a webhook's recoveries, the newest first.
pub async fn list(db: &Db, owner: Owner, webhook: i64, page: Page) -> Result<Listing<Recovery>> {
    let rows = store::recoveries(db, owner, webhook, page).await?;
    let total = async { Ok(store::count_recoveries(db, owner, webhook).await?) };
    Ok(Listing::of(page, rows, |row| Cursor::id(row.id), total).await?.map(Recovery::from))
}

/// Which part of the list is asked for.
#[derive(Debug)]
pub struct RecoveryQuery(pub Page);

impl Input for RecoveryQuery {
    fn read(query: &mut Fields<'_>) -> Option<Self> {
        Some(Self(Page::read(query, 15, 100)))
    }
}

impl From<RecoveryRow> for Recovery {
    fn from(row: RecoveryRow) -> Self {
        // Where a time was asked for, numbers are only how it is done.
        let by_time = row.from_at.is_some() || row.to_at.is_some();
        Self {
            id: row.id,
            webhook_id: row.webhook_id,
            kind: row.kind,
            status: row.status,
            from: row.from_at,
            to: row.to_at,
            after: row.after_seq,
            through: row.through_seq.filter(|_| !by_time),
            events: row.events.as_deref().map(from_json),
            examined: row.examined,
            queued: row.queued,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

/// Whether a list of names has an event.
fn has(names: &[String], event: &str) -> bool {
    names.iter().any(|name| name == EVERY || name == event)
}
