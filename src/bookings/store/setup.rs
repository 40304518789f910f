//! All SQL of `booking_type`, `booking_resource`, `booking_resource_type` and `booking_exception`.

use crate::auth::WorkspaceScope;
use crate::bookings::exceptions::{Day, Exception, ExceptionInput};
use crate::bookings::hours::{DayHours, OpeningHours, TimeOfDay};
use crate::bookings::resources::Resource;
use crate::bookings::types::BookingType;
use crate::kernel::Instant;
use skylight_db::{Cell, Column, FromRow, Param, Read, Result, Row, Tx, args, from_row, list, padded};

/// A type as [`FromRow`] reads it.
pub(super) const TYPE: &str = "id, name, duration_minutes, description, buffer_before_minutes, buffer_after_minutes,
    min_notice_minutes, max_days_ahead, slot_step_minutes, auto_complete, reminders, is_active, created_at,
    updated_at";

from_row!(BookingType {
    id,
    name,
    duration_minutes,
    description,
    buffer_before_minutes,
    buffer_after_minutes,
    min_notice_minutes,
    max_days_ahead,
    slot_step_minutes,
    auto_complete,
    reminders,
    is_active,
    created_at,
    updated_at
});

pub async fn types(read: impl Read, scope: WorkspaceScope) -> Result<Vec<BookingType>> {
    let sql = format!("SELECT {TYPE} FROM booking_type WHERE workspace_id = $1 AND deleted_at IS NULL ORDER BY id");
    read.all(&sql, args![scope]).await
}

