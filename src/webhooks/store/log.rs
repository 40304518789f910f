//! All SQL of the delivery log. Every list is cut out of an index that ends in the moment and the id.

use super::super::log::Status;
use super::delivery::{AGAIN, DUE, Requeued};
use super::{DueRow, Owner};
use crate::kernel::{Instant, Page};
use skylight_db::{Db, Param, Read, Result, Tx, Value, args, from_row, padded};

/// A delivery as the log shows it.
#[derive(Debug)]
pub struct DeliveryRow {
    pub id: i64,
    pub delivery_id: String,
    pub event: String,
    pub status: String,
    pub queued_at: Instant,
    pub attempts: i64,
    pub attempted_at: Option<Instant>,
    pub duration_ms: Option<i64>,
    pub response_status: Option<u16>,
    pub response_body: Option<String>,
    pub error: Option<String>,
    pub dropped: Option<String>,
    pub next_retry_at: Option<Instant>,
    pub delivered_at: Option<Instant>,
    pub created_at: Instant,
}

from_row!(DeliveryRow {
    id,
    delivery_id,
    event,
    status,
    queued_at,
    attempts,
    attempted_at,
    duration_ms,
    response_status,
    response_body,
    error,
    dropped,
    next_retry_at,
    delivered_at,
    created_at
});

const LOGGED: &str = "id, delivery_id, event, status, queued_at, attempts, attempted_at, duration_ms, response_status,
     response_body, error, dropped, next_retry_at, delivered_at, created_at";

/// Which deliveries of the log are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub webhook: i64,
    /// What was queued up to then and waits is given up, though no worker has come by yet.
    pub dropped_through: Instant,
    pub event: Option<&'a str>,
    pub status: Option<Status>,
    /// From then on.
    pub from: Option<Instant>,
    /// Before then.
    pub to: Option<Instant>,
}

/// Conditions and the values they compare with: `$1` is the owner, `$2` the webhook, `$3` up to when waiting is given up.
struct Text<'a> {
    values: Vec<Value<'a>>,
    shared: String,
}

impl<'a> Text<'a> {
    fn new(owner: Owner, webhook: i64, dropped_through: Instant) -> Self {
        let values = vec![Value::Int(owner.id()), Value::Int(webhook), Value::Int(dropped_through.micros())];
        Self { values, shared: String::new() }
    }

    fn of(owner: Owner, wanted: Wanted<'a>) -> Self {
        let Wanted { webhook, dropped_through, event, from, to, .. } = wanted;
        let mut text = Self::new(owner, webhook, dropped_through);
        text.compare("event =", event.map(Value::Text));
        text.compare("created_at >=", from.map(|from| Value::Int(from.micros())));
        text.compare("created_at <", to.map(|to| Value::Int(to.micros())));
        text
    }

    fn bind(&mut self, value: i64) -> String {
        self.values.push(Value::Int(value));
        format!("${}", self.values.len())
    }

    fn compare(&mut self, what: &str, value: Option<Value<'a>>) {
        let Some(value) = value else { return };
        self.values.push(value);
        self.shared.push_str(&format!(" AND {what} ${}", self.values.len()));
    }

    /// The ranges of an index that hold what is wanted, each to be ended by an order. What waits and is given up is
    /// failed for everybody who looks.
    fn ranges(&self, status: Option<Status>) -> Vec<String> {
        let statuses: &[&str] = match status {
            None => &[""],
            Some(Status::Delivered) => &[" AND status = 'delivered'"],
            // `$3` is named everywhere: PostgreSQL asks for the type of every value.
            Some(Status::Pending) => &[" AND status = 'pending' AND queued_at > $3"],
            Some(Status::Failed) => &[" AND status = 'failed'", " AND status = 'pending' AND queued_at <= $3"],
        };
        let range = |status: &&str| {
            format!(
                "SELECT id, created_at FROM webhook_delivery
                 WHERE workspace_id = $1 AND webhook_id = $2 AND CAST($3 AS BIGINT) IS NOT NULL{}{status}",
                self.shared
            )
        };
        statuses.iter().map(range).collect()
    }
}

/// The first rows of several ranges together, in one order.
fn together(ranges: &[String], order: &str, most: &str) -> String {
    let first = |range: &String| format!("SELECT id, created_at FROM ({range} ORDER BY {order} LIMIT {most}) AS part");
    ranges.iter().map(first).collect::<Vec<_>>().join(" UNION ALL ")
}

const NEWEST: &str = "created_at DESC, id DESC";
const OLDEST: &str = "created_at, id";

