//! All SQL of `workspace_session` and `partner_session`. A session is looked up by its hash alone: it *is* the scope.

use super::{By, PartnerSession, Session, Visit};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::{Instant, Secret, Timezone};
use skylight_db::{Read, Result, Tx, args, from_row};

/// Which table.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Workspace,
    Partner,
}

pub struct SessionRow {
    pub id: i64,
    pub workspace_id: i64,
    pub member_id: Option<i64>,
    pub partner_id: Option<i64>,
    pub seen_at: Instant,
    pub expires_at: Instant,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub role: Option<String>,
    pub company_name: String,
    pub timezone: Timezone,
    pub api_access: bool,
    pub brand: String,
    pub colour: Option<String>,
    pub logo: Option<String>,
}
from_row!(SessionRow {
    id,
    workspace_id,
    member_id,
    partner_id,
    seen_at,
    expires_at,
    first_name,
    last_name,
    role,
    company_name,
    timezone,
    api_access,
    brand,
    colour,
    logo
});

impl SessionRow {
    pub fn session(self, form: Secret) -> Session {
        let names = [self.first_name, self.last_name].map(Option::unwrap_or_default);
        let by = match (self.member_id, self.partner_id) {
            (Some(id), _) => {
                let is_admin = self.role.as_deref() == Some("admin");
                By::Member { id, name: names.join(" ").trim().to_owned(), is_admin }
            }
            (None, partner) => By::Visit(PartnerScope::of_session(partner.unwrap_or_default())),
        };
        Session {
            id: self.id,
            scope: WorkspaceScope::of_session(self.workspace_id),
            by,
            company_name: self.company_name,
            timezone: self.timezone,
            api_access: self.api_access,
            brand: self.brand,
            colour: self.colour,
            logo: self.logo,
            form,
            expires_at: self.expires_at,
            seen_at: self.seen_at,
        }
    }
}

/// If who signed in may still come in: they, their workspace and its partner are active.
pub async fn workspace_session(read: impl Read, hash: &[u8; 32]) -> Result<Option<SessionRow>> {
    read.opt(
        "SELECT workspace_session.id, workspace_session.workspace_id, workspace_session.member_id,
                workspace_session.partner_id, workspace_session.seen_at, workspace_session.expires_at,
                team_member.first_name, team_member.last_name, team_member.role,
                workspace.company_name, workspace.timezone, plan.api_access, partner.company_name, partner.primary_color, partner.logo_url
         FROM workspace_session
         JOIN workspace ON workspace.id = workspace_session.workspace_id
         JOIN partner ON partner.id = workspace.partner_id
         JOIN plan ON plan.id = workspace.plan_id
         LEFT JOIN team_member ON team_member.workspace_id = workspace_session.workspace_id
                              AND team_member.id = workspace_session.member_id
         WHERE workspace_session.hash = $1 AND workspace.status = 'active' AND partner.status = 'active'
           AND (workspace_session.member_id IS NULL OR team_member.status = 'active')",
        args![hash],
    )
    .await
}

pub struct PartnerSessionRow {
    pub id: i64,
    pub partner_id: i64,
    pub user_id: i64,
    pub seen_at: Instant,
    pub expires_at: Instant,
    pub email: String,
    pub brand: String,
    pub colour: Option<String>,
    pub logo: Option<String>,
}
from_row!(PartnerSessionRow { id, partner_id, user_id, seen_at, expires_at, email, brand, colour, logo });

impl PartnerSessionRow {
    pub fn session(self, form: Secret) -> PartnerSession {
        PartnerSession {
            id: self.id,
            scope: PartnerScope::of_session(self.partner_id),
            user: self.user_id,
            email: self.email,
            brand: self.brand,
            colour: self.colour,
            logo: self.logo,
            form,
            expires_at: self.expires_at,
            seen_at: self.seen_at,
        }
    }
}

pub async fn partner_session(read: impl Read, hash: &[u8; 32]) -> Result<Option<PartnerSessionRow>> {
    read.opt(
        "SELECT partner_session.id, partner_session.partner_id, partner_session.user_id, partner_session.seen_at, partner_session.expires_at,
                partner_user.email, partner.company_name, partner.primary_color, partner.logo_url
         FROM partner_session
         JOIN partner_user ON partner_user.partner_id = partner_session.partner_id
                          AND partner_user.id = partner_session.user_id
         JOIN partner ON partner.id = partner_session.partner_id
         WHERE partner_session.hash = $1 AND partner.status = 'active'",
        args![hash],
    )
    .await
}

/// A session to be.
pub struct New {
    pub hash: [u8; 32],
    pub now: Instant,
    pub expires_at: Instant,
}

pub async fn insert_member(tx: &mut Tx, scope: WorkspaceScope, member: i64, new: &New) -> Result<()> {
    tx.exec(
        "INSERT INTO workspace_session (workspace_id, member_id, hash, created_at, seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $4, $5)",
        args![scope, member, new.hash, new.now, new.expires_at],
    )
    .await
    .map(|_| ())
}

pub async fn insert_visit(
    tx: &mut Tx,
    scope: WorkspaceScope,
    partner: PartnerScope,
    key: i64,
    new: &New,
) -> Result<()> {
    tx.exec(
        "INSERT INTO workspace_session (workspace_id, partner_id, partner_key_id, hash, created_at, seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $5, $6)",
        args![scope, partner, key, new.hash, new.now, new.expires_at],
    )
    .await
    .map(|_| ())
}