pub async fn find_type(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<BookingType>> {
    let sql = format!("SELECT {TYPE} FROM booking_type WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL");
    read.opt(&sql, args![scope, id]).await
}

/// Also one that is deleted: its bookings are still moved.
pub async fn type_of_booking(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<BookingType> {
    let sql = format!("SELECT {TYPE} FROM booking_type WHERE workspace_id = $1 AND id = $2");
    read.one(&sql, args![scope, id]).await
}

pub async fn type_ids(read: impl Read, scope: WorkspaceScope) -> Result<Vec<i64>> {
    read.all("SELECT id FROM booking_type WHERE workspace_id = $1 AND deleted_at IS NULL", args![scope]).await
}

pub async fn count_types(read: impl Read, scope: WorkspaceScope) -> Result<i64> {
    read.one("SELECT COUNT(*) FROM booking_type WHERE workspace_id = $1 AND deleted_at IS NULL", args![scope]).await
}

pub async fn insert_type(tx: &mut Tx, scope: WorkspaceScope, new: &BookingType) -> Result<i64> {
    tx.one(
        "INSERT INTO booking_type (workspace_id, name, duration_minutes, description, buffer_before_minutes,
             buffer_after_minutes, min_notice_minutes, max_days_ahead, slot_step_minutes, auto_complete, reminders,
             is_active, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13) RETURNING id",
        args![
            scope,
            new.name,
            new.duration_minutes,
            new.description,
            new.buffer_before_minutes,
            new.buffer_after_minutes,
            new.min_notice_minutes,
            new.max_days_ahead,
            new.slot_step_minutes,
            new.auto_complete,
            new.reminders.stored(),
            new.is_active,
            new.created_at
        ],
    )
    .await
}

/// Holds a type's row until the end of the transaction; false if there is none.
pub async fn lock_type(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<bool> {
    let lock = tx.for_no_key_update();
    let sql = format!("SELECT id FROM booking_type WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL {lock}");
    Ok(tx.opt::<i64>(&sql, args![scope, id]).await?.is_some())
}

/// Keeps a type from being changed or deleted until the end of the transaction. Others may keep it too.
pub async fn keep_type(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<()> {
    let lock = tx.for_share();
    let sql = format!("SELECT id FROM booking_type WHERE workspace_id = $1 AND id = $2 {lock}");
    tx.opt::<i64>(&sql, args![scope, id]).await.map(|_| ())
}

pub async fn update_type(tx: &mut Tx, scope: WorkspaceScope, kind: &BookingType) -> Result<()> {
    tx.exec(
        "UPDATE booking_type SET name = $3, duration_minutes = $4, description = $5, buffer_before_minutes = $6,
             buffer_after_minutes = $7, min_notice_minutes = $8, max_days_ahead = $9, slot_step_minutes = $10,
             auto_complete = $11, reminders = $12, is_active = $13, updated_at = $14
         WHERE workspace_id = $1 AND id = $2",
        args![
            scope,
            kind.id,
            kind.name,
            kind.duration_minutes,
            kind.description,
            kind.buffer_before_minutes,
            kind.buffer_after_minutes,
            kind.min_notice_minutes,
            kind.max_days_ahead,
            kind.slot_step_minutes,
            kind.auto_complete,
            kind.reminders.stored(),
            kind.is_active,
            kind.updated_at
        ],
    )
    .await
    .map(|_| ())
}

pub async fn delete_type(tx: &mut Tx, scope: WorkspaceScope, id: i64, now: Instant) -> Result<bool> {
    let sql = "UPDATE booking_type SET deleted_at = $3 WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL";
    Ok(tx.exec(sql, args![scope, id, now]).await? == 1)
}

/// No resource serves this type any more.
pub async fn serve_no_more(tx: &mut Tx, scope: WorkspaceScope, kind: i64) -> Result<()> {
    let sql = "DELETE FROM booking_resource_type WHERE workspace_id = $1 AND booking_type_id = $2";
    tx.exec(sql, args![scope, kind]).await.map(|_| ())
}

/// A resource `r` as [`FromRow`] reads it; `$1` is the workspace.
const RESOURCE: &str = "r.id, r.name, r.type, r.timezone, r.capacity, r.serves_all,
    (SELECT string_agg(CAST(s.booking_type_id AS TEXT), ',' ORDER BY s.booking_type_id) FROM booking_resource_type AS s
     WHERE s.workspace_id = $1 AND s.resource_id = r.id), r.hours, r.is_active, r.created_at, r.updated_at";

impl FromRow for Resource {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let mut cells = row.cells();
        Ok(Self {
            id: cells.next()?,
            name: cells.next()?,
            kind: cells.next()?,
            timezone: cells.next()?,
            capacity: cells.next()?,
            booking_type_ids: {
                let (serves_all, ids): (bool, Option<String>) = (cells.next()?, cells.next()?);
                let ids = ids.unwrap_or_default();
                (!serves_all).then(|| ids.split(',').filter_map(|id| id.parse().ok()).collect())
            },
            hours: cells.next::<Hours>()?.0,
            is_active: cells.next()?,
            created_at: cells.next()?,
            updated_at: cells.next()?,
        })
    }
}

/// Weekly hours as they are stored.
struct Hours(Vec<OpeningHours>);

impl Column for Hours {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        serde_json::from_str(&String::from_cell(cell)?).map(Self).map_err(|error| error.to_string())
    }
}

fn stored(hours: &[OpeningHours]) -> String {
    serde_json::to_string(hours).unwrap_or_default()
}

pub async fn resources(read: impl Read, scope: WorkspaceScope) -> Result<Vec<Resource>> {
    let sql = format!(
        "SELECT {RESOURCE} FROM booking_resource AS r WHERE r.workspace_id = $1 AND r.deleted_at IS NULL ORDER BY r.id"
    );
    read.all(&sql, args![scope]).await
}

pub async fn find_resource(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<Resource>> {
    let sql = format!(
        "SELECT {RESOURCE} FROM booking_resource AS r WHERE r.workspace_id = $1 AND r.id = $2 AND r.deleted_at IS NULL"
    );
    read.opt(&sql, args![scope, id]).await
}

/// Also of one that is deleted.
pub async fn resource_name(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<String> {
    read.one("SELECT name FROM booking_resource WHERE workspace_id = $1 AND id = $2", args![scope, id]).await
}

/// Those that take bookings of a type, or the one of them that is named. One may be known to serve it already.
pub async fn serving(
    read: impl Read,
    scope: WorkspaceScope,
    kind: i64,
    named: Option<i64>,
    known: Option<i64>,
) -> Result<Vec<Resource>> {
    let sql = format!(
        "SELECT {RESOURCE} FROM booking_resource AS r
         WHERE r.workspace_id = $1 AND r.deleted_at IS NULL AND r.is_active AND (r.id = $3 OR $3 IS NULL)
           AND (r.serves_all OR r.id = $4 OR EXISTS (SELECT 1 FROM booking_resource_type AS s
                WHERE s.workspace_id = $1 AND s.resource_id = r.id AND s.booking_type_id = $2))
         ORDER BY r.id"
    );
    read.all(&sql, args![scope, kind, named, known]).await
}

pub async fn count_resources(read: impl Read, scope: WorkspaceScope) -> Result<i64> {
    read.one("SELECT COUNT(*) FROM booking_resource WHERE workspace_id = $1 AND deleted_at IS NULL", args![scope]).await
}

pub async fn insert_resource(tx: &mut Tx, scope: WorkspaceScope, new: &Resource) -> Result<i64> {
    let hours = stored(&new.hours);
    tx.one(
        "INSERT INTO booking_resource (workspace_id, name, type, timezone, capacity, serves_all, hours, is_active,
             created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING id",
        args![
            scope,
            new.name,
            new.kind,
            new.timezone,
            new.capacity,
            new.booking_type_ids.is_none(),
            hours,
            new.is_active,
            new.created_at
        ],
    )
    .await
}

pub async fn update_resource(tx: &mut Tx, scope: WorkspaceScope, resource: &Resource) -> Result<()> {
    let hours = stored(&resource.hours);
    tx.exec(
        "UPDATE booking_resource SET name = $3, type = $4, timezone = $5, capacity = $6, serves_all = $7, hours = $8,
             is_active = $9, updated_at = $10
         WHERE workspace_id = $1 AND id = $2",
        args![
            scope,
            resource.id,
            resource.name,
            resource.kind,
            resource.timezone,
            resource.capacity,
            resource.booking_type_ids.is_none(),
            hours,
            resource.is_active,
            resource.updated_at
        ],
    )
    .await
    .map(|_| ())
}

/// Only for whoever holds the row.
pub async fn delete_resource(tx: &mut Tx, scope: WorkspaceScope, id: i64, now: Instant) -> Result<()> {
    let sql = "UPDATE booking_resource SET deleted_at = $3 WHERE workspace_id = $1 AND id = $2";
    tx.exec(sql, args![scope, id, now]).await.map(|_| ())
}

pub async fn serve_nothing(tx: &mut Tx, scope: WorkspaceScope, resource: i64) -> Result<()> {
    let sql = "DELETE FROM booking_resource_type WHERE workspace_id = $1 AND resource_id = $2";
    tx.exec(sql, args![scope, resource]).await.map(|_| ())
}

pub async fn serve(tx: &mut Tx, scope: WorkspaceScope, resource: i64, types: &[i64]) -> Result<()> {
    let rows: Vec<_> = types.iter().map(|kind| list![&scope, &resource, kind]).collect();
    tx.exec_many(
        "INSERT INTO booking_resource_type (workspace_id, resource_id, booking_type_id) VALUES ($1, $2, $3)",
        &rows,
    )
    .await
    .map(|_| ())
}

impl FromRow for Exception {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let mut cells = row.cells();
        let (id, date) = (cells.next()?, cells.next()?);
        let time = |minutes: Option<i64>| minutes.and_then(TimeOfDay::of_minutes);
        let (from, to) = (time(cells.next()?), time(cells.next()?));
        Ok(Self { id, date, closed: from.is_none(), from, to, created_at: cells.next()?, updated_at: cells.next()? })
    }
}

pub async fn exceptions(read: impl Read, scope: WorkspaceScope, resource: i64) -> Result<Vec<Exception>> {
    read.all(
        "SELECT id, date, opens, closes, created_at, updated_at FROM booking_exception
         WHERE workspace_id = $1 AND resource_id = $2 ORDER BY date",
        args![scope, resource],
    )
    .await
}

/// A day of a resource.
pub struct DayRow {
    pub resource: i64,
    pub date: Day,
    opens: Option<i64>,
    closes: Option<i64>,
}

from_row!(DayRow { resource, date, opens, closes });

impl DayRow {
    pub fn hours(&self) -> DayHours {
        let time = |minutes: Option<i64>| minutes.and_then(TimeOfDay::of_minutes);
        time(self.opens).zip(time(self.closes))
    }
}

/// The days of resources from one to another.
pub async fn days(
    read: impl Read,
    scope: WorkspaceScope,
    resources: &[i64],
    from: &Day,
    to: &Day,
) -> Result<Vec<DayRow>> {
    let (names, mut values) = padded(4, resources);
    values.splice(0..0, [scope.value(), from.value(), to.value()]);
    let sql = format!(
        "SELECT resource_id, date, opens, closes FROM booking_exception
         WHERE workspace_id = $1 AND resource_id IN ({names}) AND date >= $2 AND date <= $3"
    );
    read.all(&sql, &values).await
}

pub async fn find_exception(
    read: impl Read,
    scope: WorkspaceScope,
    resource: i64,
    id: i64,
) -> Result<Option<Exception>> {
    read.opt(
        "SELECT e.id, e.date, e.opens, e.closes, e.created_at, e.updated_at FROM booking_exception AS e
         JOIN booking_resource AS r ON r.workspace_id = e.workspace_id AND r.id = e.resource_id AND r.deleted_at IS NULL
         WHERE e.workspace_id = $1 AND e.resource_id = $2 AND e.id = $3",
        args![scope, resource, id],
    )
    .await
}

pub async fn count_exceptions(read: impl Read, scope: WorkspaceScope, resource: i64) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM booking_exception WHERE workspace_id = $1 AND resource_id = $2";
    read.one(sql, args![scope, resource]).await
}

/// None when the day is taken.
pub async fn insert_exception(
    tx: &mut Tx,
    scope: WorkspaceScope,
    resource: i64,
    new: &ExceptionInput,
    now: Instant,
) -> Result<Option<i64>> {
    let (opens, closes) = minutes(new);
    tx.opt(
        "INSERT INTO booking_exception (workspace_id, resource_id, date, opens, closes, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (workspace_id, resource_id, date) DO NOTHING RETURNING id",
        args![scope, resource, new.date, opens, closes, now],
    )
    .await
}

pub async fn update_exception(
    tx: &mut Tx,
    scope: WorkspaceScope,
    resource: i64,
    id: i64,
    new: &ExceptionInput,
    now: Instant,
) -> Result<bool> {
    let (opens, closes) = minutes(new);
    let changed = tx
        .exec(
            "UPDATE booking_exception SET date = $4, opens = $5, closes = $6, updated_at = $7
             WHERE workspace_id = $1 AND resource_id = $2 AND id = $3",
            args![scope, resource, id, new.date, opens, closes, now],
        )
        .await?;
    Ok(changed == 1)
}

fn minutes(new: &ExceptionInput) -> (Option<i64>, Option<i64>) {
    new.hours().map(|(from, to)| (from.minutes(), to.minutes())).unzip()
}

pub async fn delete_exception(tx: &mut Tx, scope: WorkspaceScope, resource: i64, id: i64) -> Result<bool> {
    let sql = "DELETE FROM booking_exception WHERE workspace_id = $1 AND resource_id = $2 AND id = $3";
    Ok(tx.exec(sql, args![scope, resource, id]).await? == 1)
}
