//! All SQL of `team_member` and `team_link`.

use super::{Member, NewAdmin, Role, Status};
use crate::auth::{NewLink, Purpose, WorkspaceScope};
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

pub async fn admins(read: impl Read, scope: WorkspaceScope, most: i64) -> Result<Vec<(String, String, Email)>> {
    read.all(
        "SELECT first_name, last_name, email FROM team_member
         WHERE workspace_id = $1 AND role = 'admin' AND status = 'active' ORDER BY id LIMIT $2",
        args![scope, most],
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

pub async fn insert_link(tx: &mut Tx, scope: WorkspaceScope, member: i64, link: &NewLink, now: Instant) -> Result<()> {
    let NewLink { purpose, hash, expires_at, .. } = link;
    tx.exec(
        "INSERT INTO team_link (workspace_id, member_id, purpose, hash, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        args![scope, member, purpose, hash, expires_at, now],
    )
    .await
    .map(|_| ())
}

/// Whatever links a member has, of one purpose or of all, none opens any more.
pub async fn void_links(tx: &mut Tx, scope: WorkspaceScope, member: i64, purpose: Option<Purpose>) -> Result<()> {
    let sql = "DELETE FROM team_link WHERE workspace_id = $1 AND member_id = $2 AND purpose = COALESCE($3, purpose)";
    tx.exec(sql, args![scope, member, purpose]).await.map(|_| ())
}

/// The holder of an open link.
pub struct LinkRow {
    pub workspace_id: i64,
    pub member_id: i64,
    pub first_name: String,
    pub last_name: String,
    pub email: Email,
}
from_row!(LinkRow { workspace_id, member_id, first_name, last_name, email });

/// Who holds an open link, if they may come in: they, their workspace and its partner are active.
pub async fn all_workspaces_open_link(
    read: impl Read,
    purpose: Purpose,
    hash: &[u8; 32],
    now: Instant,
) -> Result<Option<LinkRow>> {
    read.opt(
        "SELECT team_link.workspace_id, team_link.member_id, team_member.first_name, team_member.last_name,
                team_member.email
         FROM team_link
         JOIN team_member ON team_member.workspace_id = team_link.workspace_id AND team_member.id = team_link.member_id
         JOIN workspace ON workspace.id = team_link.workspace_id
         JOIN partner ON partner.id = workspace.partner_id
         WHERE team_link.hash = $1 AND team_link.purpose = $2 AND team_link.used_at IS NULL
           AND team_link.expires_at > $3
           AND team_member.status = 'active' AND workspace.status = 'active' AND partner.status = 'active'",
        args![hash, purpose, now],
    )
    .await
}

/// Holds an active member's row to the end of the transaction; false if they are not there, or not so, any more.
pub async fn lock_as(tx: &mut Tx, scope: WorkspaceScope, id: i64, email: &Email) -> Result<bool> {
    let sql = format!(
        "SELECT id FROM team_member WHERE workspace_id = $1 AND id = $2 AND email_key = $3 AND status = 'active' {}",
        tx.for_update()
    );
    Ok(tx.opt::<i64>(&sql, args![scope, id, email.key()]).await?.is_some())
}

/// Uses an open link up; true for one caller, ever.
pub async fn use_link(
    tx: &mut Tx,
    scope: WorkspaceScope,
    member: i64,
    purpose: Purpose,
    hash: &[u8; 32],
    now: Instant,
) -> Result<bool> {
    let used = tx
        .exec(
            "UPDATE team_link SET used_at = $5 WHERE workspace_id = $1 AND member_id = $2 AND purpose = $3
               AND hash = $4 AND used_at IS NULL AND expires_at > $5",
            args![scope, member, purpose, hash, now],
        )
        .await?;
    Ok(used == 1)
}

pub async fn set_password(tx: &mut Tx, scope: WorkspaceScope, id: i64, password: &str, now: Instant) -> Result<()> {
    tx.exec(
        "UPDATE team_member SET password = $3, updated_at = $4 WHERE workspace_id = $1 AND id = $2",
        args![scope, id, password, now],
    )
    .await
    .map(|_| ())
}

/// What a login leads to, if its owner may come in: they, their workspace and its partner are active.
pub struct LoginRow {
    pub id: i64,
    pub workspace_id: i64,
    pub first_name: String,
    pub last_name: String,
    /// As it is stored: whatever was typed may be written in another way.
    pub email: Email,
    pub password: Option<String>,
}
from_row!(LoginRow { id, workspace_id, first_name, last_name, email, password });

pub async fn all_workspaces_login(read: impl Read, key: &str) -> Result<Option<LoginRow>> {
    read.opt(
        "SELECT team_member.id, team_member.workspace_id, team_member.first_name, team_member.last_name,
                team_member.email, team_member.password
         FROM team_member
         JOIN workspace ON workspace.id = team_member.workspace_id
         JOIN partner ON partner.id = workspace.partner_id
         WHERE team_member.email_key = $1
           AND team_member.status = 'active' AND workspace.status = 'active' AND partner.status = 'active'",
        args![key],
    )
    .await
}

/// Holds an active member's row to the end of the transaction; false if their password is another one by now.
pub async fn lock_with(tx: &mut Tx, scope: WorkspaceScope, id: i64, password: &str) -> Result<bool> {
    let sql = format!(
        "SELECT id FROM team_member WHERE workspace_id = $1 AND id = $2 AND password = $3 AND status = 'active' {}",
        tx.for_update()
    );
    Ok(tx.opt::<i64>(&sql, args![scope, id, password]).await?.is_some())
}
