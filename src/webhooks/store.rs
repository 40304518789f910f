//! All SQL of `webhook`, `webhook_delivery` and `webhook_attempt`.

use crate::auth::WorkspaceScope;
use crate::kernel::{Instant, Page};
use skylight_db::{Param, Read, Result, Tx, Value, args, from_row, list, padded, placeholders};

/// A webhook as it is shown.
#[derive(Debug)]
pub struct WebhookRow {
    pub id: i64,
    pub name: String,
    pub url: String,
    pub events: String,
    pub is_active: bool,
    pub disabled_reason: Option<String>,
    pub dropped_through: Instant,
    pub deliveries: i64,
    pub created_at: Instant,
    pub updated_at: Instant,
}

from_row!(WebhookRow {
    id,
    name,
    url,
    events,
    is_active,
    disabled_reason,
    dropped_through,
    deliveries,
    created_at,
    updated_at
});

const SHOWN: &str =
    "id, name, url, events, is_active, disabled_reason, dropped_through, deliveries, created_at, updated_at";

/// What a change sets; nothing leaves a column as it is.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    pub name: Option<&'a str>,
    pub url: Option<&'a str>,
    pub events: Option<&'a str>,
    pub is_active: Option<bool>,
}

/// The sealed secrets of a webhook.
#[derive(Debug)]
pub struct Secrets {
    pub secret: String,
    pub previous_secret: Option<String>,
    pub previous_until: Option<Instant>,
}

from_row!(Secrets { secret, previous_secret, previous_until });

pub async fn list(read: impl Read, scope: WorkspaceScope) -> Result<Vec<WebhookRow>> {
    let sql = format!("SELECT {SHOWN} FROM webhook WHERE workspace_id = $1 AND deleted_at IS NULL ORDER BY id DESC");
    read.all(&sql, args![scope]).await
}

pub async fn find(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<WebhookRow>> {
    let sql = format!("SELECT {SHOWN} FROM webhook WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL");
    read.opt(&sql, args![scope, id]).await
}

/// Makes those who add webhooks to one workspace take turns, so that the count in `insert` is right.
pub async fn take_turn(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    tx.exec(
        "UPDATE webhook SET updated_at = updated_at
         WHERE workspace_id = $1 AND id = (SELECT MIN(id) FROM webhook WHERE workspace_id = $1 AND deleted_at IS NULL)",
        args![scope],
    )
    .await
    .map(|_| ())
}

/// Adds a webhook without its secret, unless the workspace has `most` of them.
pub async fn insert(
    tx: &mut Tx,
    scope: WorkspaceScope,
    new: Changes<'_>,
    most: i64,
    now: Instant,
) -> Result<Option<i64>> {
    tx.opt(
        "INSERT INTO webhook (workspace_id, name, url, events, is_active, secret, created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, '', $6, $6
         WHERE (SELECT COUNT(*) FROM webhook WHERE workspace_id = $1 AND deleted_at IS NULL) < $7
         RETURNING id",
        args![scope, new.name, new.url, new.events, new.is_active, now, most],
    )
    .await
}

pub async fn set_secret(tx: &mut Tx, scope: WorkspaceScope, id: i64, sealed: &str) -> Result<()> {
    tx.exec("UPDATE webhook SET secret = $3 WHERE workspace_id = $1 AND id = $2", args![scope, id, sealed])
        .await
        .map(|_| ())
}

/// Switching off gives up what waits; switching on forgets why it was off.
pub async fn update(
    tx: &mut Tx,
    scope: WorkspaceScope,
    id: i64,
    changes: Changes<'_>,
    now: Instant,
) -> Result<Option<WebhookRow>> {
    let sql = format!(
        "UPDATE webhook SET name = COALESCE($3, name), url = COALESCE($4, url), events = COALESCE($5, events),
             is_active = COALESCE($6, is_active),
             dropped_through = CASE WHEN $6 = FALSE THEN $7 ELSE dropped_through END,
             disabled_reason = CASE WHEN $6 = TRUE THEN NULL ELSE disabled_reason END,
             updated_at = $7
         WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL
         RETURNING {SHOWN}"
    );
    let Changes { name, url, events, is_active } = changes;
    tx.opt(&sql, args![scope, id, name, url, events, is_active, now]).await
}

/// Switches off without anybody having asked for it.
pub async fn disable(tx: &mut Tx, scope: WorkspaceScope, id: i64, reason: &str, now: Instant) -> Result<()> {
    tx.exec(
        "UPDATE webhook SET is_active = FALSE, disabled_reason = $3, dropped_through = $4, updated_at = $4
         WHERE workspace_id = $1 AND id = $2 AND is_active",
        args![scope, id, reason, now],
    )
    .await
    .map(|_| ())
}

pub async fn secrets(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<Secrets>> {
    read.opt(
        "SELECT secret, previous_secret, previous_until FROM webhook
         WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
        args![scope, id],
    )
    .await
}

/// Sets the secrets unless somebody else has changed them since `old` was read.
pub async fn rotate(
    tx: &mut Tx,
    scope: WorkspaceScope,
    id: i64,
    old: &str,
    new: &Secrets,
    now: Instant,
) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE webhook SET secret = $4, previous_secret = $5, previous_until = $6, updated_at = $7
             WHERE workspace_id = $1 AND id = $2 AND secret = $3 AND deleted_at IS NULL",
            args![scope, id, old, new.secret, new.previous_secret, new.previous_until, now],
        )
        .await?;
    Ok(changed == 1)
}

