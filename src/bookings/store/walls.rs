//! SQL of `booking_zone_data`, and of what other zone data concern.

use super::BOOKING;
use super::setup::TYPE;
use crate::auth::WorkspaceScope;
use crate::bookings::Booking;
use crate::bookings::types::BookingType;
use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args};

/// Remembers which zone data are in use, if they are later ones; true for who changed it.
pub async fn all_workspaces_remember(tx: &mut Tx, version: &str) -> Result<bool> {
    let sql = "UPDATE booking_zone_data SET version = $1 WHERE version < $1";
    Ok(tx.exec(sql, args![version]).await? == 1)
}

/// The latest zone data that were ever in use.
pub async fn all_workspaces_version(tx: &mut Tx) -> Result<String> {
    tx.one("SELECT version FROM booking_zone_data", args![]).await
}

/// Workspaces and their resources that are booked for a time to come.
pub async fn all_workspaces_booked(tx: &mut Tx, now: Instant) -> Result<Vec<(i64, i64)>> {
    let sql = "SELECT DISTINCT workspace_id, resource_id FROM booking_seat WHERE ends_at > $1 ORDER BY 1, 2";
    tx.all(sql, args![now]).await
}

/// Active bookings with a resource that have not begun.
pub async fn to_come(read: impl Read, scope: WorkspaceScope, resource: i64, now: Instant) -> Result<Vec<Booking>> {
    let sql = format!(
        "SELECT {BOOKING} FROM booking WHERE workspace_id = $1 AND resource_id = $2 AND starts_at > $3
           AND status IN ('pending', 'confirmed') ORDER BY starts_at, id"
    );
    read.all(&sql, args![scope, resource, now]).await
}

/// All types, deleted ones too.
pub async fn types(read: impl Read, scope: WorkspaceScope) -> Result<Vec<BookingType>> {
    let sql = format!("SELECT {TYPE} FROM booking_type WHERE workspace_id = $1");
    read.all(&sql, args![scope]).await
}
