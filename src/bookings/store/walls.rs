//! SQL of `booking_zone_data`, and of the bookings that other zone data concern.

use super::BOOKING;
use crate::auth::WorkspaceScope;
use crate::bookings::Booking;
use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args};

/// Remembers which zone data are in use; true for who changed it.
pub async fn all_workspaces_remember(tx: &mut Tx, version: &str) -> Result<bool> {
    let sql = "UPDATE booking_zone_data SET version = $1 WHERE version <> $1";
    Ok(tx.exec(sql, args![version]).await? == 1)
}

pub async fn all_workspaces_with_bookings_to_come(tx: &mut Tx, now: Instant) -> Result<Vec<i64>> {
    tx.all("SELECT DISTINCT workspace_id FROM booking_seat WHERE ends_at > $1 ORDER BY workspace_id", args![now]).await
}

/// Active bookings that have not begun.
pub async fn to_come(read: impl Read, scope: WorkspaceScope, now: Instant) -> Result<Vec<Booking>> {
    let sql = format!(
        "SELECT {BOOKING} FROM booking
         WHERE workspace_id = $1 AND starts_at > $2 AND status IN ('pending', 'confirmed') ORDER BY id"
    );
    read.all(&sql, args![scope, now]).await
}
