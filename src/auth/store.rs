//! All SQL of `api_key`, `partner_key`, `rate_window` and `guess`. A key is looked up by its hash alone: it *is* the scope.

use super::uses::{KeyId, Use};
use super::{PartnerScope, WorkspaceScope};
use crate::kernel::Instant;
use skylight_db::{Db, Read, Result, Tx, args, from_row, list};

pub struct WorkspaceKeyRow {
    pub id: i64,
    pub name: String,
    pub workspace_id: i64,
    pub allowed_domains: String,
    pub status: String,
    pub country_id: Option<i64>,
    pub partner_status: String,
    pub api_access: bool,
    pub webhooks: bool,
    pub booking: bool,
}
from_row!(WorkspaceKeyRow {
    id,
    name,
    workspace_id,
    allowed_domains,
    status,
    country_id,
    partner_status,
    api_access,
    webhooks,
    booking
});

pub struct PartnerKeyRow {
    pub id: i64,
    pub actor_id: i64,
    pub name: String,
    pub partner_id: i64,
    pub status: String,
}
from_row!(PartnerKeyRow { id, actor_id, name, partner_id, status });

pub struct KeyInfoRow {
    pub id: i64,
    pub name: String,
    pub hint: String,
    pub allowed_domains: String,
    pub created_at: Instant,
    pub regenerated_at: Option<Instant>,
    pub last_used_at: Option<Instant>,
}
from_row!(KeyInfoRow { id, name, hint, allowed_domains, created_at, regenerated_at, last_used_at });

pub struct PartnerKeyInfoRow {
    pub id: i64,
    pub name: String,
    pub hint: String,
    pub created_at: Instant,
    pub last_used_at: Option<Instant>,
}
from_row!(PartnerKeyInfoRow { id, name, hint, created_at, last_used_at });

pub async fn workspace_key(db: &Db, hash: &[u8; 32]) -> Result<Option<WorkspaceKeyRow>> {
    db.opt(
        "SELECT api_key.id, api_key.name, api_key.workspace_id, api_key.allowed_domains, workspace.status, workspace.country_id,
                partner.status, plan.api_access, plan.webhooks, plan.booking
         FROM api_key
         JOIN workspace ON workspace.id = api_key.workspace_id
         JOIN partner ON partner.id = workspace.partner_id
         JOIN plan ON plan.id = workspace.plan_id
         WHERE api_key.hash = $1 AND workspace.status <> 'deleted'",
        args![hash],
    )
    .await
}

pub async fn partner_key(db: &Db, hash: &[u8; 32]) -> Result<Option<PartnerKeyRow>> {
    db.opt(
        "SELECT partner_key.id, partner_key.id, partner_key.name, partner_key.partner_id, partner.status
         FROM partner_key JOIN partner ON partner.id = partner_key.partner_id
         WHERE partner_key.hash = $1",
        args![hash],
    )
    .await
}

pub async fn insert_workspace_key(
    tx: &mut Tx,
    scope: WorkspaceScope,
    name: &str,
    hash: &[u8; 32],
    hint: &str,
    domains: &str,
    now: Instant,
) -> Result<i64> {
    tx.one(
        "INSERT INTO api_key (workspace_id, name, hash, hint, allowed_domains, created_at)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        args![scope, name, hash, hint, domains, now],
    )
    .await
}

pub async fn insert_partner_key(
    tx: &mut Tx,
    scope: PartnerScope,
    name: &str,
    hash: &[u8; 32],
    hint: &str,
    now: Instant,
) -> Result<i64> {
    tx.one(
        "INSERT INTO partner_key (partner_id, name, hash, hint, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        args![scope, name, hash, hint, now],
    )
    .await
}

pub async fn workspace_keys(read: impl Read, scope: WorkspaceScope) -> Result<Vec<KeyInfoRow>> {
    read.all(
        "SELECT id, name, hint, allowed_domains, created_at, regenerated_at, last_used_at
         FROM api_key WHERE workspace_id = $1 ORDER BY id DESC",
        args![scope],
    )
    .await
}

pub async fn find_workspace_key(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<KeyInfoRow>> {
    read.opt(
        "SELECT id, name, hint, allowed_domains, created_at, regenerated_at, last_used_at
         FROM api_key WHERE workspace_id = $1 AND id = $2",
        args![scope, id],
    )
    .await
}

pub async fn change_workspace_key(
    tx: &mut Tx,
    scope: WorkspaceScope,
    id: i64,
    name: Option<&str>,
    domains: Option<&str>,
) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE api_key SET name = COALESCE($3, name), allowed_domains = COALESCE($4, allowed_domains)
             WHERE workspace_id = $1 AND id = $2",
            args![scope, id, name, domains],
        )
        .await?;
    Ok(changed == 1)
}

