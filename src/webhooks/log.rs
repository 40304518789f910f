//! The delivery log: what became of every delivery, attempt by attempt.

use super::Owner;
use super::store::{self, AttemptRow, DeliveryRow, Wanted, WebhookRow};
use super::{Dialect, payload};
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Cursor, Error, Instant, Listing, Page, Result};
use serde::Serialize;
use skylight_db::{Db, Tx};
use std::collections::HashMap;
use utoipa::ToSchema;

/// Why deliveries are given up when a webhook is switched off.
pub(super) const DISABLED: &str = "webhook disabled";

/// `pending` before the first attempt (and again when somebody asks for it once more), `failed` with `next_retry_at` between attempts, `delivered` or `failed` at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Pending,
    Delivered,
    Failed,
}

impl Status {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    fn of(text: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.as_str() == text).unwrap_or(Self::Failed)
    }
}

/// One event on its way to one webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryEntry {
    #[schema(example = 5012)]
    pub id: i64,
    /// The same on every attempt: `delivery_id` of the body, `X-SkyLight-Delivery` and `webhook-id`.
    #[schema(example = "0c9d7f0e-1111-4222-8333-abcdefabcdef")]
    pub delivery_id: String,
    #[schema(example = "contact.created")]
    pub event: String,
    pub status: Status,
    /// How often it was tried.
    #[schema(example = 1)]
    pub attempts: i64,
    /// Of the last attempt.
    #[schema(example = 200)]
    pub response_status: Option<u16>,
    /// The beginning of the last answer, at most 1 KB.
    #[schema(example = "ok")]
    pub response_body: Option<String>,
    /// What went wrong with the last attempt, or why there will be no further one.
    pub error: Option<String>,
    /// None: it will not be tried again.
    pub next_retry_at: Option<Instant>,
    pub delivered_at: Option<Instant>,
    pub created_at: Instant,
    /// Every attempt, the first one first.
    pub attempt_log: Vec<AttemptEntry>,
}

/// One request to the receiver.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptEntry {
    /// As in `X-SkyLight-Attempt`.
    #[schema(example = 1)]
    pub number: i64,
    pub attempted_at: Instant,
    #[schema(example = 87)]
    pub duration_ms: i64,
    #[schema(example = 200)]
    pub response_status: Option<u16>,
    #[schema(example = "ok")]
    pub response_body: Option<String>,
    pub error: Option<String>,
}

/// A delivery with what is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryWithPayload {
    #[serde(flatten)]
    pub delivery: DeliveryEntry,
    /// The body of every attempt, byte by byte: the signatures are over this text.
    #[schema(
        example = "{\"event\":\"contact.created\",\"delivery_id\":\"0c9d7f0e-1111-4222-8333-abcdefabcdef\",\"timestamp\":\"2026-03-04T12:00:00.000000Z\",\"data\":{}}"
    )]
    pub payload: String,
}

/// Which deliveries are asked for.
#[derive(Debug)]
pub struct DeliveryQuery {
    pub status: Option<Status>,
    pub event: Option<String>,
    /// Made from then on.
    pub from: Option<Instant>,
    /// Made before then.
    pub to: Option<Instant>,
    pub page: Page,
}

impl Input for DeliveryQuery {
    fn read(query: &mut Fields<'_>) -> Option<Self> {
        let status = query.at("status").one_of(&Status::ALL.map(|status| (status.as_str(), status)));
        let event = query.at("event").text(100);
        let [from, to] = ["from", "to"].map(|name| query.at(name).span().map(|(first, _)| first));
        Some(Self { status, event, from, to, page: Page::read(query, 15, 100) })
    }
}

/// One page of a webhook's deliveries, the newest first.
pub async fn deliveries(db: &Db, owner: Owner, webhook: i64, query: &DeliveryQuery) -> Result<Listing<DeliveryEntry>> {
    let row = super::row(db, owner, webhook).await?;
    let DeliveryQuery { status, event, from, to, page } = query;
    let wanted = Wanted {
        webhook,
        dropped_through: row.dropped_through,
        event: event.as_deref(),
        status: *status,
        from: *from,
        to: *to,
    };
    let rows = store::deliveries(db, owner, wanted, *page).await?;
    let total = async {
        match (event, status, from, to) {
            // Counted as deliveries come and go.
            (None, None, None, None) => Ok(row.deliveries),
            _ => Ok(store::count_deliveries(db, owner, wanted).await?),
        }
    };
    let place = |row: &DeliveryRow| Cursor { key: row.created_at.micros(), id: row.id };
    let part = Listing::of(*page, rows, place, total).await?;
    let mut earlier = earlier_attempts(db, owner, &part.items).await?;
    let entry = |delivery: DeliveryRow| {
        let attempts = earlier.remove(&delivery.id).unwrap_or_default();
        DeliveryEntry::new(delivery, attempts, row.dropped_through)
    };
    Ok(part.map(entry))
}

