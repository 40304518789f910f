//! Bearer tokens of the second partner API: a partner's person gets one for an e-mail and a password, one at a time. Table:
//! `partner_token`.

use super::{PartnerScope, store};
use crate::app::Unit;
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Result, Secret, secret};
use std::time::Duration;

/// How long a token opens.
pub const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes a person's token; the one before is void.
pub async fn issue(unit: &mut Unit, partner: PartnerScope, user: i64) -> Result<Secret> {
    let made = token::make(TokenKind::PartnerToken, &*unit.app().random);
    let (hash, now) = (secret::digest(made.reveal()), unit.now());
    store::set_partner_token(&mut unit.tx, partner, user, &hash, now, now.after(LIFE)).await?;
    unit.changed();
    Ok(made)
}

/// Voids the token of one of a partner's people, or of all.
pub async fn end_of(unit: &mut Unit, partner: PartnerScope, user: Option<i64>) -> Result<()> {
    store::delete_partner_tokens(&mut unit.tx, partner, user).await?;
    unit.changed();
    Ok(())
}