/// Puts another secret in a key's place; answers its name and when it was made. The new secret has never been used.
pub async fn replace_workspace_key(
    tx: &mut Tx,
    scope: WorkspaceScope,
    id: i64,
    hash: &[u8; 32],
    hint: &str,
    now: Instant,
) -> Result<Option<(String, Instant)>> {
    tx.opt(
        "UPDATE api_key SET hash = $3, hint = $4, regenerated_at = $5, last_used_at = NULL
         WHERE workspace_id = $1 AND id = $2 RETURNING name, created_at",
        args![scope, id, hash, hint, now],
    )
    .await
}

/// Writes when keys were used. What was noted of a secret that was replaced meanwhile says nothing of the new one.
pub async fn all_workspaces_set_used(tx: &mut Tx, uses: &[Use]) -> Result<()> {
    let of = |kind: fn(KeyId) -> Option<i64>| -> Vec<(i64, Instant, Instant)> {
        uses.iter().filter_map(|one| Some((kind(one.key)?, one.at, one.unless_since))).collect()
    };
    let workspace = of(|key| if let KeyId::Workspace(id) = key { Some(id) } else { None });
    let lists: Vec<_> = workspace.iter().map(|(id, at, since)| list![id, at, since]).collect();
    tx.exec_many(
        "UPDATE api_key SET last_used_at = $2
         WHERE id = $1 AND COALESCE(last_used_at, 0) < $3 AND COALESCE(regenerated_at, 0) <= $2",
        &lists,
    )
    .await?;
    let partner = of(|key| if let KeyId::Partner(id) = key { Some(id) } else { None });
    let lists: Vec<_> = partner.iter().map(|(id, at, since)| list![id, at, since]).collect();
    let sql = "UPDATE partner_key SET last_used_at = $2 WHERE id = $1 AND COALESCE(last_used_at, 0) < $3";
    tx.exec_many(sql, &lists).await.map(|_| ())
}

