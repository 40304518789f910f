//! Links behind which a member chooses a password: after an invitation, or because it was forgotten (rules L1, L2).

use super::{joined, store};
use crate::app::{Actor, ActorKind, App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{Hashed, NewLink, Purpose, WorkspaceScope, sessions};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Email, Result, secret};
use crate::partners::Face;
use crate::workspaces;

/// The path of the page that a link opens.
pub const fn page(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Invitation => "/invite",
        Purpose::Reset => "/reset",
    }
}

fn kind(purpose: Purpose) -> TokenKind {
    match purpose {
        Purpose::Invitation => TokenKind::Invitation,
        Purpose::Reset => TokenKind::Reset,
    }
}

pub(super) fn make(unit: &Unit, purpose: Purpose) -> NewLink {
    NewLink::make(unit, purpose, kind(purpose), page(purpose))
}

/// Gives a link to a member whose row the unit holds; it voids older ones.
pub(super) async fn give(unit: &mut Unit, scope: WorkspaceScope, member: i64, link: &NewLink) -> Result<()> {
    let now = unit.now();
    store::void_links(&mut unit.tx, scope, member, link.purpose.voids()).await?;
    store::insert_link(&mut unit.tx, scope, member, link, now).await?;
    let given = match link.purpose {
        Purpose::Invitation => Action::MemberInvited,
        Purpose::Reset => Action::MemberResetIssued,
    };
    audit::record(unit, scope, given, member, Changes::of("expires_at", link.expires_at)).await
}

/// Somebody who holds an open link.
#[derive(Debug)]
pub struct Holder {
    scope: WorkspaceScope,
    member: i64,
    purpose: Purpose,
    hash: [u8; 32],
    pub name: String,
    pub email: Email,
    pub face: Face,
}

/// Whose link this is; none if it is malformed, unknown, used, replaced or expired, or its holder may not come in now.
/// Looking does not use it.
pub async fn holder(app: &App, purpose: Purpose, token: &str) -> Result<Option<Holder>> {
    if token::kind_of(token) != Some(kind(purpose)) {
        return Ok(None);
    }
    let hash = secret::digest(token);
    let found = store::all_workspaces_open_link(&app.db, purpose, &hash, app.now()).await?;
    let Some(row) = found else { return Ok(None) };
    let scope = WorkspaceScope::of_link(row.workspace_id);
    let face = workspaces::face(&app.db, scope).await?;
    let name = joined(&row.first_name, &row.last_name);
    Ok(Some(Holder { scope, member: row.member_id, purpose, hash, name, email: row.email, face }))
}

/// Uses a link up and sets the password; false if somebody else was first. Whoever is signed in as this member is not any
/// more, and after a reset no other link opens. Writers take the member's row before its links.
pub async fn accept(unit: &mut Unit, holder: &Holder, password: &Hashed) -> Result<bool> {
    let Holder { scope, member, purpose, hash, name, email, .. } = holder;
    let now = unit.now();
    let is_same = store::lock_as(&mut unit.tx, *scope, *member, email).await?;
    if !is_same || !store::use_link(&mut unit.tx, *scope, *member, *purpose, hash, now).await? {
        return Ok(false);
    }
    store::set_password(&mut unit.tx, *scope, *member, password.reveal(), now).await?;
    let done = match purpose {
        Purpose::Invitation => Action::MemberJoined,
        Purpose::Reset => {
            store::void_links(&mut unit.tx, *scope, *member, None).await?;
            Action::MemberPasswordReset
        }
    };
    unit.is_by(Actor::new(ActorKind::TeamMember, *member, name));
    audit::record(unit, *scope, done, *member, Changes::none()).await?;
    sessions::end_member(unit, *scope, *member).await?;
    Ok(true)
}
