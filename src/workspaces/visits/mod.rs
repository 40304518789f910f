//! A partner enters a client's workspace: by a link that opens once, for an hour, seen by both sides (rules L1 to L3).
//! Table: `visit_link`; the visits themselves are sessions.

pub mod api;
pub mod pages;
mod store;

use super::{face, of_partner};
use crate::app::{Actor, ActorKind, App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{self, PartnerScope, WorkspaceScope, sessions};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Error, Instant, Result, Secret, secret};
use crate::partners::Face;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long a link opens.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// A link just issued.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginLink {
    /// Opens once.
    #[schema(example = "https://dashboard.skylightchat.com/partner-login?token=ipt_1a2b3c4d5e6f...")]
    pub login_url: String,
    pub expires_at: Instant,
}

/// Issues a link to an active client. It ends with the key that asked for it.
pub async fn issue(unit: &mut Unit, partner: PartnerScope, key: i64, client: i64) -> Result<LoginLink> {
    let scope = of_partner(&mut unit.tx, partner, client).await?;
    if !store::is_active(&mut unit.tx, scope).await? {
        return Err(Error::account_suspended().saying("The client's workspace is suspended."));
    }
    let token = token::make(TokenKind::Visit, &*unit.app().random);
    let (now, expires_at) = (unit.now(), unit.now().after(LIFE));
    let link = store::NewLink { partner, key, hash: secret::digest(token.reveal()), expires_at, now };
    store::insert(&mut unit.tx, scope, &link).await?;
    audit::record(unit, scope, Action::VisitLinkIssued, client, Changes::of("expires_at", expires_at)).await?;
    let login_url = unit.app().config.public(&format!("/partner-login?token={}", token.reveal()));
    Ok(LoginLink { login_url, expires_at })
}

/// A link that opens now.
#[derive(Debug)]
pub struct Invited {
    scope: WorkspaceScope,
    partner: PartnerScope,
    key: i64,
    hash: [u8; 32],
    pub face: Face,
}

/// Where a link leads; nowhere if it is malformed, unknown, used or expired, or who issued it may not any more. Looking does
/// not use it.
pub async fn invited(app: &App, token: &str) -> Result<Option<Invited>> {
    if token::kind_of(token) != Some(TokenKind::Visit) {
        return Ok(None);
    }
    let hash = secret::digest(token);
    let Some(row) = store::all_workspaces_open(&app.db, &hash, app.now()).await? else { return Ok(None) };
    let scope = WorkspaceScope::of_link(row.workspace_id);
    let (partner, key) = (PartnerScope::of_person(row.partner_id), row.partner_key_id);
    Ok(Some(Invited { scope, partner, key, hash, face: face(&app.db, scope).await? }))
}

/// Uses a link up and starts the visit; none if somebody else was first, or the key is void by now.
pub async fn enter(unit: &mut Unit, invited: &Invited) -> Result<Option<Secret>> {
    let Invited { scope, partner, key, hash, .. } = invited;
    let now = unit.now();
    let holds = auth::lock_partner_key(unit, *partner, *key).await?;
    if !holds || !store::use_up(&mut unit.tx, *scope, hash, now).await? {
        return Ok(None);
    }
    unit.is_by(Actor::new(ActorKind::Partner, partner.id(), &invited.face.brand));
    audit::record(unit, *scope, Action::VisitStarted, scope.id(), Changes::none()).await?;
    sessions::start_visit(unit, *scope, *partner, *key).await.map(Some)
}

/// Links to a workspace open no more.
pub async fn void_links_to(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    Ok(store::delete_all(&mut unit.tx, scope).await?)
}

/// Links of a partner open no more.
pub async fn void_links_of(unit: &mut Unit, partner: PartnerScope) -> Result<()> {
    Ok(store::all_workspaces_delete_of(&mut unit.tx, partner).await?)
}

/// Removes links that are past their time, in batches; answers how many.
pub async fn forget_old(app: &App) -> Result<u64> {
    let now = app.now();
    let mut unit = app.begin().await?;
    let removed = store::all_workspaces_delete_expired(&mut unit.tx, now).await?;
    unit.commit().await?;
    Ok(removed)
}