pub async fn workspace_key_name(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<String>> {
    read.opt("SELECT name FROM api_key WHERE workspace_id = $1 AND id = $2", args![scope, id]).await
}

pub async fn delete_workspace_key(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<bool> {
    Ok(tx.exec("DELETE FROM api_key WHERE workspace_id = $1 AND id = $2", args![scope, id]).await? == 1)
}

/// Takes up to `want` requests from a bucket's running window, or begins a new one. Answers when the window began, how
/// much of it is taken in all, and how much this call got.
pub async fn take_from_window(
    db: &Db,
    bucket: &str,
    now: Instant,
    want: i64,
    limit: i64,
    length: i64,
) -> Result<(Instant, i64, i64)> {
    let mut tx = db.begin().await?;
    let taken = tx
        .one(
            "INSERT INTO rate_window (bucket, started_at, taken, granted) VALUES ($1, $2, $3, $3)
             ON CONFLICT (bucket) DO UPDATE SET
                 started_at = CASE WHEN rate_window.started_at + $5 <= $2 THEN $2 ELSE rate_window.started_at END,
                 granted = CASE WHEN rate_window.started_at + $5 <= $2 THEN $3
                                WHEN rate_window.taken + $3 <= $4 THEN $3
                                WHEN rate_window.taken < $4 THEN $4 - rate_window.taken
                                ELSE 0 END,
                 taken = CASE WHEN rate_window.started_at + $5 <= $2 THEN $3
                              WHEN rate_window.taken + $3 <= $4 THEN rate_window.taken + $3
                              WHEN rate_window.taken < $4 THEN $4
                              ELSE rate_window.taken END
             RETURNING started_at, taken, granted",
            args![bucket, now, want, limit, length],
        )
        .await?;
    tx.commit().await?;
    Ok(taken)
}

pub async fn delete_windows(tx: &mut Tx, before: Instant) -> Result<u64> {
    tx.exec(
        "DELETE FROM rate_window WHERE bucket IN (SELECT bucket FROM rate_window WHERE started_at < $1 LIMIT 1000)",
        args![before],
    )
    .await
}

/// Counts a guess and answers how many that makes; none while guesses are refused. A row that was not touched since
/// `forgotten` begins anew.
pub async fn count_guess(tx: &mut Tx, subject: &[u8; 32], now: Instant, forgotten: Instant) -> Result<Option<i64>> {
    tx.opt(
        "INSERT INTO guess (subject, failures, tried_at, blocked_until) VALUES ($1, 1, $2, 0)
         ON CONFLICT (subject) DO UPDATE SET
             failures = CASE WHEN guess.tried_at < $3 THEN 1 ELSE guess.failures + 1 END, tried_at = $2
         WHERE guess.blocked_until <= $2
         RETURNING failures",
        args![subject, now, forgotten],
    )
    .await
}

pub async fn block_guesses(tx: &mut Tx, subject: &[u8; 32], until: Instant) -> Result<()> {
    tx.exec("UPDATE guess SET blocked_until = $2 WHERE subject = $1", args![subject, until]).await.map(|_| ())
}

pub async fn blocked_until(tx: &mut Tx, subject: &[u8; 32]) -> Result<Option<Instant>> {
    let row: Option<(Instant,)> = tx.opt("SELECT blocked_until FROM guess WHERE subject = $1", args![subject]).await?;
    Ok(row.map(|(until,)| until))
}

pub async fn forget_guesses(tx: &mut Tx, subject: &[u8; 32]) -> Result<()> {
    tx.exec("DELETE FROM guess WHERE subject = $1", args![subject]).await.map(|_| ())
}

pub async fn take_guess_back(tx: &mut Tx, subject: &[u8; 32]) -> Result<()> {
    let sql = "UPDATE guess SET failures = failures - 1 WHERE subject = $1 AND failures > 0";
    tx.exec(sql, args![subject]).await.map(|_| ())
}

pub async fn delete_guesses(tx: &mut Tx, before: Instant) -> Result<u64> {
    let sql = "DELETE FROM guess WHERE subject IN (SELECT subject FROM guess WHERE tried_at < $1 LIMIT 1000)";
    tx.exec(sql, args![before]).await
}

pub async fn partner_keys(read: impl Read, scope: PartnerScope) -> Result<Vec<PartnerKeyInfoRow>> {
    read.all(
        "SELECT id, name, hint, created_at, last_used_at FROM partner_key WHERE partner_id = $1 ORDER BY id DESC",
        args![scope],
    )
    .await
}

/// What was issued by the key goes with it.
pub async fn delete_partner_key(tx: &mut Tx, scope: PartnerScope, id: i64) -> Result<bool> {
    Ok(tx.exec("DELETE FROM partner_key WHERE partner_id = $1 AND id = $2", args![scope, id]).await? == 1)
}

/// Holds a key to the end of the transaction; false if it is not there any more.
pub async fn lock_partner_key(tx: &mut Tx, scope: PartnerScope, id: i64) -> Result<bool> {
    let sql = format!("SELECT id FROM partner_key WHERE partner_id = $1 AND id = $2 {}", tx.for_update());
    Ok(tx.opt::<i64>(&sql, args![scope, id]).await?.is_some())
}

/// The holder of a token that opens now.
pub async fn partner_token(db: &Db, hash: &[u8; 32], now: Instant) -> Result<Option<PartnerKeyRow>> {
    db.opt(
        "SELECT partner_token.id, partner_user.id, partner_user.email, partner_token.partner_id, partner.status
         FROM partner_token JOIN partner ON partner.id = partner_token.partner_id
         JOIN partner_user ON partner_user.partner_id = partner_token.partner_id AND partner_user.id = partner_token.user_id
         WHERE partner_token.hash = $1 AND partner_token.expires_at > $2",
        args![hash, now],
    )
    .await
}

pub async fn set_partner_token(
    tx: &mut Tx,
    partner: PartnerScope,
    user: i64,
    hash: &[u8; 32],
    now: Instant,
    expires_at: Instant,
) -> Result<()> {
    tx.exec(
        "INSERT INTO partner_token (partner_id, user_id, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (partner_id, user_id)
         DO UPDATE SET hash = excluded.hash, created_at = excluded.created_at, expires_at = excluded.expires_at",
        args![partner, user, hash, now, expires_at],
    )
    .await
    .map(|_| ())
}

/// Of one of a partner's people, or of all.
pub async fn delete_partner_tokens(tx: &mut Tx, partner: PartnerScope, user: Option<i64>) -> Result<()> {
    let sql = "DELETE FROM partner_token WHERE partner_id = $1 AND (user_id = $2 OR $2 IS NULL)";
    tx.exec(sql, args![partner, user]).await.map(|_| ())
}
