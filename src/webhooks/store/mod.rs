//! All SQL of `webhook`; its deliveries stand in `delivery.rs`.

mod delivery;
mod log;
mod recovery;

pub use delivery::{
    Attempted, DueRow, NewDelivery, Requeued, all_workspaces_delivered, all_workspaces_insert_deliveries,
    all_workspaces_past, all_workspaces_remove, drop_deliveries, due, keep_last_attempts, of_delivery, of_events,
    queue_again, record_attempts,
};
pub use log::{
    AttemptRow, DeliveryRow, Failed, Wanted, attempts, count_deliveries, deliveries, delivery, failed_since, sent,
};
pub use recovery::{
    NewRecovery, RecoveryRow, advance, count_recoveries, find_recovery, forget_recoveries, insert_recovery, recoveries,
};

use super::settings::{PayloadVersion, Signing};
use super::{Dialect, Owner};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args, from_row, list, padded};

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
    pub header_names: String,
    pub rate_limit: Option<u32>,
    pub payload_version: Option<PayloadVersion>,
    pub signing: Signing,
    pub public_key: Option<String>,
    pub paused_at: Option<Instant>,
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
    header_names,
    rate_limit,
    payload_version,
    signing,
    public_key,
    paused_at,
    created_at,
    updated_at
});

const SHOWN: &str =
    "id, name, url, events, is_active, disabled_reason, dropped_through, deliveries, header_names, rate_limit,
     payload_version, signing, public_key, paused_at, created_at, updated_at";

/// What a change sets; nothing leaves a column as it is.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    pub name: Option<&'a str>,
    pub url: Option<&'a str>,
    pub events: Option<&'a str>,
    pub is_active: Option<bool>,
}

/// Likewise, of what the documentation does not know. A limit or a version may be taken away: none inside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    pub rate_limit: Option<Option<u32>>,
    pub payload_version: Option<Option<PayloadVersion>>,
    pub signing: Option<Signing>,
    /// The names as a JSON array, and the sealed headers; none if there are none.
    pub headers: Option<(&'a str, Option<&'a str>)>,
}

/// The sealed secrets of a webhook.
#[derive(Debug)]
pub struct Secrets {
    pub secret: String,
    pub previous_secret: Option<String>,
    pub previous_until: Option<Instant>,
    pub public_key: Option<String>,
    pub private_key: Option<String>,
    pub previous_private_key: Option<String>,
}

from_row!(Secrets { secret, previous_secret, previous_until, public_key, private_key, previous_private_key });

pub async fn list(read: impl Read, scope: WorkspaceScope) -> Result<Vec<WebhookRow>> {
    let sql = format!("SELECT {SHOWN} FROM webhook WHERE workspace_id = $1 AND deleted_at IS NULL ORDER BY id DESC");
    read.all(&sql, args![scope]).await
}

pub async fn find(read: impl Read, owner: Owner, id: i64) -> Result<Option<WebhookRow>> {
    let sql = format!("SELECT {SHOWN} FROM webhook WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL");
    read.opt(&owner.sql(&sql), args![owner, id]).await
}

/// The one endpoint of a partner that speaks a dialect.
pub async fn of_partner(read: impl Read, partner: PartnerScope, dialect: Dialect) -> Result<Option<WebhookRow>> {
    let sql = format!(
        "SELECT {SHOWN} FROM webhook
         WHERE workspace_id IS NULL AND partner_id = $1 AND dialect = $2 AND deleted_at IS NULL"
    );
    read.opt(&sql, args![partner, dialect.word()]).await
}

/// Adds a partner's endpoint without its secret, unless there is one of its dialect.
pub async fn insert_of_partner(
    tx: &mut Tx,
    partner: PartnerScope,
    dialect: Dialect,
    new: Changes<'_>,
    now: Instant,
) -> Result<Option<i64>> {
    tx.opt(
        "INSERT INTO webhook (workspace_id, partner_id, dialect, name, url, events, is_active, secret, created_at, updated_at)
         VALUES (NULL, $1, $2, $3, $4, $5, $6, '', $7, $7)
         ON CONFLICT (partner_id, dialect) WHERE partner_id IS NOT NULL AND deleted_at IS NULL DO NOTHING RETURNING id",
        args![partner, dialect.word(), new.name, new.url, new.events, new.is_active, now],
    )
    .await
}

