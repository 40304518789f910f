//! All SQL of `channel` and `inbound`.

use super::hub::HubRow;
use crate::auth::WorkspaceScope;
use crate::kernel::Instant;
use skylight_db::{Db, Param, Read, Result, Tx, args, from_row, list, placeholders};

pub struct ChannelRow {
    pub id: i64,
    pub kind: String,
    pub provider: Option<String>,
    pub name: Option<String>,
    pub username: Option<String>,
    pub is_connected: bool,
    pub sync_status: String,
    pub sync_error: Option<String>,
    pub last_synced_at: Option<Instant>,
    pub created_at: Instant,
}
from_row!(ChannelRow {
    id,
    kind,
    provider,
    name,
    username,
    is_connected,
    sync_status,
    sync_error,
    last_synced_at,
    created_at
});

pub struct AccountRow {
    pub id: i64,
    pub workspace_id: i64,
    pub kind: String,
    pub provider: Option<String>,
    pub identity: Option<String>,
    pub is_connected: bool,
    pub credentials: Option<String>,
    pub hook_token: Option<String>,
}
from_row!(AccountRow { id, workspace_id, kind, provider, identity, is_connected, credentials, hook_token });

pub async fn open_setting(tx: &mut Tx, scope: WorkspaceScope, kind: &str, now: Instant) -> Result<i64> {
    tx.one(
        "INSERT INTO channel (workspace_id, type, is_connected, sync_status, created_at, updated_at)
         VALUES ($1, $2, FALSE, 'STOPPED', $3, $3) RETURNING id",
        args![scope, kind, now],
    )
    .await
}

pub async fn all(read: impl Read, scope: WorkspaceScope) -> Result<Vec<ChannelRow>> {
    read.all(
        "SELECT id, type, provider, name, username, is_connected, sync_status, sync_error, last_synced_at, created_at
         FROM channel WHERE workspace_id = $1 ORDER BY id",
        args![scope],
    )
    .await
}

pub async fn find(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<ChannelRow>> {
    read.opt(
        "SELECT id, type, provider, name, username, is_connected, sync_status, sync_error, last_synced_at, created_at
         FROM channel WHERE workspace_id = $1 AND id = $2",
        args![scope, id],
    )
    .await
}

/// A setting of this type that nothing was ever connected to, the oldest first. Another account's setting is never taken:
/// its conversations and its queue stand there.
pub async fn free_setting(tx: &mut Tx, scope: WorkspaceScope, kind: &str) -> Result<Option<i64>> {
    tx.opt(
        "SELECT id FROM channel WHERE workspace_id = $1 AND type = $2 AND provider IS NULL ORDER BY id LIMIT 1",
        args![scope, kind],
    )
    .await
}

/// The setting this account was connected to before: its conversations stand there. A provider without accounts of its
/// own (the sandbox) has no identity.
pub async fn setting_of(
    read: impl Read,
    scope: WorkspaceScope,
    kind: &str,
    provider: &str,
    identity: Option<&str>,
) -> Result<Option<i64>> {
    read.opt(
        "SELECT id FROM channel WHERE workspace_id = $1 AND type = $2 AND provider = $3 AND NOT is_connected
           AND (identity = $4 OR (identity IS NULL AND $4 IS NULL))
         ORDER BY id LIMIT 1",
        args![scope, kind, provider, identity],
    )
    .await
}

from_row!(HubRow { public_id, kind, provider, name, username, identity, is_connected, created_at, updated_at });

pub async fn hub(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<HubRow>> {
    read.opt(
        "SELECT public_id, type, provider, name, username, identity, is_connected, created_at, updated_at
         FROM channel WHERE workspace_id = $1 AND id = $2",
        args![scope, id],
    )
    .await
}

pub async fn set_public_id(tx: &mut Tx, scope: WorkspaceScope, id: i64, public_id: &str) -> Result<()> {
    let sql = "UPDATE channel SET public_id = $3 WHERE workspace_id = $1 AND id = $2 AND public_id IS NULL";
    tx.exec(sql, args![scope, id, public_id]).await.map(|_| ())
}

pub struct Connection<'a> {
    pub id: i64,
    pub provider: &'a str,
    pub name: Option<&'a str>,
    pub username: Option<&'a str>,
    pub identity: Option<&'a str>,
    pub credentials: &'a str,
    pub hook_token: &'a str,
    pub now: Instant,
}

pub async fn connect(tx: &mut Tx, scope: WorkspaceScope, c: &Connection<'_>) -> Result<()> {
    tx.exec(
        "UPDATE channel SET provider = $3, name = $4, username = $5, identity = $6, credentials = $7, hook_token = $8,
                is_connected = TRUE, sync_status = 'OK', sync_error = NULL, last_synced_at = $9, updated_at = $9
         WHERE workspace_id = $1 AND id = $2",
        args![scope, c.id, c.provider, c.name, c.username, c.identity, c.credentials, c.hook_token, c.now],
    )
    .await
    .map(|_| ())
}

pub async fn is_connected_anywhere_all_workspaces(read: impl Read, provider: &str, identity: &str) -> Result<bool> {
    let found: Option<i64> = read
        .opt("SELECT id FROM channel WHERE provider = $1 AND identity = $2 AND is_connected", args![provider, identity])
        .await?;
    Ok(found.is_some())
}

/// Forgets the account's secrets; what it was called stays with its conversations.
pub async fn disconnect(tx: &mut Tx, scope: WorkspaceScope, id: i64, now: Instant) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE channel SET is_connected = FALSE, sync_status = 'STOPPED', sync_error = NULL, credentials = NULL,
                    hook_token = NULL, updated_at = $3
             WHERE workspace_id = $1 AND id = $2 AND is_connected",
            args![scope, id, now],
        )
        .await?;
    Ok(changed == 1)
}