/// One delivery, with what is sent.
pub async fn delivery(db: &Db, owner: Owner, webhook: i64, id: i64) -> Result<DeliveryWithPayload> {
    let hook = super::row(db, owner, webhook).await?;
    let row = store::delivery(db, owner, webhook, id).await?.ok_or_else(no_such)?;
    let due = store::sent(db, owner, webhook, id).await?.ok_or_else(no_such)?;
    let delivery = with_attempts(row, store::attempts(db, owner, &[id]).await?, &hook);
    // Only the hub's endpoint, which has no log, speaks otherwise.
    Ok(DeliveryWithPayload { delivery, payload: payload::text(Dialect::Product, owner, &due) })
}

/// One delivery, within a unit of work.
pub(super) async fn entry(tx: &mut Tx, owner: Owner, webhook: &WebhookRow, id: i64) -> Result<DeliveryEntry> {
    let row = store::delivery(&mut *tx, owner, webhook.id, id).await?.ok_or_else(no_such)?;
    Ok(with_attempts(row, store::attempts(&mut *tx, owner, &[id]).await?, webhook))
}

fn with_attempts(row: DeliveryRow, earlier: Vec<AttemptRow>, webhook: &WebhookRow) -> DeliveryEntry {
    let earlier = earlier.into_iter().map(AttemptEntry::from).collect();
    DeliveryEntry::new(row, earlier, webhook.dropped_through)
}

fn no_such() -> Error {
    Error::no_such("Delivery")
}

async fn earlier_attempts(db: &Db, owner: Owner, rows: &[DeliveryRow]) -> Result<HashMap<i64, Vec<AttemptEntry>>> {
    let repeated: Vec<i64> = rows.iter().filter(|row| row.attempts > 1).map(|row| row.id).collect();
    let mut earlier: HashMap<i64, Vec<AttemptEntry>> = HashMap::new();
    if repeated.is_empty() {
        return Ok(earlier);
    }
    for row in store::attempts(db, owner, &repeated).await? {
        earlier.entry(row.delivery).or_default().push(row.into());
    }
    Ok(earlier)
}

impl DeliveryEntry {
    fn new(row: DeliveryRow, mut attempts: Vec<AttemptEntry>, dropped_through: Instant) -> Self {
        attempts.extend(last_attempt(&row));
        let stored = Status::of(&row.status);
        let waits = stored == Status::Pending || row.next_retry_at.is_some();
        // Given up, though no worker has come by yet to write it down.
        let given_up = waits && row.queued_at <= dropped_through;
        let reason = if given_up { Some(DISABLED.to_owned()) } else { row.dropped };
        Self {
            id: row.id,
            delivery_id: row.delivery_id,
            event: row.event,
            status: if given_up { Status::Failed } else { stored },
            attempts: row.attempts,
            response_status: row.response_status,
            response_body: row.response_body,
            error: reason.or(row.error),
            next_retry_at: row.next_retry_at.filter(|_| !given_up),
            delivered_at: row.delivered_at,
            created_at: row.created_at,
            attempt_log: attempts,
        }
    }
}

/// The last attempt stands on the delivery itself.
fn last_attempt(row: &DeliveryRow) -> Option<AttemptEntry> {
    Some(AttemptEntry {
        number: row.attempts,
        attempted_at: row.attempted_at?,
        duration_ms: row.duration_ms?,
        response_status: row.response_status,
        response_body: row.response_body.clone(),
        error: row.error.clone(),
    })
}

impl From<AttemptRow> for AttemptEntry {
    fn from(row: AttemptRow) -> Self {
        Self {
            number: row.number,
            attempted_at: row.attempted_at,
            duration_ms: row.duration_ms,
            response_status: row.response_status,
            response_body: row.response_body,
            error: row.error,
        }
    }
}