/// The partner that an endpoint belongs to, for background work that knows only the endpoint.
pub async fn all_workspaces_partner_of(read: impl Read, id: i64) -> Result<Option<i64>> {
    read.opt(
        "SELECT partner_id FROM webhook WHERE id = $1 AND partner_id IS NOT NULL AND deleted_at IS NULL",
        args![id],
    )
    .await
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

pub async fn set_secret(tx: &mut Tx, owner: Owner, id: i64, sealed: &str) -> Result<()> {
    let sql = owner.sql("UPDATE webhook SET secret = $3 WHERE workspace_id = $1 AND id = $2");
    tx.exec(&sql, args![owner, id, sealed]).await.map(|_| ())
}

/// Sets what the documentation does not know.
pub async fn set(tx: &mut Tx, owner: Owner, id: i64, settings: Settings<'_>) -> Result<()> {
    let Settings { rate_limit, payload_version, signing, headers } = settings;
    let sql = owner.sql(
        "UPDATE webhook SET rate_limit = CASE WHEN $3 THEN $4 ELSE rate_limit END,
             payload_version = CASE WHEN $5 THEN $6 ELSE payload_version END, signing = COALESCE($7, signing),
             header_names = COALESCE($8, header_names), headers = CASE WHEN $9 THEN $10 ELSE headers END
         WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
    );
    let (names, sealed) = headers.map_or((None, None), |(names, sealed)| (Some(names), sealed));
    let (limited, versioned) = (rate_limit.is_some(), payload_version.is_some());
    let (limit, version) = (rate_limit.flatten(), payload_version.flatten());
    let given = headers.is_some();
    tx.exec(&sql, args![owner, id, limited, limit, versioned, version, signing, names, given, sealed]).await.map(|_| ())
}

/// Gives a webhook its first key pair, unless it has one.
pub async fn set_key_pair(tx: &mut Tx, owner: Owner, id: i64, public: &str, sealed: &str) -> Result<()> {
    let sql = owner.sql(
        "UPDATE webhook SET public_key = $3, private_key = $4
         WHERE workspace_id = $1 AND id = $2 AND public_key IS NULL AND deleted_at IS NULL",
    );
    tx.exec(&sql, args![owner, id, public, sealed]).await.map(|_| ())
}

/// Lets deliveries wait, or go on; a pause that is there already keeps its beginning.
pub async fn set_paused(tx: &mut Tx, owner: Owner, id: i64, paused: bool, now: Instant) -> Result<Option<WebhookRow>> {
    let sql = format!(
        "UPDATE webhook SET paused_at = CASE WHEN $3 THEN COALESCE(paused_at, $4) END,
             updated_at = CASE WHEN (paused_at IS NOT NULL) = $3 THEN updated_at ELSE $4 END
         WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING {SHOWN}"
    );
    tx.opt(&owner.sql(&sql), args![owner, id, paused, now]).await
}

/// Switching off gives up what waits; switching on forgets why it was off.
pub async fn update(
    tx: &mut Tx,
    owner: Owner,
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
    tx.opt(&owner.sql(&sql), args![owner, id, name, url, events, is_active, now]).await
}

/// Switches off without anybody having asked for it; false if it is off.
pub async fn disable(tx: &mut Tx, owner: Owner, id: i64, reason: &str, now: Instant) -> Result<bool> {
    let sql = owner.sql(
        "UPDATE webhook SET is_active = FALSE, disabled_reason = $3, dropped_through = $4, updated_at = $4
         WHERE workspace_id = $1 AND id = $2 AND is_active",
    );
    Ok(tx.exec(&sql, args![owner, id, reason, now]).await? == 1)
}

pub async fn secrets(read: impl Read, owner: Owner, id: i64) -> Result<Option<Secrets>> {
    let sql = owner.sql(
        "SELECT secret, previous_secret, previous_until, public_key, private_key, previous_private_key FROM webhook
         WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
    );
    read.opt(&sql, args![owner, id]).await
}

/// Sets the secrets unless somebody else has changed them since `old` was read.
pub async fn rotate(tx: &mut Tx, owner: Owner, id: i64, old: &str, new: &Secrets, now: Instant) -> Result<bool> {
    let sql = owner.sql(
        "UPDATE webhook SET secret = $4, previous_secret = $5, previous_until = $6, updated_at = $7, public_key = $8,
             private_key = $9, previous_private_key = $10
         WHERE workspace_id = $1 AND id = $2 AND secret = $3 AND deleted_at IS NULL",
    );
    let Secrets { secret, previous_secret, previous_until, public_key, private_key, previous_private_key } = new;
    let values = args![
        owner,
        id,
        old,
        secret,
        previous_secret,
        previous_until,
        now,
        public_key,
        private_key,
        previous_private_key
    ];
    Ok(tx.exec(&sql, values).await? == 1)
}

/// Makes a webhook disappear; its secrets are gone at once, its deliveries follow in `purge`.
pub async fn delete(tx: &mut Tx, scope: WorkspaceScope, id: i64, now: Instant) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE webhook SET deleted_at = $3, is_active = FALSE, secret = '', previous_secret = NULL, headers = NULL,
                 private_key = NULL, previous_private_key = NULL
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
                 WHERE d.webhook_id = $2 AND d.workspace_id = $1 ORDER BY d.created_at, d.id LIMIT $3)",
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
    pub workspace_id: Option<i64>,
    pub partner_id: Option<i64>,
    pub dialect: String,
    pub events: String,
    pub payload_version: Option<PayloadVersion>,
}

