//! All SQL of `booking_seat`, and the locks on resources under which it is written: whoever gives or takes a seat holds the
//! resource's row, so that what is read of its seats holds until the end.

use crate::auth::WorkspaceScope;
use crate::bookings::seats::Taken;
use crate::kernel::Instant;
use skylight_db::{Param, Read, Result, Tx, Value, args, from_row, list, padded};

/// Holds a resource's row until the end of the transaction; false if there is none. Who only refers to it does not wait.
pub async fn lock_resource(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<bool> {
    let lock = tx.for_no_key_update();
    let sql =
        format!("SELECT id FROM booking_resource WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL {lock}");
    Ok(tx.opt::<i64>(&sql, args![scope, id]).await?.is_some())
}

/// Likewise, several of them in the order of their ids, deleted ones too.
pub async fn lock_resources(tx: &mut Tx, scope: WorkspaceScope, ids: &[i64]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let (names, mut values) = padded(2, ids);
    values.insert(0, scope.value());
    let lock = tx.for_no_key_update();
    let sql = format!("SELECT id FROM booking_resource WHERE workspace_id = $1 AND id IN ({names}) ORDER BY id {lock}");
    tx.all::<i64>(&sql, &values).await.map(|_| ())
}

/// Whether somebody has booked a resource for a time to come.
pub async fn is_booked(tx: &mut Tx, scope: WorkspaceScope, resource: i64, now: Instant) -> Result<bool> {
    let sql = "SELECT booking_id FROM booking_seat WHERE workspace_id = $1 AND resource_id = $2 AND ends_at > $3
               AND (held_until IS NULL OR held_until > $3) LIMIT 1";
    Ok(tx.opt::<i64>(sql, args![scope, resource, now]).await?.is_some())
}

/// When a place of a resource is taken.
pub struct BusyRow {
    pub resource: i64,
    pub from: Instant,
    pub to: Instant,
}

from_row!(BusyRow { resource, from, to });

/// When places of resources are taken in a span, by others than a booking. Holds that are over take nothing. All of it stands
/// in the index.
pub async fn busy(
    read: impl Read,
    scope: WorkspaceScope,
    resources: &[i64],
    (from, to): (Instant, Instant),
    but: Option<i64>,
    now: Instant,
) -> Result<Vec<BusyRow>> {
    let (names, mut values) = padded(6, resources);
    values.splice(0..0, [scope.value(), from.value(), to.value(), now.value(), Value::Int(but.unwrap_or(0))]);
    let sql = format!(
        "SELECT resource_id, starts_at, ends_at FROM booking_seat
         WHERE workspace_id = $1 AND resource_id IN ({names}) AND ends_at > $2 AND starts_at < $3
           AND (held_until IS NULL OR held_until > $4) AND booking_id <> $5"
    );
    read.all(&sql, &values).await
}

from_row!(Taken { booking, seat, from, to });

/// The places of a resource that are taken at any moment of a span. Holds that are over take nothing.
pub async fn taken(
    tx: &mut Tx,
    scope: WorkspaceScope,
    resource: i64,
    (from, to): (Instant, Instant),
    now: Instant,
) -> Result<Vec<Taken>> {
    tx.all(
        "SELECT booking_id, seat, starts_at, ends_at FROM booking_seat
         WHERE workspace_id = $1 AND resource_id = $2 AND ends_at > $3 AND starts_at < $4
           AND (held_until IS NULL OR held_until > $5)",
        args![scope, resource, from, to, now],
    )
    .await
}

/// Bookings whose holds on resources are over, though nobody has noticed.
pub async fn lapsed(tx: &mut Tx, scope: WorkspaceScope, resources: &[i64], now: Instant) -> Result<Vec<i64>> {
    let (names, mut values) = padded(3, resources);
    values.splice(0..0, [scope.value(), now.value()]);
    let sql = format!(
        "SELECT booking_id FROM booking_seat
         WHERE workspace_id = $1 AND resource_id IN ({names}) AND held_until IS NOT NULL AND held_until <= $2
         ORDER BY booking_id"
    );
    tx.all(&sql, &values).await
}

pub async fn give(
    tx: &mut Tx,
    scope: WorkspaceScope,
    resource: i64,
    taken: &Taken,
    held_until: Option<Instant>,
) -> Result<()> {
    tx.exec(
        "INSERT INTO booking_seat (workspace_id, booking_id, resource_id, seat, starts_at, ends_at, held_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![scope, taken.booking, resource, taken.seat, taken.from, taken.to, held_until],
    )
    .await
    .map(|_| ())
}

/// Frees the place of a booking.
pub async fn free(tx: &mut Tx, scope: WorkspaceScope, booking: i64) -> Result<()> {
    let sql = "DELETE FROM booking_seat WHERE workspace_id = $1 AND booking_id = $2";
    tx.exec(sql, args![scope, booking]).await.map(|_| ())
}

/// It is a hold no longer.
pub async fn keep(tx: &mut Tx, scope: WorkspaceScope, booking: i64) -> Result<()> {
    let sql = "UPDATE booking_seat SET held_until = NULL WHERE workspace_id = $1 AND booking_id = $2";
    tx.exec(sql, args![scope, booking]).await.map(|_| ())
}

/// Holds bookings' rows, so that none goes with its contact while its place changes; answers those that are there.
pub async fn lock_bookings(tx: &mut Tx, scope: WorkspaceScope, ids: &[i64]) -> Result<Vec<i64>> {
    let (names, mut values) = padded(2, ids);
    values.insert(0, scope.value());
    let lock = tx.for_no_key_update();
    let sql = format!("SELECT id FROM booking WHERE workspace_id = $1 AND id IN ({names}) ORDER BY id {lock}");
    tx.all(&sql, &values).await
}

/// Gives bookings that are held other places of their resource, all at once.
pub async fn rearrange(tx: &mut Tx, scope: WorkspaceScope, resource: i64, places: &[Taken]) -> Result<()> {
    let ids: Vec<i64> = places.iter().map(|place| place.booking).collect();
    let (names, mut values) = padded(2, &ids);
    values.insert(0, scope.value());
    let sql = format!(
        "DELETE FROM booking_seat WHERE workspace_id = $1 AND booking_id IN ({names}) RETURNING booking_id, held_until"
    );
    let held: Vec<(i64, Option<Instant>)> = tx.all(&sql, &values).await?;
    let until = |id: i64| held.iter().find(|(booking, _)| *booking == id).map(|(_, until)| *until);
    let places: Vec<_> = places.iter().filter_map(|place| until(place.booking).map(|until| (place, until))).collect();
    let rows: Vec<_> = places
        .iter()
        .map(|(place, until)| list![&scope, &place.booking, &resource, &place.seat, &place.from, &place.to, until])
        .collect();
    tx.exec_many(
        "INSERT INTO booking_seat (workspace_id, booking_id, resource_id, seat, starts_at, ends_at, held_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &rows,
    )
    .await
    .map(|_| ())
}
