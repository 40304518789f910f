//! Invitations: a link, once, where somebody chooses a password (rules L1, L2).
//!
//! The mail carries the link if the installation sends mail, otherwise the answer to whoever invites shows it, once. A new
//! link voids the older one; so does whatever makes the older one unsafe: another e-mail, another password, deactivation.

use super::store::{self, MemberRow};
use super::words::Words;
use super::{Status, joined, link, no_such};
use crate::app::Unit;
use crate::auth::{NewLink, Purpose, WorkspaceScope};
use crate::kernel::{Email, Error, Instant, Language, Result, Secret};
use crate::mail::{self, Between, Mail};
use crate::partners::{Colour, Face};
use crate::workspaces;
use askama::Template;

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

/// Makes a link for somebody, and mails it. Comes before the member's row, because mail stands in a lane; the link is
/// nobody's yet.
pub(super) async fn draft(unit: &mut Unit, scope: WorkspaceScope, name: &str, email: &Email) -> Result<NewLink> {
    let link = link::make(unit, Purpose::Invitation);
    if mail::is_configured(unit.app()) {
        let face = workspaces::face(&mut unit.tx, scope).await?;
        mail::send(unit, scope, &letter(&face, name, email, &link.url)?).await?;
    }
    Ok(link)
}

/// Gives a draft to a member whose row the unit holds.
pub(super) async fn give(
    unit: &mut Unit,
    scope: WorkspaceScope,
    member: i64,
    email: &Email,
    draft: NewLink,
) -> Result<Invitation> {
    link::give(unit, scope, member, &draft).await?;
    let url = (!mail::is_configured(unit.app())).then_some(draft.url);
    Ok(Invitation { email: email.clone(), expires_at: draft.expires_at, url })
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
    give(unit, scope, id, &row.email, draft).await
}

/// Whether a change makes an open link unsafe.
pub(super) fn is_void_after(before: &MemberRow, after: &MemberRow, new_password: bool) -> bool {
    new_password || before.email.key() != after.email.key() || after.status != Status::Active
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