/// Makes a webhook disappear; its secrets are gone at once, its deliveries follow in `purge`.
pub async fn delete(tx: &mut Tx, scope: WorkspaceScope, id: i64, now: Instant) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE webhook SET deleted_at = $3, is_active = FALSE, secret = '', previous_secret = NULL
             WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
            args![scope, id, now],
        )
        .await?;
    Ok(changed == 1)
}

/// Removes some deliveries of a deleted webhook, and in the end the webhook; true when nothing is left.
pub async fn purge(tx: &mut Tx, scope: WorkspaceScope, id: i64, limit: i64) -> Result<bool> {
    let removed = tx
        .exec(
            "DELETE FROM webhook_delivery WHERE workspace_id = $1 AND id IN (
                 SELECT d.id FROM webhook_delivery AS d
                 WHERE d.webhook_id = $2 AND d.workspace_id = $1 ORDER BY d.id LIMIT $3)",
            args![scope, id, limit],
        )
        .await?;
    if removed > 0 {
        return Ok(false);
    }
    tx.exec("DELETE FROM webhook WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NOT NULL", args![scope, id])
        .await?;
    Ok(true)
}

/// An active webhook as fan-out sees it.
#[derive(Debug)]
pub struct Subscriber {
    pub id: i64,
    pub workspace_id: i64,
    pub events: String,
}

from_row!(Subscriber { id, workspace_id, events });

pub async fn all_workspaces_subscribers(tx: &mut Tx, workspaces: &[i64]) -> Result<Vec<Subscriber>> {
    let (names, values) = padded(1, workspaces);
    let sql = format!(
        "SELECT webhook.id, webhook.workspace_id, webhook.events FROM webhook
         JOIN workspace ON workspace.id = webhook.workspace_id
         WHERE webhook.workspace_id IN ({names}) AND webhook.is_active AND webhook.deleted_at IS NULL
           AND workspace.status <> 'deleted' ORDER BY webhook.id"
    );
    tx.all(&sql, &values).await
}

/// A delivery to queue.
#[derive(Clone, Debug)]
pub struct NewDelivery<'a> {
    pub workspace_id: i64,
    pub webhook_id: i64,
    pub event_id: i64,
    pub event: &'a str,
    pub delivery_id: String,
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
            let cells =
                chunk.iter().flat_map(|d| list![&d.workspace_id, &d.webhook_id, &d.event_id, &d.event, &d.delivery_id]);
            let values: Vec<Value<'_>> = std::iter::once(now.value()).chain(cells).collect();
            added.extend(tx.all::<(i64, i64, i64)>(&sql, &values).await?);
        }
    }
    Ok(added)
}

fn insert_deliveries(rows: usize) -> String {
    let row = |n: usize| format!("({}, 'pending', $1, $1)", placeholders(2 + 5 * n, 5));
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO webhook_delivery (workspace_id, webhook_id, event_id, event, delivery_id, status, queued_at, created_at)
         VALUES {} ON CONFLICT (event_id, webhook_id) DO NOTHING RETURNING id, event_id, webhook_id",
        rows.join(", ")
    )
}

/// Adds to the kept counts, by workspace and webhook.
pub async fn add_to_counts(tx: &mut Tx, counts: &[(i64, i64, i64)]) -> Result<()> {
    let lists: Vec<_> = counts.iter().map(|(workspace, webhook, count)| list![workspace, webhook, count]).collect();
    tx.exec_many("UPDATE webhook SET deliveries = deliveries + $3 WHERE workspace_id = $1 AND id = $2", &lists)
        .await
        .map(|_| ())
}

/// A webhook as deliveries need it.
#[derive(Debug)]
pub struct EndpointRow {
    pub url: String,
    pub is_active: bool,
    pub dropped_through: Instant,
    pub secret: String,
    pub previous_secret: Option<String>,
    pub previous_until: Option<Instant>,
    pub in_plan: bool,
}

from_row!(EndpointRow { url, is_active, dropped_through, secret, previous_secret, previous_until, in_plan });

