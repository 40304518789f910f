//! Departments of a partner's support, which tickets are put into.

use super::store;
use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::kernel::fields::{Fields, Input};
use crate::kernel::{Error, Instant, Result};
use crate::workspaces;
use futures_util::future::BoxFuture;
use serde::Serialize;
use skylight_db::{Db, Read};
use utoipa::ToSchema;

/// A department as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Department {
    #[schema(example = 3)]
    pub id: i64,
    #[schema(example = "Billing")]
    pub title: String,
}

/// A department as its partner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeskDepartment {
    #[schema(example = 3)]
    pub id: i64,
    #[schema(example = "Billing")]
    pub title: String,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// What a department is to be called.
#[derive(Clone, Debug, ToSchema)]
pub struct DepartmentInput {
    #[schema(max_length = 255)]
    pub title: String,
}

impl Input for DepartmentInput {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { title: fields.at("title").required().text(255)? })
    }
}

/// Departments of one partner.
const MOST: i64 = 100;
const FIRST: &str = "Support";

/// The first department of a new partner.
pub fn open_desk(unit: &mut Unit, partner: PartnerScope) -> BoxFuture<'_, Result<()>> {
    Box::pin(async move {
        let input = DepartmentInput { title: FIRST.to_owned() };
        add_department(unit, partner, &input).await.map(|_| ())
    })
}

/// The departments that a workspace can write to, in the order they were made.
pub async fn departments(db: &Db, scope: WorkspaceScope) -> Result<Vec<Department>> {
    let (partner, _) = workspaces::partner_of(db, scope).await?;
    let all = store::departments(db, partner).await?;
    Ok(all.into_iter().map(|DeskDepartment { id, title, .. }| Department { id, title }).collect())
}

pub async fn desk_departments(read: impl Read, partner: PartnerScope) -> Result<Vec<DeskDepartment>> {
    Ok(store::departments(read, partner).await?)
}

pub async fn department(read: impl Read, partner: PartnerScope, id: i64) -> Result<DeskDepartment> {
    store::department(read, partner, id).await?.ok_or_else(no_such)
}

pub async fn add_department(unit: &mut Unit, partner: PartnerScope, new: &DepartmentInput) -> Result<DeskDepartment> {
    let now = unit.now();
    // Whoever adds holds the first department, so that the last place is given away once.
    store::hold_department(&mut unit.tx, partner, None).await?;
    if store::count_departments(&mut unit.tx, partner).await? >= MOST {
        return Err(Error::field("title", format!("You can have at most {MOST} departments.")));
    }
    let made = store::insert_department(&mut unit.tx, partner, &new.title, now).await?.ok_or_else(taken)?;
    let changes = Changes::of("title", &made.title);
    audit::record_for_partner(unit, partner, Action::DepartmentCreated, made.id, changes).await?;
    Ok(made)
}

pub async fn change_department(
    unit: &mut Unit,
    partner: PartnerScope,
    id: i64,
    change: &DepartmentInput,
) -> Result<DeskDepartment> {
    let now = unit.now();
    let changed = store::update_department(&mut unit.tx, partner, id, &change.title, now).await;
    let is_taken = |error: &skylight_db::Error| error.is_unique("ticket_department_title");
    let changed =
        changed.map_err(|error| if is_taken(&error) { taken() } else { error.into() })?.ok_or_else(no_such)?;
    let changes = Changes::of("title", &changed.title);
    audit::record_for_partner(unit, partner, Action::DepartmentUpdated, id, changes).await?;
    Ok(changed)
}

/// Removes a department; its tickets are in none from then on.
pub async fn remove_department(unit: &mut Unit, partner: PartnerScope, id: i64) -> Result<()> {
    // Held from here on, so that nobody puts another ticket into it.
    store::hold_department(&mut unit.tx, partner, Some(id)).await?.ok_or_else(no_such)?;
    store::all_workspaces_clear_department(&mut unit.tx, partner, id).await?;
    store::delete_department(&mut unit.tx, partner, id).await?;
    audit::record_for_partner(unit, partner, Action::DepartmentRemoved, id, Changes::none()).await
}

/// Whether a department is there that a new ticket names.
pub(super) async fn check(read: impl Read, partner: PartnerScope, asked: i64) -> Result<()> {
    store::department(read, partner, asked).await?.map(|_| ()).ok_or_else(not_selected)
}

fn not_selected() -> Error {
    Error::field("department_id", "The selected department id is invalid.")
}

/// The department for a new ticket: the one asked for, or else the first there is. It is held to the end of the unit, so
/// that it is not removed meanwhile.
pub(super) async fn to_put_in(unit: &mut Unit, partner: PartnerScope, asked: Option<i64>) -> Result<Option<i64>> {
    if asked.is_some() {
        let held = store::hold_department(&mut unit.tx, partner, asked).await?;
        return held.map(Some).ok_or_else(not_selected);
    }
    // The first one may be removed while this waits for it: then another is the first.
    while store::count_departments(&mut unit.tx, partner).await? > 0 {
        if let Some(held) = store::hold_department(&mut unit.tx, partner, None).await? {
            return Ok(Some(held));
        }
    }
    Ok(None)
}

fn no_such() -> Error {
    Error::no_such("Department")
}

fn taken() -> Error {
    Error::field("title", "The title has already been taken.")
}
