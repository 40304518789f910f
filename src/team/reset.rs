//! Forgotten passwords (rules L1, L2, L4, W6): a mail carries a link where a new one is chosen. Whoever asks hears the same,
//! at the same moment, whether anybody is known by that e-mail or not.

use super::{joined, store};
use crate::app::{Actor, ActorKind, App, Origin, Trace, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{Hashed, WorkspaceScope, sessions};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Email, Result, Secret, secret};
use crate::mail;
use crate::workspaces::{self, Face};
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(30 * 60);
const PURPOSE: &str = "reset";

/// Mails a link to the member who signs in by this e-mail, if there is one and they have a password to forget. A new link
/// voids the one before it.
pub async fn ask(app: &App, trace: &Trace, email: &Email) -> Result<()> {
    let found = store::all_workspaces_login(&app.db, &email.key()).await?;
    let Some(row) = found.filter(|row| row.password.is_some() && mail::is_configured(app)) else { return Ok(()) };
    let scope = WorkspaceScope::of_person(row.workspace_id);
    let face = workspaces::face(&app.db, scope).await?;
    let name = joined(&row.first_name, &row.last_name);
    let mut unit = app.begin_by(Origin::anonymous(trace.clone())).await?;
    let (now, expires_at) = (unit.now(), unit.now().after(LIFE));
    let token = token::make(TokenKind::Reset, &*app.random);
    let link = Secret::new(app.config.public(&format!("/reset?token={}", token.reveal())));
    let letter = mail::reset(&mail::Reset {
        to: &row.email,
        name: &name,
        company: &face.company_name,
        brand: &face.brand,
        colour: face.colour,
        link: &link,
        until: expires_at,
    })?;
    mail::send(&mut unit, scope, &letter).await?;
    // The mail goes to the address that was read; if that is theirs no more, it is not sent.
    if !store::lock_as(&mut unit.tx, scope, row.id, &row.email).await? {
        return Ok(());
    }
    store::void_links_for(&mut unit.tx, scope, row.id, PURPOSE).await?;
    let hash = secret::digest(token.reveal());
    let new = store::NewLink { member: row.id, purpose: PURPOSE, hash: &hash, expires_at };
    store::insert_link(&mut unit.tx, scope, &new, now).await?;
    audit::record(&mut unit, scope, Action::MemberResetIssued, row.id, Changes::of("expires_at", expires_at)).await?;
    unit.commit().await
}

/// Somebody who holds an open link.
#[derive(Debug)]
pub struct Holder {
    scope: WorkspaceScope,
    member: i64,
    hash: [u8; 32],
    pub name: String,
    pub email: Email,
    pub face: Face,
}

/// Whose link this is; none if it does not open. Looking does not use it.
pub async fn holder(app: &App, token: &str) -> Result<Option<Holder>> {
    if token::kind_of(token) != Some(TokenKind::Reset) {
        return Ok(None);
    }
    let hash = secret::digest(token);
    let found = store::all_workspaces_open_link(&app.db, PURPOSE, &hash, app.now()).await?;
    let Some(row) = found else { return Ok(None) };
    let scope = WorkspaceScope::of_link(row.workspace_id);
    let face = workspaces::face(&app.db, scope).await?;
    let name = joined(&row.first_name, &row.last_name);
    Ok(Some(Holder { scope, member: row.member_id, hash, name, email: row.email, face }))
}

/// Uses a link up and sets the password: false if somebody else was first. Whoever is signed in as this member is not any
/// more, and no other link opens.
pub async fn set(unit: &mut Unit, holder: &Holder, password: &Hashed) -> Result<bool> {
    let Holder { scope, member, hash, name, email, .. } = holder;
    let now = unit.now();
    let is_same = store::lock_as(&mut unit.tx, *scope, *member, email).await?;
    if !is_same || !store::use_link(&mut unit.tx, *scope, *member, PURPOSE, hash, now).await? {
        return Ok(false);
    }
    store::set_password(&mut unit.tx, *scope, *member, password.reveal(), now).await?;
    store::void_links(&mut unit.tx, *scope, *member).await?;
    unit.is_by(Actor::new(ActorKind::TeamMember, *member, name));
    audit::record(unit, *scope, Action::MemberPasswordReset, *member, Changes::none()).await?;
    sessions::end_member(unit, *scope, *member).await?;
    Ok(true)
}
