//! A partner's own people: they are invited by the operator, choose a password, and sign in. Their logins are apart from those
//! of their clients' people: one e-mail may be both. Tables: `partner_user`, `partner_link`.

pub mod link;
pub mod reset;
mod store;

use super::profile;
use crate::app::{Actor, ActorKind, App, Trace, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::guesses::Attempt;
use crate::auth::{PartnerScope, Purpose, Typed, sessions, tokens};
use crate::kernel::{Email, Error, Instant, Result, Secret};

/// A link just issued. Whoever issues it hands it on.
#[derive(Debug)]
pub struct Invitation {
    pub url: Secret,
    pub expires_at: Instant,
}

/// Invites somebody to a partner's account, for the first time or again; a new link voids the older one.
pub async fn invite(unit: &mut Unit, partner: PartnerScope, email: &Email) -> Result<Invitation> {
    profile(&mut unit.tx, partner).await?;
    let now = unit.now();
    let user = store::insert_or_find(&mut unit.tx, partner, email, now).await?;
    let user = user.ok_or_else(|| Error::field("email", "The email has already been taken."))?;
    let link = link::make(unit, Purpose::Invitation);
    link::give(unit, partner, user, &link).await?;
    audit::record_for_partner(unit, partner, Action::PartnerMemberInvited, user, Changes::of("email", email)).await?;
    Ok(Invitation { url: link.url, expires_at: link.expires_at })
}

/// Whether an e-mail is the login of one of some partner's people.
pub async fn is_taken(unit: &mut Unit, email: &Email) -> Result<bool> {
    Ok(store::is_taken(&mut unit.tx, &email.key()).await?)
}

/// Somebody who knew the password that was stored a moment ago.
#[derive(Debug)]
pub struct Proved {
    scope: PartnerScope,
    user: i64,
    email: Email,
    password: Secret,
}

/// Who an e-mail and a password are together; nobody costs the same work (rule K2).
pub async fn prove(app: &App, trace: &Trace, email: &Email, typed: &Typed) -> Result<Option<Proved>> {
    let found = store::login(&app.db, &email.key()).await?;
    let stored = found.as_ref().and_then(|row| row.password.as_deref());
    if !typed.opens(app, stored).await? {
        if let Some(row) = found {
            let whose = audit::Whose::Partner(PartnerScope::of_person(row.partner_id));
            audit::sign_in_refused(app, trace, whose, Action::PartnerMemberRefused, row.id);
        }
        return Ok(None);
    }
    Ok(found.and_then(|row| {
        let scope = PartnerScope::of_person(row.partner_id);
        Some(Proved { scope, user: row.id, email: email.clone(), password: Secret::new(row.password?) })
    }))
}

/// What an e-mail's attempts are counted under, wherever it is tried.
pub fn account(email: &Email) -> String {
    format!("/partner/login {}", email.key())
}

/// Makes a token for the second partner API; none if what they proved is not so any more.
pub async fn issue_token(unit: &mut Unit, proved: &Proved, attempt: Attempt) -> Result<Option<Secret>> {
    let Proved { scope, user, email, password } = proved;
    if !store::lock_with(&mut unit.tx, *scope, *user, password.reveal()).await? {
        return Ok(None);
    }
    attempt.was_right(unit).await?;
    unit.is_by(Actor::new(ActorKind::PartnerMember, *user, email.as_str()));
    audit::record_for_partner(unit, *scope, Action::PartnerTokenIssued, *user, Changes::none()).await?;
    tokens::issue(unit, *scope, *user).await.map(Some)
}

/// Starts a session; none if what they proved is not so any more.
pub async fn sign_in(unit: &mut Unit, proved: &Proved, attempt: Attempt) -> Result<Option<Secret>> {
    let Proved { scope, user, email, password } = proved;
    if !store::lock_with(&mut unit.tx, *scope, *user, password.reveal()).await? {
        return Ok(None);
    }
    attempt.was_right(unit).await?;
    unit.is_by(Actor::new(ActorKind::PartnerMember, *user, email.as_str()));
    audit::record_for_partner(unit, *scope, Action::PartnerMemberSignedIn, *user, Changes::none()).await?;
    sessions::start_partner(unit, *scope, *user).await.map(Some)
}