/// The provider refuses the account: it is disconnected, its inbound address stays. Only the connection whose credentials
/// were refused is meant, not one that was made meanwhile.
pub async fn stop(
    tx: &mut Tx,
    scope: WorkspaceScope,
    id: i64,
    credentials: &str,
    why: &str,
    now: Instant,
) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE channel SET is_connected = FALSE, sync_status = 'CREDENTIALS', sync_error = $4, updated_at = $5
             WHERE workspace_id = $1 AND id = $2 AND is_connected AND credentials = $3",
            args![scope, id, credentials, why, now],
        )
        .await?;
    Ok(changed == 1)
}

pub async fn all_workspaces_by_hook(read: impl Read, token: &str) -> Result<Option<AccountRow>> {
    read.opt(
        "SELECT channel.id, channel.workspace_id, channel.type, channel.provider, channel.identity,
                channel.is_connected, channel.credentials, channel.hook_token
         FROM channel JOIN workspace ON workspace.id = channel.workspace_id
         WHERE channel.hook_token = $1 AND workspace.status <> 'deleted'",
        args![token],
    )
    .await
}

pub async fn account(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<AccountRow>> {
    read.opt(
        "SELECT channel.id, channel.workspace_id, channel.type, channel.provider, channel.identity,
                channel.is_connected, channel.credentials, channel.hook_token
         FROM channel JOIN workspace ON workspace.id = channel.workspace_id
         WHERE channel.workspace_id = $1 AND channel.id = $2 AND workspace.status <> 'deleted'",
        args![scope, id],
    )
    .await
}

/// Channels of a type with their providers and whether they are connected, the newest first.
pub async fn of_kind(read: impl Read, scope: WorkspaceScope, kind: &str) -> Result<Vec<(i64, Option<String>, bool)>> {
    read.all(
        "SELECT id, provider, is_connected FROM channel WHERE workspace_id = $1 AND type = $2 ORDER BY id DESC",
        args![scope, kind],
    )
    .await
}

pub async fn insert_inbound(
    tx: &mut Tx,
    scope: WorkspaceScope,
    channel: i64,
    body: &[u8],
    now: Instant,
) -> Result<i64> {
    tx.one(
        "INSERT INTO inbound (workspace_id, channel_id, body, received_at) VALUES ($1, $2, $3, $4) RETURNING id",
        args![scope, channel, body, now],
    )
    .await
}

pub async fn inbound(db: &Db, scope: WorkspaceScope, ids: &[i64]) -> Result<Vec<(i64, Vec<u8>, Instant, i64)>> {
    let names = placeholders(2, ids.len());
    let sql = format!("SELECT id, body, received_at, taken FROM inbound WHERE workspace_id = $1 AND id IN ({names})");
    let values: Vec<_> = std::iter::once(scope.value()).chain(ids.iter().map(|id| id.value())).collect();
    db.all(&sql, &values).await
}

pub async fn set_taken(tx: &mut Tx, scope: WorkspaceScope, id: i64, taken: i64) -> Result<()> {
    tx.exec("UPDATE inbound SET taken = $3 WHERE workspace_id = $1 AND id = $2", args![scope, id, taken])
        .await
        .map(|_| ())
}

pub async fn delete_inbound(tx: &mut Tx, scope: WorkspaceScope, ids: &[i64]) -> Result<()> {
    let lists: Vec<_> = ids.iter().map(|id| list![&scope, id]).collect();
    tx.exec_many("DELETE FROM inbound WHERE workspace_id = $1 AND id = $2", &lists).await.map(|_| ())
}
