//! All SQL of `team_member`.

use super::{Member, NewAdmin, Role, Status};
use crate::auth::WorkspaceScope;
use crate::kernel::{Email, Instant, Page};
use skylight_db::{Read, Result, Tx, args, from_row};

#[derive(Clone, PartialEq)]
pub struct MemberRow {
    pub id: i64,
    pub first_name: String,
    pub last_name: String,
    pub email: Email,
    pub role: Role,
    pub status: Status,
    pub created_at: Instant,
    pub updated_at: Instant,
}
from_row!(MemberRow { id, first_name, last_name, email, role, status, created_at, updated_at });

impl MemberRow {
    pub fn member(&self) -> Member {
        Member {
            id: self.id,
            name: super::joined(&self.first_name, &self.last_name),
            email: self.email.clone(),
            role: self.role,
            status: self.status,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

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

/// Somebody who joins a workspace.
pub struct Joining<'a> {
    pub first_name: &'a str,
    pub last_name: &'a str,
    pub email: &'a Email,
    pub role: Role,
    /// A PHC string.
    pub password: &'a str,
}

pub async fn insert(tx: &mut Tx, scope: WorkspaceScope, new: &Joining<'_>, now: Instant) -> Result<i64> {
    let Joining { first_name, last_name, email, role, password } = new;
    tx.one(
        "INSERT INTO team_member (workspace_id, first_name, last_name, email, email_key, role, status, is_primary,
                                  password, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'active', FALSE, $7, $8, $8) RETURNING id",
        args![scope, first_name, last_name, email, email.key(), role, password, now],
    )
    .await
}

/// Whose login an e-mail is, if anybody's.
pub async fn all_workspaces_by_email(read: impl Read, key: &str) -> Result<Option<i64>> {
    read.opt("SELECT id FROM team_member WHERE email_key = $1", args![key]).await
}

pub async fn find(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<MemberRow>> {
    read.opt(
        "SELECT id, first_name, last_name, email, role, status, created_at, updated_at
         FROM team_member WHERE workspace_id = $1 AND id = $2",
        args![scope, id],
    )
    .await
}

/// Newest first. The workspace is named as a range because PostgreSQL would otherwise walk the primary key backwards,
/// through the people of everybody else.
pub async fn page(read: impl Read, scope: WorkspaceScope, role: Option<Role>, page: Page) -> Result<Vec<MemberRow>> {
    read.all(
        "SELECT id, first_name, last_name, email, role, status, created_at, updated_at
         FROM team_member WHERE workspace_id BETWEEN $1 AND $1 AND id < $2 AND (role = $3 OR $3 IS NULL)
         ORDER BY workspace_id DESC, id DESC LIMIT $4 OFFSET $5",
        args![scope, page.before().id, role, page.limit(), page.offset()],
    )
    .await
}

pub async fn count(read: impl Read, scope: WorkspaceScope, role: Option<Role>) -> Result<i64> {
    read.one(
        "SELECT COUNT(*) FROM team_member WHERE workspace_id = $1 AND (role = $2 OR $2 IS NULL)",
        args![scope, role],
    )
    .await
}

/// Locks everybody of a workspace to the end of the transaction, in one order: of two changes that each need the other's
/// admin to stay, the second sees what the first one did.
pub async fn lock_all(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    let sql = format!("SELECT id FROM team_member WHERE workspace_id = $1 ORDER BY id {}", tx.for_update());
    tx.all::<i64>(&sql, args![scope]).await.map(|_| ())
}

/// Writes a member down as they are now; false if the workspace would be left without an active admin. Who is no active
/// admin any more is not the primary user either. Everybody is locked.
pub async fn update(tx: &mut Tx, scope: WorkspaceScope, row: &MemberRow, password: Option<&str>) -> Result<bool> {
    let MemberRow { id, first_name, last_name, email, role, status, updated_at, .. } = row;
    let leads = *role == Role::Admin && *status == Status::Active;
    let changed = tx
        .exec(
            "UPDATE team_member SET first_name = $3, last_name = $4, email = $5, email_key = $6, role = $7, status = $8,
                 password = COALESCE($9, password), updated_at = $10, is_primary = (is_primary AND $11)
             WHERE workspace_id = $1 AND id = $2
               AND ($11 OR role <> 'admin' OR status <> 'active' OR EXISTS (
                   SELECT 1 FROM team_member AS other WHERE other.workspace_id = $1 AND other.id <> $2
                     AND other.role = 'admin' AND other.status = 'active'))",
            args![
                scope,
                id,
                first_name,
                last_name,
                email,
                email.key(),
                role,
                status,
                password,
                updated_at,
                leads
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// False if there is no such member, or nobody else is an active admin. Everybody is locked.
pub async fn delete(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<bool> {
    let deleted = tx
        .exec(
            "DELETE FROM team_member WHERE workspace_id = $1 AND id = $2
               AND (role <> 'admin' OR status <> 'active' OR EXISTS (
                   SELECT 1 FROM team_member AS other WHERE other.workspace_id = $1 AND other.id <> $2
                     AND other.role = 'admin' AND other.status = 'active'))",
            args![scope, id],
        )
        .await?;
    Ok(deleted == 1)
}

/// Where nobody is the primary user, the oldest active admin becomes it.
pub async fn appoint_primary(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    tx.exec(
        "UPDATE team_member SET is_primary = TRUE
         WHERE workspace_id = $1
           AND id = (SELECT MIN(id) FROM team_member WHERE workspace_id = $1 AND role = 'admin' AND status = 'active')
           AND NOT EXISTS (SELECT 1 FROM team_member WHERE workspace_id = $1 AND is_primary)",
        args![scope],
    )
    .await
    .map(|_| ())
}

pub async fn delete_all(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    tx.exec("DELETE FROM team_member WHERE workspace_id = $1", args![scope]).await.map(|_| ())
}
