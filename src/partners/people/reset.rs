//! Forgotten passwords of a partner's people, as those of members (rules L1, L2, L4, W6).

use super::store;
use crate::app::{Actor, ActorKind, App, Origin, Trace, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{Hashed, PartnerScope, sessions};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Email, Result, Secret, secret};
use crate::mail;
use crate::partners::{Colour, data_key, profile};
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(30 * 60);
const PURPOSE: &str = "reset";

/// Mails a link to whoever signs in as a partner by this e-mail, if there is somebody, and they have a password to forget.
pub async fn ask(app: &App, trace: &Trace, email: &Email) -> Result<()> {
    let found = store::login(&app.db, &email.key()).await?;
    let Some(row) = found.filter(|row| row.password.is_some() && mail::is_configured(app)) else { return Ok(()) };
    let scope = PartnerScope::of_person(row.partner_id);
    let partner = profile(&app.db, scope).await?;
    let key = data_key(app, scope).await?;
    let mut unit = app.begin_by(Origin::anonymous(trace.clone())).await?;
    let (now, expires_at) = (unit.now(), unit.now().after(LIFE));
    let token = token::make(TokenKind::PartnerReset, &*app.random);
    let link = Secret::new(app.config.public(&format!("/partner/reset?token={}", token.reveal())));
    let letter = mail::reset(&mail::Reset {
        to: &row.email,
        name: "",
        company: &partner.company_name,
        brand: &partner.company_name,
        colour: partner.branding.primary_color.as_deref().and_then(Colour::parse),
        link: &link,
        until: expires_at,
    })?;
    mail::send_of_partner(&mut unit, scope, &key, &letter).await?;
    if !store::lock(&mut unit.tx, scope, row.id).await? {
        return Ok(());
    }
    store::void_links(&mut unit.tx, scope, row.id, Some(PURPOSE)).await?;
    let hash = secret::digest(token.reveal());
    let link = store::NewLink { user: row.id, purpose: PURPOSE, hash, expires_at, now };
    store::insert_link(&mut unit.tx, scope, &link).await?;
    let changes = Changes::of("expires_at", expires_at);
    audit::record_for_partner(&mut unit, scope, Action::PartnerMemberResetIssued, row.id, changes).await?;
    unit.commit().await
}

/// Somebody who holds an open link.
#[derive(Debug)]
pub struct Holder {
    scope: PartnerScope,
    user: i64,
    hash: [u8; 32],
    pub email: String,
    pub company_name: String,
    pub colour: Option<Colour>,
    /// The path of the logo.
    pub logo: Option<String>,
}

/// Whose link this is; none if it does not open. Looking does not use it.
pub async fn holder(app: &App, token: &str) -> Result<Option<Holder>> {
    if token::kind_of(token) != Some(TokenKind::PartnerReset) {
        return Ok(None);
    }
    let hash = secret::digest(token);
    let Some(row) = store::open_link(&app.db, PURPOSE, &hash, app.now()).await? else { return Ok(None) };
    let scope = PartnerScope::of_person(row.partner_id);
    let partner = profile(&app.db, scope).await?;
    let colour = partner.branding.primary_color.as_deref().and_then(Colour::parse);
    let (company_name, logo) = (partner.company_name, partner.branding.logo_url);
    Ok(Some(Holder { scope, user: row.user_id, hash, email: row.email, company_name, colour, logo }))
}

/// Uses a link up and sets the password; false if somebody else was first. Sessions and tokens end, other links do too.
pub async fn set(unit: &mut Unit, holder: &Holder, password: &Hashed) -> Result<bool> {
    let Holder { scope, user, hash, email, .. } = holder;
    let now = unit.now();
    let is_there = store::lock(&mut unit.tx, *scope, *user).await?;
    if !is_there || !store::use_link(&mut unit.tx, *scope, PURPOSE, hash, now).await? {
        return Ok(false);
    }
    store::set_password(&mut unit.tx, *scope, *user, password.reveal(), now).await?;
    store::void_links(&mut unit.tx, *scope, *user, None).await?;
    unit.is_by(Actor::new(ActorKind::PartnerMember, *user, email));
    audit::record_for_partner(unit, *scope, Action::PartnerMemberPasswordReset, *user, Changes::none()).await?;
    sessions::end_partner_user(unit, *scope, *user).await?;
    Ok(true)
}
