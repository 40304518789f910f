//! All SQL of `team_member`.

use super::NewAdmin;
use crate::auth::WorkspaceScope;
use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args};

pub async fn insert_primary(tx: &mut Tx, scope: WorkspaceScope, admin: &NewAdmin, now: Instant) -> Result<i64> {
    let NewAdmin { first_name, last_name, email, phone } = admin;
    tx.one(
        "INSERT INTO team_member (workspace_id, first_name, last_name, email, email_key, phone, role, status,
                                  is_primary, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'admin', 'active', TRUE, $7, $7) RETURNING id",
        args![scope, first_name, last_name, email, email.key(), phone, now],
    )
    .await
}

pub async fn all_workspaces_email_exists(read: impl Read, key: &str) -> Result<bool> {
    Ok(read.opt::<i64>("SELECT id FROM team_member WHERE email_key = $1", args![key]).await?.is_some())
}

pub async fn delete_all(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    tx.exec("DELETE FROM team_member WHERE workspace_id = $1", args![scope]).await.map(|_| ())
}
