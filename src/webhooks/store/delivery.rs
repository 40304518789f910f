//! The SQL that queues, sends and records deliveries; what the log shows of them stands in `log.rs`.

use super::{Owner, PayloadVersion};
use crate::kernel::Instant;
use skylight_db::{Param, Read, Result, Tx, Value, args, from_row, list, padded, placeholders};

/// A delivery to queue.
#[derive(Clone, Debug)]
pub struct NewDelivery<'a> {
    pub owner: Owner,
    pub webhook_id: i64,
    pub event_id: i64,
    pub event: &'a str,
    pub delivery_id: String,
    /// How it is told, on every attempt.
    pub payload_version: Option<PayloadVersion>,
}

/// Rows of one statement, so that few different texts are prepared.
const ROWS: [usize; 3] = [64, 8, 1];

/// Adds deliveries that are not there yet; answers id, event and webhook of those that were added.
pub async fn all_workspaces_insert_deliveries(
    tx: &mut Tx,
    new: &[NewDelivery<'_>],
    now: Instant,
) -> Result<Vec<(i64, i64, i64)>> {
    let mut added = Vec::with_capacity(new.len());
    let mut rest = new;
    for rows in ROWS {
        let sql = insert_deliveries(rows);
        while rest.len() >= rows {
            let (chunk, after) = rest.split_at(rows);
            rest = after;
            let owners: Vec<_> = chunk.iter().map(|d| (d.owner.workspace(), d.owner.partner())).collect();
            let cells = chunk.iter().zip(&owners).flat_map(|(d, (workspace, partner))| {
                list![workspace, partner, &d.webhook_id, &d.event_id, &d.event, &d.delivery_id, &d.payload_version]
            });
            let values: Vec<Value<'_>> = std::iter::once(now.value()).chain(cells).collect();
            added.extend(tx.all::<(i64, i64, i64)>(&sql, &values).await?);
        }
    }
    Ok(added)
}

fn insert_deliveries(rows: usize) -> String {
    let row = |n: usize| format!("({}, 'pending', $1, $1)", placeholders(2 + 7 * n, 7));
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO webhook_delivery
             (workspace_id, partner_id, webhook_id, event_id, event, delivery_id, payload_version, status, queued_at,
              created_at)
         VALUES {} ON CONFLICT (event_id, webhook_id) DO NOTHING RETURNING id, event_id, webhook_id",
        rows.join(", ")
    )
}

/// A delivery with its event, ready to be sent.
#[derive(Debug)]
pub struct DueRow {
    pub id: i64,
    pub delivery_id: String,
    pub event: String,
    pub unfinished: bool,
    pub attempts: i64,
    /// Attempts before somebody asked for it again: the schedule begins anew behind them.
    pub tried_before: i64,
    pub payload_version: Option<PayloadVersion>,
    pub queued_at: Instant,
    /// When the event happened.
    pub created_at: Instant,
    pub data: String,
}

from_row!(DueRow {
    id,
    delivery_id,
    event,
    unfinished,
    attempts,
    tried_before,
    payload_version,
    queued_at,
    created_at,
    data
});

/// What `DueRow` is read from, of the delivery `d` and its event `e`.
pub(super) const DUE: &str = "d.id, d.delivery_id, d.event, d.status = 'pending' OR d.next_retry_at IS NOT NULL,
     d.attempts, d.tried_before, d.payload_version, d.queued_at, e.created_at, e.data";

pub async fn due(read: impl Read, owner: Owner, ids: &[i64]) -> Result<Vec<DueRow>> {
    let (names, mut values) = padded(2, ids);
    values.insert(0, owner.value());
    let sql = format!(
        "SELECT {DUE} FROM webhook_delivery AS d JOIN event AS e ON e.id = d.event_id
         WHERE d.workspace_id = $1 AND d.id IN ({names})"
    );
    read.all(&owner.sql(&sql), &values).await
}

/// What came of an attempt.
#[derive(Debug)]
pub struct Attempted {
    pub id: i64,
    pub number: i64,
    pub status: &'static str,
    pub attempted_at: Instant,
    pub duration_ms: i64,
    pub response_status: Option<u16>,
    pub response_body: Option<String>,
    pub error: Option<String>,
    pub next_retry_at: Option<Instant>,
    pub delivered_at: Option<Instant>,
}

/// Sets the last attempts aside, before newer ones take their place on the deliveries.
pub async fn keep_last_attempts(tx: &mut Tx, owner: Owner, repeated: &[(i64, i64)]) -> Result<()> {
    let lists: Vec<_> = repeated.iter().map(|(id, number)| list![&owner, id, number]).collect();
    let sql = owner.sql(
        "INSERT INTO webhook_attempt (workspace_id, delivery_id, number, attempted_at, duration_ms, response_status, response_body, error)
         SELECT workspace_id, id, attempts, attempted_at, duration_ms, response_status, response_body, error
         FROM webhook_delivery WHERE workspace_id = $1 AND id = $2 AND attempts > 0 AND attempts < $3
         ON CONFLICT (delivery_id, number) DO NOTHING",
    );
    tx.exec_many(&sql, &lists).await.map(|_| ())
}