pub async fn deliveries(db: &Db, owner: Owner, wanted: Wanted<'_>, page: Page) -> Result<Vec<DeliveryRow>> {
    let mut text = Text::of(owner, wanted);
    let place = page.before();
    let (key, id) = (text.bind(place.key), text.bind(place.id));
    text.shared.push_str(&format!(" AND created_at <= {key} AND (created_at < {key} OR id < {id})"));
    let (most, limit, offset) =
        (text.bind(page.limit() + page.offset()), text.bind(page.limit()), text.bind(page.offset()));
    let found = together(&text.ranges(wanted.status), NEWEST, &most);
    let sql = format!(
        "SELECT {LOGGED} FROM webhook_delivery WHERE workspace_id = $1 AND id IN (
             SELECT id FROM ({found}) AS found ORDER BY {NEWEST} LIMIT {limit} OFFSET {offset})
         ORDER BY {NEWEST}"
    );
    match page.offset() {
        0 => db.all(&owner.sql(&sql), &text.values).await,
        _ => db.long().all(&owner.sql(&sql), &text.values).await,
    }
}

/// Counts within the index that serves the list.
pub async fn count_deliveries(db: &Db, owner: Owner, wanted: Wanted<'_>) -> Result<i64> {
    let text = Text::of(owner, wanted);
    let found = text.ranges(wanted.status).join(" UNION ALL ");
    db.long().one(&owner.sql(&format!("SELECT COUNT(*) FROM ({found}) AS found")), &text.values).await
}

/// One delivery of a webhook.
pub async fn delivery(read: impl Read, owner: Owner, webhook: i64, id: i64) -> Result<Option<DeliveryRow>> {
    let sql = format!("SELECT {LOGGED} FROM webhook_delivery WHERE workspace_id = $1 AND webhook_id = $2 AND id = $3");
    read.opt(&owner.sql(&sql), args![owner, webhook, id]).await
}

/// The same as it is sent.
pub async fn sent(read: impl Read, owner: Owner, webhook: i64, id: i64) -> Result<Option<DueRow>> {
    let sql = format!(
        "SELECT {DUE} FROM webhook_delivery AS d JOIN event AS e ON e.id = d.event_id
         WHERE d.workspace_id = $1 AND d.webhook_id = $2 AND d.id = $3"
    );
    read.opt(&owner.sql(&sql), args![owner, webhook, id]).await
}

/// A delivery that failed, and where it stands in the log.
#[derive(Debug)]
pub struct Failed {
    id: i64,
    event_id: i64,
    group: i64,
    has_job: bool,
    pub created_at: Instant,
}

from_row!(Failed { id, event_id, group, has_job, created_at });

impl Failed {
    pub fn again(&self) -> Requeued {
        let Self { id, event_id, group, has_job, .. } = *self;
        Requeued { id, event_id, group, has_job }
    }
}

/// The oldest failed deliveries behind a place in the log, through a moment.
pub async fn failed_since(
    tx: &mut Tx,
    owner: Owner,
    (webhook, dropped_through): (i64, Instant),
    (after, after_id): (Instant, i64),
    through: Instant,
    limit: i64,
) -> Result<Vec<Failed>> {
    let mut text = Text::new(owner, webhook, dropped_through);
    let (key, id) = (text.bind(after.micros()), text.bind(after_id));
    text.shared.push_str(&format!(" AND created_at >= {key} AND (created_at > {key} OR id > {id})"));
    text.compare("created_at <=", Some(Value::Int(through.micros())));
    let most = text.bind(limit);
    let found = together(&text.ranges(Some(Status::Failed)), OLDEST, &most);
    let sql = format!(
        "SELECT {AGAIN}, d.created_at FROM webhook_delivery AS d JOIN event AS e ON e.id = d.event_id
         WHERE d.workspace_id = $1 AND d.id IN (SELECT id FROM ({found}) AS found ORDER BY {OLDEST} LIMIT {most})
         ORDER BY d.created_at, d.id"
    );
    tx.all(&owner.sql(&sql), &text.values).await
}

/// An attempt that was followed by another.
#[derive(Debug)]
pub struct AttemptRow {
    pub delivery: i64,
    pub number: i64,
    pub attempted_at: Instant,
    pub duration_ms: i64,
    pub response_status: Option<u16>,
    pub response_body: Option<String>,
    pub error: Option<String>,
}

from_row!(AttemptRow { delivery, number, attempted_at, duration_ms, response_status, response_body, error });

pub async fn attempts(read: impl Read, owner: Owner, deliveries: &[i64]) -> Result<Vec<AttemptRow>> {
    let (names, mut values) = padded(2, deliveries);
    values.insert(0, owner.value());
    let sql = format!(
        "SELECT delivery_id, number, attempted_at, duration_ms, response_status, response_body, error
         FROM webhook_attempt WHERE workspace_id = $1 AND delivery_id IN ({names}) ORDER BY delivery_id, number"
    );
    read.all(&owner.sql(&sql), &values).await
}
