//! All SQL of `webhook_recovery`.

use super::Owner;
use crate::kernel::{Instant, Page};
use crate::webhooks::recovery::{RecoveryKind, RecoveryStatus};
use skylight_db::{Read, Result, Tx, args, from_row};

/// Long work on an endpoint's deliveries.
#[derive(Debug)]
pub struct RecoveryRow {
    pub id: i64,
    pub webhook_id: i64,
    pub kind: RecoveryKind,
    pub status: RecoveryStatus,
    pub from_at: Option<Instant>,
    pub to_at: Option<Instant>,
    pub after_seq: Option<i64>,
    pub through_seq: Option<i64>,
    pub events: Option<String>,
    pub place: i64,
    pub place_id: i64,
    pub examined: i64,
    pub queued: i64,
    pub created_at: Instant,
    pub finished_at: Option<Instant>,
}

from_row!(RecoveryRow {
    id,
    webhook_id,
    kind,
    status,
    from_at,
    to_at,
    after_seq,
    through_seq,
    events,
    place,
    place_id,
    examined,
    queued,
    created_at,
    finished_at
});

const SHOWN: &str =
    "id, webhook_id, kind, status, from_at, to_at, after_seq, through_seq, events, place, place_id, examined,
     queued, created_at, finished_at";

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct NewRecovery<'a> {
    pub kind: RecoveryKind,
    pub from: Option<Instant>,
    pub to: Option<Instant>,
    pub after: Option<i64>,
    pub through: Option<i64>,
    pub events: Option<&'a str>,
    pub place: i64,
}

/// Begins one, unless another one of this endpoint runs.
pub async fn insert_recovery(
    tx: &mut Tx,
    owner: Owner,
    webhook: i64,
    new: NewRecovery<'_>,
    now: Instant,
) -> Result<Option<RecoveryRow>> {
    let NewRecovery { kind, from, to, after, through, events, place } = new;
    let sql = format!(
        "INSERT INTO webhook_recovery (workspace_id, webhook_id, kind, status, from_at, to_at, after_seq, through_seq,
             events, place, created_at, updated_at)
         VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9, $10, $10)
         ON CONFLICT (webhook_id) WHERE status = 'running' DO NOTHING RETURNING {SHOWN}"
    );
    let values = args![owner, webhook, kind, from, to, after, through, events, place, now];
    tx.opt(&owner.sql(&sql), values).await
}

/// Records a step: how far it came, what it did, and whether that is all.
pub async fn advance(tx: &mut Tx, owner: Owner, row: &RecoveryRow, now: Instant) -> Result<()> {
    let sql = owner.sql(
        "UPDATE webhook_recovery SET status = $3, place = $4, place_id = $5, through_seq = $6, examined = $7, queued = $8,
             finished_at = $9, updated_at = $10
         WHERE workspace_id = $1 AND id = $2",
    );
    let RecoveryRow { id, status, place, place_id, through_seq, examined, queued, finished_at, .. } = row;
    let values = args![owner, id, status, place, place_id, through_seq, examined, queued, finished_at, now];
    tx.exec(&sql, values).await.map(|_| ())
}

pub async fn find_recovery(read: impl Read, owner: Owner, webhook: i64, id: i64) -> Result<Option<RecoveryRow>> {
    let sql = format!("SELECT {SHOWN} FROM webhook_recovery WHERE workspace_id = $1 AND webhook_id = $2 AND id = $3");
    read.opt(&owner.sql(&sql), args![owner, webhook, id]).await
}

pub async fn recoveries(read: impl Read, owner: Owner, webhook: i64, page: Page) -> Result<Vec<RecoveryRow>> {
    let sql = format!(
        "SELECT {SHOWN} FROM webhook_recovery WHERE workspace_id = $1 AND webhook_id = $2 AND id < $5
         ORDER BY webhook_id DESC, id DESC LIMIT $3 OFFSET $4"
    );
    read.all(&owner.sql(&sql), args![owner, webhook, page.limit(), page.offset(), page.before().id]).await
}

pub async fn count_recoveries(read: impl Read, owner: Owner, webhook: i64) -> Result<i64> {
    let sql = owner.sql("SELECT COUNT(*) FROM webhook_recovery WHERE workspace_id = $1 AND webhook_id = $2");
    read.one(&sql, args![owner, webhook]).await
}

/// Removes what has been over since before then.
pub async fn forget_recoveries(tx: &mut Tx, owner: Owner, webhook: i64, before: Instant) -> Result<()> {
    let sql =
        owner.sql("DELETE FROM webhook_recovery WHERE workspace_id = $1 AND webhook_id = $2 AND finished_at < $3");
    tx.exec(&sql, args![owner, webhook, before]).await.map(|_| ())
}
