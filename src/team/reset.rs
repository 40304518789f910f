//! Forgotten passwords (rules L1, L2, L4, W6): a mail carries a link where a new one is chosen. Whoever asks hears the same,
//! at the same moment, whether anybody is known by that e-mail or not.

use super::{joined, link, store};
use crate::app::{App, Origin, Trace};
use crate::auth::{Purpose, WorkspaceScope};
use crate::kernel::{Email, Result};
use crate::{mail, workspaces};

/// Mails a link to the member who signs in by this e-mail, if there is one and they have a password to forget. A new link
/// voids the one before it.
pub async fn ask(app: &App, trace: &Trace, email: &Email) -> Result<()> {
    let found = store::all_workspaces_login(&app.db, &email.key()).await?;
    let Some(row) = found.filter(|row| row.password.is_some() && mail::is_configured(app)) else { return Ok(()) };
    let scope = WorkspaceScope::of_person(row.workspace_id);
    let face = workspaces::face(&app.db, scope).await?;
    let name = joined(&row.first_name, &row.last_name);
    let mut unit = app.begin_by(Origin::anonymous(trace.clone())).await?;
    let link = link::make(&unit, Purpose::Reset);
    let (to, url, until) = (&row.email, &link.url, link.expires_at);
    let letter = mail::reset(&mail::Reset { to, name: &name, face: &face, url, until })?;
    mail::send(&mut unit, scope, &letter).await?;
    // The mail goes to the address that was read; if that is theirs no more, it is not sent.
    if !store::lock_as(&mut unit.tx, scope, row.id, &row.email).await? {
        return Ok(());
    }
    link::give(&mut unit, scope, row.id, &link).await?;
    unit.commit().await
}
