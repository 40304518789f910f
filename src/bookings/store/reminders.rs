//! All SQL of `booking_reminder`.

use crate::auth::WorkspaceScope;
use crate::bookings::reminders::Reminder;
use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args, list};

pub async fn forget(tx: &mut Tx, scope: WorkspaceScope, booking: i64) -> Result<()> {
    let sql = "DELETE FROM booking_reminder WHERE workspace_id = $1 AND booking_id = $2";
    tx.exec(sql, args![scope, booking]).await.map(|_| ())
}

pub async fn plan(tx: &mut Tx, scope: WorkspaceScope, booking: i64, planned: &[(&Reminder, Instant)]) -> Result<()> {
    let rows: Vec<_> = planned.iter().map(|(reminder, due)| list![&scope, &booking, &reminder.text, due]).collect();
    tx.exec_many("INSERT INTO booking_reminder (workspace_id, booking_id, text, due_at) VALUES ($1, $2, $3, $4)", &rows)
        .await
        .map(|_| ())
}

/// The one that has waited longest, and its booking.
pub async fn due(read: impl Read, scope: WorkspaceScope, now: Instant) -> Result<Option<(i64, i64)>> {
    read.opt(
        "SELECT id, booking_id FROM booking_reminder WHERE workspace_id = $1 AND due_at <= $2
         ORDER BY due_at, id LIMIT 1",
        args![scope, now],
    )
    .await
}

/// Its text, for whoever takes it first.
pub async fn take(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<Option<String>> {
    tx.opt("DELETE FROM booking_reminder WHERE workspace_id = $1 AND id = $2 RETURNING text", args![scope, id]).await
}