/// Records attempts; what is delivered stays delivered.
pub async fn record_attempts(tx: &mut Tx, owner: Owner, attempts: &[Attempted]) -> Result<()> {
    let lists: Vec<_> = attempts
        .iter()
        .map(|a| {
            list![
                &owner,
                &a.id,
                &a.status,
                &a.number,
                &a.attempted_at,
                &a.duration_ms,
                &a.response_status,
                &a.response_body,
                &a.error,
                &a.next_retry_at,
                &a.delivered_at
            ]
        })
        .collect();
    let sql = owner.sql(
        "UPDATE webhook_delivery SET status = $3, attempts = $4, attempted_at = $5, duration_ms = $6,
             response_status = $7, response_body = $8, error = $9, next_retry_at = $10, delivered_at = $11
         WHERE workspace_id = $1 AND id = $2 AND status <> 'delivered'",
    );
    tx.exec_many(&sql, &lists).await.map(|_| ())
}

/// Gives deliveries up before their schedule ends.
pub async fn drop_deliveries(tx: &mut Tx, owner: Owner, ids: &[i64], reason: &str) -> Result<()> {
    let lists: Vec<_> = ids.iter().map(|id| list![&owner, id, &reason]).collect();
    let sql = owner.sql(
        "UPDATE webhook_delivery SET status = 'failed', dropped = $3, next_retry_at = NULL
         WHERE workspace_id = $1 AND id = $2 AND status <> 'delivered'",
    );
    tx.exec_many(&sql, &lists).await.map(|_| ())
}

/// A delivery that is sent again.
#[derive(Clone, Copy, Debug)]
pub struct Requeued {
    pub id: i64,
    pub event_id: i64,
    /// What its event concerns: its job keeps the order of this group.
    pub group: i64,
    /// Whether its job stands in the lane still.
    pub has_job: bool,
}

from_row!(Requeued { id, event_id, group, has_job });

/// What `Requeued` is read from.
pub(super) const AGAIN: &str = "d.id, d.event_id, e.subject_id, d.status = 'pending' OR d.next_retry_at IS NOT NULL";

/// The deliveries of these events to one endpoint that can be sent again, in the order of the events. Those on their way
/// already are none of them, unless they are given up.
pub async fn of_events(
    tx: &mut Tx,
    owner: Owner,
    (webhook, dropped_through): (i64, Instant),
    events: &[i64],
) -> Result<Vec<Requeued>> {
    let (names, mut values) = padded(4, events);
    values.splice(0..0, [owner.value(), webhook.value(), dropped_through.value()]);
    let sql = format!(
        "SELECT {AGAIN} FROM webhook_delivery AS d JOIN event AS e ON e.id = d.event_id
         WHERE d.workspace_id = $1 AND d.webhook_id = $2 AND d.event_id IN ({names})
           AND (d.status <> 'pending' OR d.queued_at <= $3) ORDER BY e.seq"
    );
    tx.all(&owner.sql(&sql), &values).await
}

/// Likewise, of one delivery.
pub async fn of_delivery(
    tx: &mut Tx,
    owner: Owner,
    (webhook, dropped_through): (i64, Instant),
    id: i64,
) -> Result<Option<Requeued>> {
    let sql = format!(
        "SELECT {AGAIN} FROM webhook_delivery AS d JOIN event AS e ON e.id = d.event_id
         WHERE d.workspace_id = $1 AND d.webhook_id = $2 AND d.id = $4
           AND (d.status <> 'pending' OR d.queued_at <= $3)"
    );
    tx.opt(&owner.sql(&sql), args![owner, webhook, dropped_through, id]).await
}

/// Makes deliveries wait for their next attempt again: the schedule begins anew, the numbers of attempts go on. The
/// caller holds the endpoint's lane, so that no worker records an outcome meanwhile.
pub async fn queue_again(tx: &mut Tx, owner: Owner, deliveries: &[Requeued], now: Instant) -> Result<()> {
    let lists: Vec<_> = deliveries.iter().map(|delivery| list![&owner, &delivery.id, &now]).collect();
    let sql = owner.sql(
        "UPDATE webhook_delivery SET status = 'pending', queued_at = $3, tried_before = attempts, dropped = NULL,
             next_retry_at = NULL, delivered_at = NULL
         WHERE workspace_id = $1 AND id = $2",
    );
    tx.exec_many(&sql, &lists).await.map(|_| ())
}

/// Deliveries made before a moment, in the order of their ids, which is nearly that of time: each with whether it is over.
pub async fn all_workspaces_past(read: impl Read, after: i64, before: Instant, most: i64) -> Result<Vec<(i64, bool)>> {
    let rows: Vec<(i64, bool, Instant)> = read
        .all(
            "SELECT id, status <> 'pending' AND next_retry_at IS NULL, created_at
             FROM webhook_delivery WHERE id > $1 ORDER BY id LIMIT $2",
            args![after, most],
        )
        .await?;
    Ok(rows.into_iter().take_while(|row| row.2 < before).map(|(id, over, _)| (id, over)).collect())
}

/// Removes deliveries with their attempts; answers whose they were, by workspace, partner and webhook.
pub async fn all_workspaces_remove(tx: &mut Tx, ids: &[i64]) -> Result<Vec<(Option<i64>, Option<i64>, i64)>> {
    let (names, values) = padded(1, ids);
    let sql =
        format!("DELETE FROM webhook_delivery WHERE id IN ({names}) RETURNING workspace_id, partner_id, webhook_id");
    tx.all(&sql, &values).await
}

/// Which of these events have deliveries.
pub async fn all_workspaces_delivered(tx: &mut Tx, events: &[i64]) -> Result<Vec<i64>> {
    let (names, values) = padded(1, events);
    let sql = format!("SELECT DISTINCT event_id FROM webhook_delivery WHERE event_id IN ({names})");
    tx.all(&sql, &values).await
}
