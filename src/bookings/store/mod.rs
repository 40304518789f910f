//! All SQL of `booking` and `booking_history`; that of the set-up, the seats and the reminders stands beside.

pub mod feeds;
pub mod listing;
pub mod reminders;
pub mod seats;
pub mod setup;
pub mod walls;

use super::history::{Action, Entry};
use super::{Booking, BookingStatus};
use crate::app::Actor;
use crate::auth::WorkspaceScope;
use crate::kernel::Instant;
use skylight_db::{FromRow, Param, Read, Result, Row, Tx, args, from_row, padded};

/// A booking as [`FromRow`] reads it.
const BOOKING: &str = "id, contact_id, booking_type_id, resource_id, title, starts_at, ends_at, timezone,
    local_starts_at, status, notes, cancel_reason, held_until, cancelled_at, completed_at, created_at, updated_at";

from_row!(Booking {
    id,
    contact_id,
    booking_type_id,
    resource_id,
    title,
    starts_at,
    ends_at,
    timezone,
    starts_at_local,
    status,
    notes,
    cancel_reason,
    held_until,
    cancelled_at,
    completed_at,
    created_at,
    updated_at
});

pub async fn insert(tx: &mut Tx, scope: WorkspaceScope, new: &Booking, due_at: Option<Instant>) -> Result<i64> {
    tx.one(
        "INSERT INTO booking (workspace_id, contact_id, booking_type_id, resource_id, title, starts_at, ends_at, timezone,
             local_starts_at, status, notes, held_until, due_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14) RETURNING id",
        args![
            scope,
            new.contact_id,
            new.booking_type_id,
            new.resource_id,
            new.title,
            new.starts_at,
            new.ends_at,
            new.timezone,
            new.starts_at_local,
            new.status,
            new.notes,
            new.held_until,
            due_at,
            new.created_at
        ],
    )
    .await
}

pub async fn find(read: impl Read, scope: WorkspaceScope, id: i64) -> Result<Option<Booking>> {
    let sql = format!("SELECT {BOOKING} FROM booking WHERE workspace_id = $1 AND id = $2");
    read.opt(&sql, args![scope, id]).await
}

pub async fn find_many(read: impl Read, scope: WorkspaceScope, ids: &[i64]) -> Result<Vec<Booking>> {
    let (names, mut values) = padded(2, ids);
    values.insert(0, scope.value());
    let sql = format!("SELECT {BOOKING} FROM booking WHERE workspace_id = $1 AND id IN ({names}) ORDER BY id");
    read.all(&sql, &values).await
}

/// Writes what a booking is now, if its status is still this one.
pub async fn update(
    tx: &mut Tx,
    scope: WorkspaceScope,
    from: BookingStatus,
    booking: &Booking,
    due_at: Option<Instant>,
) -> Result<bool> {
    let changed = tx
        .exec(
            "UPDATE booking SET resource_id = $4, starts_at = $5, ends_at = $6, timezone = $7, local_starts_at = $8,
                 status = $9, notes = $10, cancel_reason = $11, held_until = $12, due_at = $13, cancelled_at = $14,
                 completed_at = $15, updated_at = $16,
                 revision = revision + CASE WHEN resource_id <> $4 OR starts_at <> $5 OR ends_at <> $6 OR status <> $9
                                            THEN 1 ELSE 0 END
             WHERE workspace_id = $1 AND id = $2 AND status = $3",
            args![
                scope,
                booking.id,
                from,
                booking.resource_id,
                booking.starts_at,
                booking.ends_at,
                booking.timezone,
                booking.starts_at_local,
                booking.status,
                booking.notes,
                booking.cancel_reason,
                booking.held_until,
                due_at,
                booking.cancelled_at,
                booking.completed_at,
                booking.updated_at
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// Bookings whose state changes by itself now, and their resources.
pub async fn due(tx: &mut Tx, scope: WorkspaceScope, now: Instant, limit: i64) -> Result<Vec<(i64, i64)>> {
    tx.all(
        "SELECT id, resource_id FROM booking
         WHERE workspace_id = $1 AND due_at IS NOT NULL AND due_at <= $2 ORDER BY due_at LIMIT $3",
        args![scope, now, limit],
    )
    .await
}

/// When bookings of these resources begin, without the cancelled ones.
pub async fn starts(
    read: impl Read,
    scope: WorkspaceScope,
    resources: &[i64],
    from: Instant,
    to: Instant,
) -> Result<Vec<(i64, Instant)>> {
    let (names, mut values) = padded(4, resources);
    values.splice(0..0, [scope.value(), from.value(), to.value()]);
    let sql = format!(
        "SELECT resource_id, starts_at FROM booking WHERE workspace_id = $1 AND resource_id IN ({names})
           AND starts_at >= $2 AND starts_at < $3 AND status <> 'cancelled'"
    );
    read.all(&sql, &values).await
}

pub async fn note(
    tx: &mut Tx,
    scope: WorkspaceScope,
    booking: &Booking,
    action: Action,
    reason: Option<&str>,
    actor: &Actor,
    now: Instant,
) -> Result<()> {
    tx.exec(
        "INSERT INTO booking_history (workspace_id, booking_id, action, status, resource_id, starts_at, ends_at, reason,
             actor_kind, actor_id, actor_name, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        args![
            scope,
            booking.id,
            action,
            booking.status,
            booking.resource_id,
            booking.starts_at,
            booking.ends_at,
            reason,
            actor.kind,
            actor.id,
            &*actor.name,
            now
        ],
    )
    .await
    .map(|_| ())
}

impl FromRow for Entry {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let mut cells = row.cells();
        Ok(Self {
            id: cells.next()?,
            action: cells.next()?,
            status: cells.next()?,
            resource_id: cells.next()?,
            starts_at: cells.next()?,
            ends_at: cells.next()?,
            reason: cells.next()?,
            actor: Actor { kind: cells.next()?, id: cells.next()?, name: cells.next::<String>()?.into() },
            created_at: cells.next()?,
        })
    }
}
