//! The people of a workspace: who they are, what they may do, and how they prove who they are.
//!
//! An e-mail is a login, so it is unique in the installation, whatever its case; the unique index decides. A workspace
//! always has an active admin, and the oldest of them is its primary user once the one it was born with has left.
//! Tables: `team_member`, `team_link`.

pub mod api;
mod input;
mod invite;
mod link;
pub mod pages;
mod reset;
mod sign_in;
mod store;
mod words;

pub use input::{MemberChange, MemberQuery, NewMember};
pub use invite::{Invitation, invite};
pub use sign_in::{Proved, prove, sign_in};

use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::auth::{Hashed, WorkspaceScope, sessions};
use crate::kernel::error::FieldErrors;
use crate::kernel::page::Cursor;
use crate::kernel::{Email, Error, Instant, Listing, Page, Phone, Result};
use crate::plans::meter;
use crate::words;
use serde::Serialize;
use skylight_db::{Db, Read};
use utoipa::ToSchema;

words! {
    /// What a member may do: an admin everything, an agent talks to customers.
    #[schema(as = TeamRole)]
    pub enum Role { Admin = "admin", Agent = "agent" }
}

words! {
    /// Whether a member may come in.
    #[schema(as = TeamStatus)]
    pub enum Status { Active = "active", Inactive = "inactive" }
}

