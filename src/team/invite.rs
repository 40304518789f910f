//! Invitations: a link, once, where somebody chooses a password (rules L1, L2).
//!
//! The mail carries the link if the installation sends mail, otherwise the answer to whoever invites shows it, once. A new
//! link voids the older one; so does whatever makes the older one unsafe: another e-mail, another password, deactivation.

use super::store::{self, MemberRow};
use super::words::Words;
use super::{Status, joined, no_such};
use crate::app::{Actor, ActorKind, App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{Hashed, WorkspaceScope, sessions};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Email, Error, Instant, Language, Result, Secret, secret};
use crate::mail::{self, Between, Mail};
use crate::partners::Colour;
use crate::workspaces::{self, Face};
use askama::Template;
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const PURPOSE: &str = "invite";
/// Of a name in a mail: what tenants write there must not become the mail.
const LONGEST_NAME: usize = 80;

/// An invitation just issued.
#[derive(Debug)]
pub struct Invitation {
    pub email: Email,
    pub expires_at: Instant,
    url: Option<Secret>,
}

impl Invitation {
    /// The link, if no mail carries it.
    pub fn shown(self) -> Option<String> {
        self.url.map(|url| url.reveal().to_owned())
    }
}

/// An invitation whose mail is on its way, but which is nobody's yet.
pub(super) struct Draft {
    hash: [u8; 32],
    invitation: Invitation,
}

/// Makes a link for somebody, and mails it. Comes before the member's row, because mail stands in a lane.
pub(super) async fn draft(unit: &mut Unit, scope: WorkspaceScope, name: &str, email: &Email) -> Result<Draft> {
    let token = token::make(TokenKind::Invitation, &*unit.app().random);
    let link = Secret::new(unit.app().config.public(&format!("/invite?token={}", token.reveal())));
    let url = if mail::is_configured(unit.app()) {
        let face = workspaces::face(&mut unit.tx, scope).await?;
        mail::send(unit, scope, &letter(&face, name, email, &link)?).await?;
        None
    } else {
        Some(link)
    };
    let expires_at = unit.now().after(LIFE);
    let invitation = Invitation { email: email.clone(), expires_at, url };
    Ok(Draft { hash: secret::digest(token.reveal()), invitation })
}

/// Gives a draft to a member whose row the unit holds.
pub(super) async fn give(unit: &mut Unit, scope: WorkspaceScope, member: i64, draft: Draft) -> Result<Invitation> {
    let (now, expires_at) = (unit.now(), draft.invitation.expires_at);
    store::void_links(&mut unit.tx, scope, member).await?;
    let link = store::NewLink { member, purpose: PURPOSE, hash: &draft.hash, expires_at };
    store::insert_link(&mut unit.tx, scope, &link, now).await?;
    audit::record(unit, scope, Action::MemberInvited, member, Changes::of("expires_at", expires_at)).await?;
    Ok(draft.invitation)
}

/// Invites a member again, or for the first time.
pub async fn invite(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<Invitation> {
    let row = store::find(&mut unit.tx, scope, id).await?.ok_or_else(no_such)?;
    if row.status != Status::Active {
        return Err(Error::conflict().saying("An inactive team member cannot be invited."));
    }
    let draft = draft(unit, scope, &joined(&row.first_name, &row.last_name), &row.email).await?;
    // The mail goes to the address that was read; if that has changed since, the link must not open.
    if !store::lock_as(&mut unit.tx, scope, id, &row.email).await? {
        return Err(Error::conflict().saying("The team member was changed at the same moment. Please try again."));
    }
    give(unit, scope, id, draft).await
}

/// Whether a change makes an open link unsafe.
pub(super) fn is_void_after(before: &MemberRow, after: &MemberRow, new_password: bool) -> bool {
    new_password || before.email.key() != after.email.key() || after.status != Status::Active
}

/// Somebody who holds an open link.
#[derive(Debug)]
pub struct Invited {
    scope: WorkspaceScope,
    member: i64,
    hash: [u8; 32],
    pub name: String,
    pub email: Email,
    pub face: Face,
}

impl Invited {
    pub fn actor(&self) -> Actor {
        Actor::new(ActorKind::TeamMember, self.member, &self.name)
    }
}

/// Whose link this is; none if it is malformed, unknown, used, replaced or expired, or its holder may not come in now.
/// Looking does not use it.
pub async fn invited(app: &App, token: &str) -> Result<Option<Invited>> {
    if token::kind_of(token) != Some(TokenKind::Invitation) {
        return Ok(None);
    }
    let hash = secret::digest(token);
    let found = store::all_workspaces_open_link(&app.db, PURPOSE, &hash, app.now()).await?;
    let Some(row) = found else { return Ok(None) };
    let scope = WorkspaceScope::of_link(row.workspace_id);
    let face = workspaces::face(&app.db, scope).await?;
    let name = joined(&row.first_name, &row.last_name);
    Ok(Some(Invited { scope, member: row.member_id, hash, name, email: row.email, face }))
}

/// Uses a link up and sets the password; false if somebody else was first. Writers take the member's row before its links.
pub async fn accept(unit: &mut Unit, invited: &Invited, password: &Hashed) -> Result<bool> {
    let Invited { scope, member, hash, email, .. } = invited;
    let now = unit.now();
    let is_same = store::lock_as(&mut unit.tx, *scope, *member, email).await?;
    if !is_same || !store::use_link(&mut unit.tx, *scope, *member, PURPOSE, hash, now).await? {
        return Ok(false);
    }
    store::set_password(&mut unit.tx, *scope, *member, password.reveal(), now).await?;
    audit::record(unit, *scope, Action::MemberJoined, *member, Changes::none()).await?;
    sessions::end_member(unit, *scope, *member).await?;
    Ok(true)
}

/// A part of the mail, in one language.
struct Part<'a> {
    w: &'static Words,
    language: Language,
    name: &'a str,
    company: &'a str,
    brand: &'a str,
}

#[derive(Template)]
#[template(path = "mail/invitation.txt")]
struct Text<'a> {
    parts: &'a [Part<'a>],
    link: &'a str,
}

#[derive(Template)]
#[template(path = "mail/invitation.html")]
struct Html<'a> {
    parts: &'a [Part<'a>],
    link: &'a str,
    colour: String,
    ink: &'static str,
}

fn letter(face: &Face, name: &str, email: &Email, link: &Secret) -> Result<Mail> {
    let short = |name: &str| mail::short_line(name, LONGEST_NAME);
    let [name, company, brand] = [name, &face.company_name, &face.brand].map(short);
    let parts = Language::ALL.map(|language| Part {
        w: Words::of(language),
        language,
        name: &name,
        company: &company,
        brand: &brand,
    });
    let (colour, ink) = Colour::of_mail(face.colour);
    let link = link.reveal();
    let text = Text { parts: &parts, link }.render().map_err(Error::internal)?;
    let html = Html { parts: &parts, link, colour, ink }.render().map_err(Error::internal)?;
    let subject = Language::ALL.map(|language| format!("{} {company}", Words::of(language).subject)).join(" · ");
    let between = Between { to: email, to_name: &name, from_name: &brand };
    Mail::new(between, &subject, Secret::new(text), Secret::new(html))
}