from_row!(Subscriber { id, workspace_id, partner_id, dialect, events, payload_version });

pub async fn all_workspaces_subscribers(tx: &mut Tx, workspaces: &[i64]) -> Result<Vec<Subscriber>> {
    let (names, values) = padded(1, workspaces);
    let sql = format!(
        "SELECT webhook.id, webhook.workspace_id, webhook.partner_id, webhook.dialect, webhook.events,
             webhook.payload_version FROM webhook
         JOIN workspace ON workspace.id = webhook.workspace_id
         WHERE webhook.workspace_id IN ({names}) AND webhook.is_active AND webhook.deleted_at IS NULL
           AND workspace.status <> 'deleted' ORDER BY webhook.id"
    );
    tx.all(&sql, &values).await
}

/// Likewise, of partners.
pub async fn all_workspaces_partner_subscribers(tx: &mut Tx, partners: &[i64]) -> Result<Vec<Subscriber>> {
    let (names, values) = padded(1, partners);
    let sql = format!(
        "SELECT id, workspace_id, partner_id, dialect, events, payload_version FROM webhook
         WHERE partner_id IN ({names}) AND is_active AND deleted_at IS NULL ORDER BY id"
    );
    tx.all(&sql, &values).await
}

/// Adds to the kept counts, by owner and webhook.
pub async fn add_to_counts(tx: &mut Tx, counts: &[(Owner, i64, i64)]) -> Result<()> {
    let of_partners = |owner: &Owner| owner.partner().is_some();
    for wanted in [false, true] {
        let of_kind = counts.iter().filter(|(owner, ..)| of_partners(owner) == wanted);
        let lists: Vec<_> = of_kind.map(|(owner, webhook, count)| list![owner, webhook, count]).collect();
        let Some((owner, ..)) = counts.iter().find(|(owner, ..)| of_partners(owner) == wanted) else { continue };
        let sql = owner.sql("UPDATE webhook SET deliveries = deliveries + $3 WHERE workspace_id = $1 AND id = $2");
        tx.exec_many(&sql, &lists).await?;
    }
    Ok(())
}

/// A webhook as deliveries need it.
#[derive(Debug)]
pub struct EndpointRow {
    pub dialect: String,
    pub url: String,
    pub headers: Option<String>,
    pub is_active: bool,
    pub dropped_through: Instant,
    pub secret: String,
    pub previous_secret: Option<String>,
    pub previous_until: Option<Instant>,
    pub signing: Signing,
    pub private_key: Option<String>,
    pub previous_private_key: Option<String>,
    pub rate_limit: Option<u32>,
    pub paused_at: Option<Instant>,
    /// Of a partner's always.
    pub in_plan: bool,
}

from_row!(EndpointRow {
    dialect,
    url,
    headers,
    is_active,
    dropped_through,
    secret,
    previous_secret,
    previous_until,
    signing,
    private_key,
    previous_private_key,
    rate_limit,
    paused_at,
    in_plan
});

pub async fn endpoint(read: impl Read, owner: Owner, id: i64) -> Result<Option<EndpointRow>> {
    let sql = match owner {
        Owner::Workspace(_) => {
            "SELECT webhook.dialect, webhook.url, webhook.headers, webhook.is_active, webhook.dropped_through,
                    webhook.secret, webhook.previous_secret, webhook.previous_until, webhook.signing,
                    webhook.private_key, webhook.previous_private_key, webhook.rate_limit, webhook.paused_at,
                    plan.webhooks
             FROM webhook JOIN workspace ON workspace.id = webhook.workspace_id JOIN plan ON plan.id = workspace.plan_id
             WHERE webhook.workspace_id = $1 AND webhook.id = $2 AND webhook.deleted_at IS NULL"
        }
        Owner::Partner(_) => {
            "SELECT dialect, url, headers, is_active, dropped_through, secret, previous_secret, previous_until, signing,
                    private_key, previous_private_key, rate_limit, paused_at, TRUE
             FROM webhook WHERE workspace_id IS NULL AND partner_id = $1 AND id = $2 AND deleted_at IS NULL"
        }
    };
    read.opt(sql, args![owner, id]).await
}
