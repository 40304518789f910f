//! The people of a workspace. Table: `team_member`.

mod store;

use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::kernel::error::FieldErrors;
use crate::kernel::{Email, Error, Phone, Result};
use crate::plans::meter;
use skylight_db::Read;

/// What is said of an e-mail that is somebody's login already.
pub const TAKEN: &str = "The email has already been taken.";

/// The person a workspace is born with.
#[derive(Debug)]
pub struct NewAdmin {
    pub first_name: String,
    pub last_name: String,
    pub email: Email,
    pub phone: Option<Phone>,
}

/// Adds a workspace's primary user. An e-mail is a login, so it is unique in the installation.
pub async fn create_primary(unit: &mut Unit, scope: WorkspaceScope, admin: &NewAdmin) -> Result<i64> {
    meter::take_team_member(unit, scope).await?;
    let now = unit.now();
    let inserted = store::insert_primary(&mut unit.tx, scope, admin, now).await;
    inserted.map_err(|error| if error.is_unique("team_member_email") { email_taken() } else { error.into() })
}

/// 409, naming the field as the documentation does (C3).
pub fn email_taken() -> Error {
    let mut errors = FieldErrors::default();
    errors.add("admin.email", TAKEN);
    Error::email_taken().with_errors(errors)
}

/// Whether an e-mail is somebody's login already.
pub async fn is_taken(read: impl Read, email: &Email) -> Result<bool> {
    Ok(store::all_workspaces_email_exists(read, &email.key()).await?)
}

/// Removes everybody, so that their e-mails are free at once when a workspace is deleted.
pub async fn remove_all(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    Ok(store::delete_all(&mut unit.tx, scope).await?)
}
