//! Forgotten passwords of a partner's people, as those of members (rules L1, L2, L4, W6).

use super::{link, store};
use crate::app::{App, Origin, Trace};
use crate::audit::{self, Action, Changes};
use crate::auth::{PartnerScope, Purpose};
use crate::kernel::{Email, Result};
use crate::mail;
use crate::partners::{data_key, profile};

/// Mails a link to whoever signs in as a partner by this e-mail, if there is somebody, and they have a password to forget.
pub async fn ask(app: &App, trace: &Trace, email: &Email) -> Result<()> {
    let found = store::login(&app.db, &email.key()).await?;
    let Some(row) = found.filter(|row| row.password.is_some() && mail::is_configured(app)) else { return Ok(()) };
    let scope = PartnerScope::of_person(row.partner_id);
    let face = profile(&app.db, scope).await?.face();
    let key = data_key(app, scope).await?;
    let mut unit = app.begin_by(Origin::anonymous(trace.clone())).await?;
    let link = link::make(&unit, Purpose::Reset);
    let (to, url, until) = (&row.email, &link.url, link.expires_at);
    let letter = mail::reset(&mail::Reset { to, name: "", face: &face, url, until })?;
    mail::send_of_partner(&mut unit, scope, &key, &letter).await?;
    if !store::lock(&mut unit.tx, scope, row.id).await? {
        return Ok(());
    }
    link::give(&mut unit, scope, row.id, &link).await?;
    let changes = Changes::of("expires_at", link.expires_at);
    audit::record_for_partner(&mut unit, scope, Action::PartnerMemberResetIssued, row.id, changes).await?;
    unit.commit().await
}
