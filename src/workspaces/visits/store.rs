//! All SQL of `visit_link`.

use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args, from_row};

/// Whether a workspace may be visited now.
pub async fn is_active(read: impl Read, scope: WorkspaceScope) -> Result<bool> {
    let sql = "SELECT id FROM workspace WHERE id = $1 AND status = 'active'";
    Ok(read.opt::<i64>(sql, args![scope]).await?.is_some())
}

/// A link to be.
pub struct NewLink {
    pub partner: PartnerScope,
    pub key: i64,
    pub hash: [u8; 32],
    pub expires_at: Instant,
    pub now: Instant,
}

pub async fn insert(tx: &mut Tx, scope: WorkspaceScope, link: &NewLink) -> Result<()> {
    let NewLink { partner, key, hash, expires_at, now } = link;
    tx.exec(
        "INSERT INTO visit_link (workspace_id, partner_id, partner_key_id, hash, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        args![scope, partner, key, hash, expires_at, now],
    )
    .await
    .map(|_| ())
}

pub struct LinkRow {
    pub workspace_id: i64,
    pub partner_id: i64,
    pub partner_key_id: i64,
}
from_row!(LinkRow { workspace_id, partner_id, partner_key_id });

/// Where an open link leads, if its workspace and its partner are active.
pub async fn all_workspaces_open(read: impl Read, hash: &[u8; 32], now: Instant) -> Result<Option<LinkRow>> {
    read.opt(
        "SELECT visit_link.workspace_id, visit_link.partner_id, visit_link.partner_key_id
         FROM visit_link
         JOIN workspace ON workspace.id = visit_link.workspace_id AND workspace.partner_id = visit_link.partner_id
         JOIN partner ON partner.id = visit_link.partner_id
         WHERE visit_link.hash = $1 AND visit_link.used_at IS NULL AND visit_link.expires_at > $2
           AND workspace.status = 'active' AND partner.status = 'active'",
        args![hash, now],
    )
    .await
}

/// Uses an open link up; true for one caller, ever.
pub async fn use_up(tx: &mut Tx, scope: WorkspaceScope, hash: &[u8; 32], now: Instant) -> Result<bool> {
    let used = tx
        .exec(
            "UPDATE visit_link SET used_at = $3
             WHERE workspace_id = $1 AND hash = $2 AND used_at IS NULL AND expires_at > $3",
            args![scope, hash, now],
        )
        .await?;
    Ok(used == 1)
}

pub async fn delete_all(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    tx.exec("DELETE FROM visit_link WHERE workspace_id = $1", args![scope]).await.map(|_| ())
}

pub async fn all_workspaces_delete_of(tx: &mut Tx, partner: PartnerScope) -> Result<()> {
    tx.exec("DELETE FROM visit_link WHERE partner_id = $1", args![partner]).await.map(|_| ())
}

pub async fn all_workspaces_delete_expired(tx: &mut Tx, now: Instant) -> Result<u64> {
    let sql = "DELETE FROM visit_link WHERE id IN (SELECT id FROM visit_link WHERE expires_at <= $1 LIMIT 1000)";
    tx.exec(sql, args![now]).await
}
