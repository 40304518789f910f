//! A partner's own people: they are invited by the operator, choose a password, and sign in. Their logins are apart from those
//! of their clients' people: one e-mail may be both. Tables: `partner_user`, `partner_link`.

pub mod reset;
mod store;

use super::{Colour, Partner, profile};
use crate::app::{Actor, ActorKind, App, Trace, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::guesses::Attempt;
use crate::auth::{Hashed, PartnerScope, Typed, sessions, tokens};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Email, Error, Instant, Result, Secret, secret};
use std::time::Duration;

/// How long an invitation opens.
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const PURPOSE: &str = "invite";

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
    store::void_links(&mut unit.tx, partner, user, None).await?;
    let token = token::make(TokenKind::PartnerInvitation, &*unit.app().random);
    let expires_at = now.after(LIFE);
    let link = store::NewLink { user, purpose: PURPOSE, hash: secret::digest(token.reveal()), expires_at, now };
    store::insert_link(&mut unit.tx, partner, &link).await?;
    audit::record_for_partner(unit, partner, Action::PartnerMemberInvited, user, Changes::of("email", email)).await?;
    let url = Secret::new(unit.app().config.public(&format!("/partner/invite?token={}", token.reveal())));
    Ok(Invitation { url, expires_at })
}

/// Whether an e-mail is the login of one of some partner's people.
pub async fn is_taken(unit: &mut Unit, email: &Email) -> Result<bool> {
    Ok(store::is_taken(&mut unit.tx, &email.key()).await?)
}

/// Somebody who holds an open link.
#[derive(Debug)]
pub struct Invited {
    scope: PartnerScope,
    user: i64,
    hash: [u8; 32],
    pub email: String,
    pub company_name: String,
    pub colour: Option<Colour>,
    /// The path of the logo.
    pub logo: Option<String>,
}

/// Whose link this is; none if it is malformed, unknown, used, replaced or expired, or the partner is suspended. Looking does
/// not use it.
pub async fn invited(app: &App, token: &str) -> Result<Option<Invited>> {
    if token::kind_of(token) != Some(TokenKind::PartnerInvitation) {
        return Ok(None);
    }
    let hash = secret::digest(token);
    let Some(row) = store::open_link(&app.db, PURPOSE, &hash, app.now()).await? else { return Ok(None) };
    let scope = PartnerScope::of_person(row.partner_id);
    let Partner { company_name, branding, .. } = profile(&app.db, scope).await?;
    let colour = branding.primary_color.as_deref().and_then(Colour::parse);
    Ok(Some(Invited {
        scope,
        user: row.user_id,
        hash,
        email: row.email,
        company_name,
        colour,
        logo: branding.logo_url,
    }))
}

/// Uses a link up and sets the password; false if somebody else was first.
pub async fn accept(unit: &mut Unit, invited: &Invited, password: &Hashed) -> Result<bool> {
    let Invited { scope, user, hash, .. } = invited;
    let now = unit.now();
    let is_there = store::lock(&mut unit.tx, *scope, *user).await?;
    if !is_there || !store::use_link(&mut unit.tx, *scope, PURPOSE, hash, now).await? {
        return Ok(false);
    }
    store::set_password(&mut unit.tx, *scope, *user, password.reveal(), now).await?;
    unit.is_by(Actor::new(ActorKind::PartnerMember, *user, &invited.email));
    audit::record_for_partner(unit, *scope, Action::PartnerMemberJoined, *user, Changes::none()).await?;
    sessions::end_partner_user(unit, *scope, *user).await?;
    Ok(true)
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
