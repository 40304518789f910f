//! Days on which a resource is closed, or open otherwise than in its weekly hours.

use super::hours::{DayHours, TimeOfDay};
use super::{resources, store};
use crate::app::Unit;
use crate::audit::{self, Action, Changes};
use crate::auth::WorkspaceScope;
use crate::kernel::{Error, Fields, Input, Instant, Result};
use jiff::civil::Date;
use serde::Serialize;
use skylight_db::{Cell, Column, Db, Param, Read, Value};
use utoipa::ToSchema;

/// Of one resource.
const MOST: i64 = 1_000;

/// A calendar day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Day(String);

impl Day {
    pub fn parse(text: &str) -> Option<Self> {
        // Nothing but digits in this form, whatever else reads as a date.
        let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let date: Date = if plain { text.parse().ok()? } else { return None };
        Some(Self::of(date))
    }

    pub fn of(date: Date) -> Self {
        Self(date.to_string())
    }

    pub fn date(&self) -> Option<Date> {
        self.0.parse().ok()
    }
}

impl Param for Day {
    fn value(&self) -> Value<'_> {
        Value::Text(&self.0)
    }
}

impl Column for Day {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        String::from_cell(cell).map(Self)
    }
}

/// A day of its own.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = BookingException)]
pub struct Exception {
    #[schema(example = 8)]
    pub id: i64,
    #[schema(value_type = String, example = "2026-09-23")]
    pub date: Day,
    pub closed: bool,
    /// Null when it is closed, likewise `to`.
    #[schema(value_type = Option<String>, example = "10:00")]
    pub from: Option<TimeOfDay>,
    #[schema(value_type = Option<String>, example = "14:00")]
    pub to: Option<TimeOfDay>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// What is said of a day.
#[derive(Clone, Debug, ToSchema)]
#[schema(as = BookingExceptionInput)]
pub struct ExceptionInput {
    /// By the resource's calendar. Each day has one exception at most.
    #[schema(value_type = String)]
    pub date: Day,
    /// Closed all day. Otherwise `from` and `to` are required, and replace that day's hours.
    closed: Option<bool>,
    #[schema(value_type = Option<String>, example = "10:00")]
    from: Option<TimeOfDay>,
    #[schema(value_type = Option<String>, example = "14:00")]
    to: Option<TimeOfDay>,
}

impl ExceptionInput {
    pub fn hours(&self) -> DayHours {
        self.from.zip(self.to).filter(|_| self.closed != Some(true))
    }
}

impl Input for ExceptionInput {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let field = fields.at("date").required();
        let date = field.text(64).and_then(|text| Day::parse(&text).or_else(|| field.wrong("must be a valid date")));
        let said = fields.at("closed");
        let closed = said.boolean();
        // Hours are needed unless the day is closed, which is what somebody may have meant.
        let (from, to) = match closed {
            Some(true) => (None, None),
            None if said.is_present() => return None,
            _ => resources::read_times(fields),
        };
        Some(Self { date: date?, closed, from, to })
    }
}

/// Those of a resource, by date.
pub async fn list(read: &Db, scope: WorkspaceScope, resource: i64) -> Result<Vec<Exception>> {
    resources::get(read, scope, resource).await?;
    Ok(store::setup::exceptions(read, scope, resource).await?)
}

pub async fn get(read: impl Read, scope: WorkspaceScope, resource: i64, id: i64) -> Result<Exception> {
    store::setup::find_exception(read, scope, resource, id).await?.ok_or_else(no_such)
}

/// Adds a day. Bookings that are there stay.
pub async fn create(unit: &mut Unit, scope: WorkspaceScope, resource: i64, new: &ExceptionInput) -> Result<Exception> {
    if !hold(unit, scope, resource).await? {
        return Err(resources::no_such());
    }
    if store::setup::count_exceptions(&mut unit.tx, scope, resource).await? >= MOST {
        return Err(Error::field("date", format!("A resource can have at most {MOST} exceptions.")));
    }
    let now = unit.now();
    let id = store::setup::insert_exception(&mut unit.tx, scope, resource, new, now).await?.ok_or_else(taken)?;
    audit::record(unit, scope, Action::BookingExceptionCreated, id, noted(resource, new)).await?;
    get(&mut unit.tx, scope, resource, id).await
}

/// Says anew what a day is like.
pub async fn update(
    unit: &mut Unit,
    scope: WorkspaceScope,
    resource: i64,
    id: i64,
    new: &ExceptionInput,
) -> Result<Exception> {
    if !hold(unit, scope, resource).await? {
        return Err(no_such());
    }
    let now = unit.now();
    let updated = store::setup::update_exception(&mut unit.tx, scope, resource, id, new, now).await;
    let updated = updated.map_err(|error| match error.is_unique("booking_exception_day") {
        true => taken(),
        false => error.into(),
    })?;
    if !updated {
        return Err(no_such());
    }
    audit::record(unit, scope, Action::BookingExceptionUpdated, id, noted(resource, new)).await?;
    get(&mut unit.tx, scope, resource, id).await
}

pub async fn delete(unit: &mut Unit, scope: WorkspaceScope, resource: i64, id: i64) -> Result<()> {
    if !hold(unit, scope, resource).await? || !store::setup::delete_exception(&mut unit.tx, scope, resource, id).await?
    {
        return Err(no_such());
    }
    audit::record(unit, scope, Action::BookingExceptionDeleted, id, Changes::of("resource_id", resource)).await
}

/// Whoever books a resource knows its days for certain.
async fn hold(unit: &mut Unit, scope: WorkspaceScope, resource: i64) -> Result<bool> {
    Ok(store::seats::lock_resource(&mut unit.tx, scope, resource).await?)
}

fn noted(resource: i64, new: &ExceptionInput) -> Changes {
    let (from, to) = new.hours().unzip();
    let changes = Changes::of("resource_id", resource).and("date", &new.date).and("closed", from.is_none());
    changes.and_if_given("from", from).and_if_given("to", to)
}

fn taken() -> Error {
    Error::field("date", "The date has already been taken.")
}

fn no_such() -> Error {
    Error::no_such("Exception")
}
