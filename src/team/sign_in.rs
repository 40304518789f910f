//! Members prove who they are by their password.

use super::store;
use crate::app::{Actor, ActorKind, App, Trace, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::guesses::Attempt;
use crate::auth::{Typed, WorkspaceScope, sessions};
use crate::kernel::{Email, Result, Secret};

/// A member who knew the password that was stored a moment ago.
#[derive(Debug)]
pub struct Proved {
    scope: WorkspaceScope,
    member: i64,
    name: String,
    password: Secret,
}

/// Who an e-mail and a password are together; nobody costs the same work (rule K2).
pub async fn prove(app: &App, trace: &Trace, email: &Email, typed: &Typed) -> Result<Option<Proved>> {
    let found = store::all_workspaces_login(&app.db, &email.key()).await?;
    let stored = found.as_ref().and_then(|row| row.password.as_deref());
    if !typed.opens(app, stored).await? {
        if let Some(row) = found {
            let whose = audit::Whose::Workspace(WorkspaceScope::of_person(row.workspace_id));
            audit::sign_in_refused(app, trace, whose, Action::MemberRefused, row.id);
        }
        return Ok(None);
    }
    Ok(found.and_then(|row| {
        let scope = WorkspaceScope::of_person(row.workspace_id);
        let name = super::joined(&row.first_name, &row.last_name);
        Some(Proved { scope, member: row.id, name, password: Secret::new(row.password?) })
    }))
}

/// Starts a session; none if the member, or what they proved, is not so any more.
pub async fn sign_in(unit: &mut Unit, proved: &Proved, attempt: Attempt) -> Result<Option<Secret>> {
    let Proved { scope, member, name, password } = proved;
    if !store::lock_with(&mut unit.tx, *scope, *member, password.reveal()).await? {
        return Ok(None);
    }
    attempt.was_right(unit).await?;
    unit.is_by(Actor::new(ActorKind::TeamMember, *member, name));
    audit::record(unit, *scope, Action::MemberSignedIn, *member, Changes::none()).await?;
    sessions::start_member(unit, *scope, *member).await.map(Some)
}