pub async fn insert_partner(tx: &mut Tx, partner: PartnerScope, user: i64, new: &New) -> Result<()> {
    tx.exec(
        "INSERT INTO partner_session (partner_id, user_id, hash, created_at, seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $4, $5)",
        args![partner, user, new.hash, new.now, new.expires_at],
    )
    .await
    .map(|_| ())
}

pub async fn all_workspaces_see(tx: &mut Tx, kind: Kind, id: i64, now: Instant) -> Result<()> {
    let sql = match kind {
        Kind::Workspace => "UPDATE workspace_session SET seen_at = $2 WHERE id = $1 AND seen_at < $2",
        Kind::Partner => "UPDATE partner_session SET seen_at = $2 WHERE id = $1 AND seen_at < $2",
    };
    tx.exec(sql, args![id, now]).await.map(|_| ())
}

pub async fn all_workspaces_end(tx: &mut Tx, kind: Kind, hash: &[u8; 32]) -> Result<()> {
    let sql = match kind {
        Kind::Workspace => "DELETE FROM workspace_session WHERE hash = $1",
        Kind::Partner => "DELETE FROM partner_session WHERE hash = $1",
    };
    tx.exec(sql, args![hash]).await.map(|_| ())
}

pub async fn end_one(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<bool> {
    let sql = "DELETE FROM workspace_session WHERE workspace_id = $1 AND id = $2";
    Ok(tx.exec(sql, args![scope, id]).await? == 1)
}

pub async fn end_one_partner(tx: &mut Tx, partner: PartnerScope, id: i64) -> Result<bool> {
    let sql = "DELETE FROM partner_session WHERE partner_id = $1 AND id = $2";
    Ok(tx.exec(sql, args![partner, id]).await? == 1)
}

pub async fn end_member(tx: &mut Tx, scope: WorkspaceScope, member: i64) -> Result<()> {
    let sql = "DELETE FROM workspace_session WHERE workspace_id = $1 AND member_id = $2";
    tx.exec(sql, args![scope, member]).await.map(|_| ())
}

pub async fn end_all_in(tx: &mut Tx, scope: WorkspaceScope) -> Result<()> {
    tx.exec("DELETE FROM workspace_session WHERE workspace_id = $1", args![scope]).await.map(|_| ())
}

pub async fn all_workspaces_end_of(tx: &mut Tx, partner: PartnerScope) -> Result<()> {
    tx.exec("DELETE FROM partner_session WHERE partner_id = $1", args![partner]).await?;
    tx.exec(
        "DELETE FROM workspace_session WHERE workspace_id IN (SELECT id FROM workspace WHERE partner_id = $1)",
        args![partner],
    )
    .await
    .map(|_| ())
}

pub async fn end_partner_user(tx: &mut Tx, partner: PartnerScope, user: i64) -> Result<()> {
    let sql = "DELETE FROM partner_session WHERE partner_id = $1 AND user_id = $2";
    tx.exec(sql, args![partner, user]).await.map(|_| ())
}

from_row!(Visit { id, client_id, company_name, started_at, expires_at });

pub async fn visits_in(read: impl Read, scope: WorkspaceScope, now: Instant) -> Result<Vec<Visit>> {
    read.all(
        "SELECT workspace_session.id, workspace.id, workspace.company_name, workspace_session.created_at,
                workspace_session.expires_at
         FROM workspace_session JOIN workspace ON workspace.id = workspace_session.workspace_id
         WHERE workspace_session.workspace_id = $1 AND workspace_session.partner_id IS NOT NULL
           AND workspace_session.expires_at > $2
         ORDER BY workspace_session.id DESC",
        args![scope, now],
    )
    .await
}

pub async fn all_workspaces_visits_of(read: impl Read, partner: PartnerScope, now: Instant) -> Result<Vec<Visit>> {
    read.all(
        "SELECT workspace_session.id, workspace.id, workspace.company_name, workspace_session.created_at,
                workspace_session.expires_at
         FROM workspace_session JOIN workspace ON workspace.id = workspace_session.workspace_id
         WHERE workspace_session.partner_id = $1 AND workspace_session.expires_at > $2
         ORDER BY workspace_session.id DESC",
        args![partner, now],
    )
    .await
}

pub async fn end_visit_in(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<bool> {
    let sql = "DELETE FROM workspace_session WHERE workspace_id = $1 AND id = $2 AND partner_id IS NOT NULL";
    Ok(tx.exec(sql, args![scope, id]).await? == 1)
}

/// Answers the workspace that was visited, if it was.
pub async fn all_workspaces_end_visit_of(tx: &mut Tx, partner: PartnerScope, id: i64) -> Result<Option<i64>> {
    let sql = "DELETE FROM workspace_session WHERE partner_id = $1 AND id = $2 RETURNING workspace_id";
    tx.opt(sql, args![partner, id]).await
}

pub async fn all_workspaces_delete_expired(tx: &mut Tx, kind: Kind, now: Instant) -> Result<u64> {
    let sql = match kind {
        Kind::Workspace => {
            "DELETE FROM workspace_session
             WHERE id IN (SELECT id FROM workspace_session WHERE expires_at <= $1 LIMIT 1000)"
        }
        Kind::Partner => {
            "DELETE FROM partner_session WHERE id IN (SELECT id FROM partner_session WHERE expires_at <= $1 LIMIT 1000)"
        }
    };
    tx.exec(sql, args![now]).await
}