pub async fn endpoint(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<EndpointRow>> {
    read.opt(
        "SELECT webhook.url, webhook.is_active, webhook.dropped_through, webhook.secret, webhook.previous_secret,
                webhook.previous_until, plan.webhooks
         FROM webhook JOIN workspace ON workspace.id = webhook.workspace_id JOIN plan ON plan.id = workspace.plan_id
         WHERE webhook.workspace_id = $1 AND webhook.id = $2 AND webhook.deleted_at IS NULL",
        args![scope, id],
    )
    .await
}

/// A delivery with its event, ready to be sent.
#[derive(Debug)]
pub struct DueRow {
    pub id: i64,
    pub delivery_id: String,
    pub event: String,
    pub unfinished: bool,
    pub attempts: i64,
    pub queued_at: Instant,
    /// When the event happened.
    pub created_at: Instant,
    pub data: String,
}

from_row!(DueRow { id, delivery_id, event, unfinished, attempts, queued_at, created_at, data });

pub async fn due(read: impl Read, scope: WorkspaceScope, ids: &[i64]) -> Result<Vec<DueRow>> {
    let (names, mut values) = padded(2, ids);
    values.insert(0, scope.value());
    let sql = format!(
        "SELECT d.id, d.delivery_id, d.event, d.status = 'pending' OR d.next_retry_at IS NOT NULL, d.attempts,
             d.queued_at, e.created_at, e.data
         FROM webhook_delivery AS d JOIN event AS e ON e.id = d.event_id
         WHERE d.workspace_id = $1 AND d.id IN ({names})"
    );
    read.all(&sql, &values).await
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
pub async fn keep_last_attempts(tx: &mut Tx, scope: WorkspaceScope, repeated: &[(i64, i64)]) -> Result<()> {
    let lists: Vec<_> = repeated.iter().map(|(id, number)| list![&scope, id, number]).collect();
    tx.exec_many(
        "INSERT INTO webhook_attempt (workspace_id, delivery_id, number, attempted_at, duration_ms, response_status, response_body, error)
         SELECT workspace_id, id, attempts, attempted_at, duration_ms, response_status, response_body, error
         FROM webhook_delivery WHERE workspace_id = $1 AND id = $2 AND attempts > 0 AND attempts < $3
         ON CONFLICT (delivery_id, number) DO NOTHING",
        &lists,
    )
    .await
    .map(|_| ())
}

/// Records attempts; what is delivered stays delivered.
pub async fn record_attempts(tx: &mut Tx, scope: WorkspaceScope, attempts: &[Attempted]) -> Result<()> {
    let lists: Vec<_> = attempts
        .iter()
        .map(|a| {
            list![
                &scope,
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
    tx.exec_many(
        "UPDATE webhook_delivery SET status = $3, attempts = $4, attempted_at = $5, duration_ms = $6,
             response_status = $7, response_body = $8, error = $9, next_retry_at = $10, delivered_at = $11
         WHERE workspace_id = $1 AND id = $2 AND status <> 'delivered'",
        &lists,
    )
    .await
    .map(|_| ())
}

/// Gives deliveries up before their schedule ends.
pub async fn drop_deliveries(tx: &mut Tx, scope: WorkspaceScope, ids: &[i64], reason: &str) -> Result<()> {
    let lists: Vec<_> = ids.iter().map(|id| list![&scope, id, &reason]).collect();
    tx.exec_many(
        "UPDATE webhook_delivery SET status = 'failed', dropped = $3, next_retry_at = NULL
         WHERE workspace_id = $1 AND id = $2 AND status <> 'delivered'",
        &lists,
    )
    .await
    .map(|_| ())
}

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

/// Which deliveries of the log are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub webhook: i64,
    /// What was queued up to then and waits is given up, though no worker has come by yet.
    pub dropped_through: Instant,
    pub event: Option<&'a str>,
    pub status: Option<&'a str>,
}

const WANTED: &str = "webhook_id = $2 AND (event = $3 OR $3 IS NULL)
     AND (CASE WHEN status = 'pending' AND queued_at <= $4 THEN 'failed' ELSE status END = $5 OR $5 IS NULL)";

pub async fn deliveries(
    read: impl Read,
    scope: WorkspaceScope,
    wanted: Wanted<'_>,
    page: Page,
) -> Result<Vec<DeliveryRow>> {
    let Wanted { webhook, dropped_through, event, status } = wanted;
    let sql = format!(
        "SELECT id, delivery_id, event, status, queued_at, attempts, attempted_at, duration_ms, response_status,
             response_body, error, dropped, next_retry_at, delivered_at, created_at
         FROM webhook_delivery WHERE workspace_id = $1 AND {WANTED} AND id < $8
         ORDER BY id DESC LIMIT $6 OFFSET $7"
    );
    let (limit, offset, before) = (page.limit(), page.offset(), page.before().id);
    read.all(&sql, args![scope, webhook, event, dropped_through, status, limit, offset, before]).await
}

pub async fn count_deliveries(read: impl Read, scope: WorkspaceScope, wanted: Wanted<'_>) -> Result<i64> {
    let Wanted { webhook, dropped_through, event, status } = wanted;
    let sql = format!("SELECT COUNT(*) FROM webhook_delivery WHERE workspace_id = $1 AND {WANTED}");
    read.one(&sql, args![scope, webhook, event, dropped_through, status]).await
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

pub async fn attempts(read: impl Read, scope: WorkspaceScope, deliveries: &[i64]) -> Result<Vec<AttemptRow>> {
    let (names, mut values) = padded(2, deliveries);
    values.insert(0, scope.value());
    let sql = format!(
        "SELECT delivery_id, number, attempted_at, duration_ms, response_status, response_body, error
         FROM webhook_attempt WHERE workspace_id = $1 AND delivery_id IN ({names}) ORDER BY delivery_id, number"
    );
    read.all(&sql, &values).await
}
