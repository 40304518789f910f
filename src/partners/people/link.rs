//! Links behind which one of a partner's people chooses a password, as members do (rules L1, L2).

use super::store;
use crate::app::{Actor, ActorKind, App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{Hashed, NewLink, PartnerScope, Purpose, sessions};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Result, secret};
use crate::partners::{Face, profile};

/// The path of the page that a link opens.
pub const fn page(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Invitation => "/partner/invite",
        Purpose::Reset => "/partner/reset",
    }
}

fn kind(purpose: Purpose) -> TokenKind {
    match purpose {
        Purpose::Invitation => TokenKind::PartnerInvitation,
        Purpose::Reset => TokenKind::PartnerReset,
    }
}

pub(super) fn make(unit: &Unit, purpose: Purpose) -> NewLink {
    NewLink::make(unit, purpose, kind(purpose), page(purpose))
}

/// Gives a link to somebody whose row the unit holds; it voids older ones.
pub(super) async fn give(unit: &mut Unit, partner: PartnerScope, user: i64, link: &NewLink) -> Result<()> {
    let now = unit.now();
    store::void_links(&mut unit.tx, partner, user, link.purpose.voids()).await?;
    Ok(store::insert_link(&mut unit.tx, partner, user, link, now).await?)
}

/// Somebody who holds an open link.
#[derive(Debug)]
pub struct Holder {
    scope: PartnerScope,
    user: i64,
    purpose: Purpose,
    hash: [u8; 32],
    pub email: String,
    pub face: Face,
}

/// Whose link this is; none if it is malformed, unknown, used, replaced or expired, or the partner is suspended. Looking does
/// not use it.
pub async fn holder(app: &App, purpose: Purpose, token: &str) -> Result<Option<Holder>> {
    if token::kind_of(token) != Some(kind(purpose)) {
        return Ok(None);
    }
    let hash = secret::digest(token);
    let Some(row) = store::open_link(&app.db, purpose, &hash, app.now()).await? else { return Ok(None) };
    let scope = PartnerScope::of_person(row.partner_id);
    let face = profile(&app.db, scope).await?.face();
    Ok(Some(Holder { scope, user: row.user_id, purpose, hash, email: row.email, face }))
}

/// Uses a link up and sets the password; false if somebody else was first. Sessions and tokens end; after a reset no other
/// link opens.
pub async fn accept(unit: &mut Unit, holder: &Holder, password: &Hashed) -> Result<bool> {
    let Holder { scope, user, purpose, hash, email, .. } = holder;
    let now = unit.now();
    let is_there = store::lock(&mut unit.tx, *scope, *user).await?;
    if !is_there || !store::use_link(&mut unit.tx, *scope, *purpose, hash, now).await? {
        return Ok(false);
    }
    store::set_password(&mut unit.tx, *scope, *user, password.reveal(), now).await?;
    let done = match purpose {
        Purpose::Invitation => Action::PartnerMemberJoined,
        Purpose::Reset => {
            store::void_links(&mut unit.tx, *scope, *user, None).await?;
            Action::PartnerMemberPasswordReset
        }
    };
    unit.is_by(Actor::new(ActorKind::PartnerMember, *user, email));
    audit::record_for_partner(unit, *scope, done, *user, Changes::none()).await?;
    sessions::end_partner_user(unit, *scope, *user).await?;
    Ok(true)
}