/// A member of a workspace's team. Passwords never leave.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = TeamMember)]
pub struct Member {
    #[schema(example = 44)]
    pub id: i64,
    #[schema(example = "Huda Saleh")]
    pub name: String,
    /// The login.
    pub email: Email,
    pub role: Role,
    pub status: Status,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// The person a workspace is born with.
#[derive(Debug)]
pub struct NewAdmin {
    pub first_name: String,
    pub last_name: String,
    pub email: Email,
    pub phone: Option<Phone>,
}

/// What is said of an e-mail that is somebody's login already.
pub const TAKEN: &str = "The email has already been taken.";

/// A name is stored in two parts, as the partner's view of the primary user shows it; it splits at its first space.
fn split(name: &str) -> (&str, &str) {
    name.split_once(' ').unwrap_or((name, ""))
}

fn joined(first: &str, last: &str) -> String {
    if last.is_empty() { first.to_owned() } else { format!("{first} {last}") }
}

/// Adds a workspace's primary user.
pub async fn create_primary(unit: &mut Unit, scope: WorkspaceScope, admin: &NewAdmin) -> Result<i64> {
    meter::take_team_member(unit, scope).await?;
    let now = unit.now();
    let inserted = store::insert_primary(&mut unit.tx, scope, admin, now).await;
    inserted.map_err(|error| if is_taken_email(&error) { email_taken() } else { error.into() })
}

/// 409, naming the field as the documentation does (C3).
pub fn email_taken() -> Error {
    let mut errors = FieldErrors::default();
    errors.add("admin.email", TAKEN);
    Error::email_taken().with_errors(errors)
}

fn is_taken_email(error: &skylight_db::Error) -> bool {
    error.is_unique("team_member_email")
}

fn taken_or(error: skylight_db::Error) -> Error {
    if is_taken_email(&error) { Error::field("email", TAKEN) } else { error.into() }
}

/// Whether an e-mail is somebody's login already.
pub async fn is_taken(read: impl Read, email: &Email) -> Result<bool> {
    Ok(store::all_workspaces_by_email(read, &email.key()).await?.is_some())
}

/// Adds to the faults of a body the one that only the table knows: that the e-mail is the login of somebody else.
pub async fn with_taken_email(read: impl Read, email: &Email, own: Option<i64>, faults: Error) -> Result<Error> {
    let owner = store::all_workspaces_by_email(read, &email.key()).await?;
    if owner.is_none() || owner == own {
        return Ok(faults);
    }
    let mut errors = faults.public().errors.clone();
    errors.add("email", TAKEN);
    Ok(Error::fields(errors))
}

/// Adds a member, within the plan's limit, and invites them.
pub async fn create(
    unit: &mut Unit,
    scope: WorkspaceScope,
    new: &NewMember,
    password: &Hashed,
) -> Result<(Member, Invitation)> {
    let now = unit.now();
    let draft = invite::draft(unit, scope, &new.name, &new.email).await?;
    let (first_name, last_name) = split(&new.name);
    let joining =
        store::Joining { first_name, last_name, email: &new.email, role: new.role, password: password.reveal() };
    let id = store::insert(&mut unit.tx, scope, &joining, now).await.map_err(taken_or)?;
    let changes = Changes::of("name", &new.name).and("email", &new.email).and("role", new.role);
    audit::record(unit, scope, Action::MemberCreated, id, changes).await?;
    let invitation = invite::give(unit, scope, id, &new.email, draft).await?;
    meter::take_team_member(unit, scope).await?;
    Ok((get(&mut unit.tx, scope, id).await?, invitation))
}

pub async fn get(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Member> {
    Ok(store::find(read, scope, id).await?.ok_or_else(no_such)?.member())
}

/// One page, newest first.
pub async fn list(db: &Db, scope: WorkspaceScope, role: Option<Role>, page: Page) -> Result<Listing<Member>> {
    let rows = store::page(db, scope, role, page).await?;
    let total = async { Ok(store::count(db, scope, role).await?) };
    Ok(Listing::of(page, rows, |row| Cursor::id(row.id), total).await?.map(|row| row.member()))
}

/// Changes what is said and leaves the rest.
pub async fn update(
    unit: &mut Unit,
    scope: WorkspaceScope,
    id: i64,
    change: &MemberChange,
    password: Option<&Hashed>,
) -> Result<Member> {
    store::lock_all(&mut unit.tx, scope).await?;
    let before = store::find(&mut unit.tx, scope, id).await?.ok_or_else(no_such)?;
    let mut row = change.applied_to(before.clone());
    if row == before && password.is_none() {
        return Ok(before.member());
    }
    row.updated_at = unit.now();
    let written = store::update(&mut unit.tx, scope, &row, password.map(Hashed::reveal)).await.map_err(taken_or)?;
    if !written {
        return Err(Error::last_admin());
    }
    if invite::is_void_after(&before, &row, password.is_some()) {
        store::void_links(&mut unit.tx, scope, id, None).await?;
        sessions::end_member(unit, scope, id).await?;
    }
    store::appoint_primary(&mut unit.tx, scope).await?;
    // A role holds from the next request on.
    unit.changed();
    audit::record(unit, scope, Action::MemberUpdated, id, differences(&before, &row, password)).await?;
    Ok(row.member())
}

/// Of a password only that it is another one.
fn differences(before: &store::MemberRow, after: &store::MemberRow, password: Option<&Hashed>) -> Changes {
    let name = |row: &store::MemberRow| joined(&row.first_name, &row.last_name);
    Changes::none()
        .and_if_given("name", (name(before) != name(after)).then(|| name(after)))
        .and_if_given("email", (before.email != after.email).then_some(&after.email))
        .and_if_given("role", (before.role != after.role).then_some(after.role))
        .and_if_given("status", (before.status != after.status).then_some(after.status))
        .and_if_given("password_changed", password.map(|_| true))
}

/// Removes a member; their e-mail and their place are free.
pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    store::lock_all(&mut unit.tx, scope).await?;
    if !store::delete(&mut unit.tx, scope, id).await? {
        get(&mut unit.tx, scope, id).await?;
        return Err(Error::last_admin());
    }
    store::appoint_primary(&mut unit.tx, scope).await?;
    unit.changed();
    audit::record(unit, scope, Action::MemberRemoved, id, Changes::none()).await?;
    meter::give_back_team_member(unit, scope).await
}

/// Somebody who is told what concerns the whole workspace.
#[derive(Debug)]
pub struct Admin {
    pub name: String,
    pub email: Email,
}

/// Who is told what concerns the whole workspace: its active admins, the first of them if they are many.
pub async fn admins(read: impl Read, scope: WorkspaceScope) -> Result<Vec<Admin>> {
    const MOST: i64 = 20;
    let rows = store::admins(read, scope, MOST).await?;
    Ok(rows.into_iter().map(|(first, last, email)| Admin { name: joined(&first, &last), email }).collect())
}

/// Removes everybody, so that their e-mails are free at once when a workspace is deleted.
pub async fn remove_all(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    Ok(store::delete_all(&mut unit.tx, scope).await?)
}

fn no_such() -> Error {
    Error::no_such("Team member")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_as_it_was_given() {
        for (name, first, last) in [
            ("Huda Saleh", "Huda", "Saleh"),
            ("Abu  Bakr al-Razi", "Abu", " Bakr al-Razi"),
            ("سارة", "سارة", ""),
            ("Dr. Huda Saleh", "Dr.", "Huda Saleh"),
        ] {
            assert_eq!(split(name), (first, last));
            assert_eq!(joined(first, last), name);
        }
    }
}
