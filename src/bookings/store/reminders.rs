//! All SQL of `booking_reminder`.

use crate::auth::WorkspaceScope;
use crate::bookings::reminders::{DueReminder, Reminder};
use crate::kernel::Instant;
use skylight_db::{Read, Result, Tx, args, from_row, list};

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

from_row!(DueReminder { id, booking_id, due_at, is_superseded });

/// The one that has waited longest, of those behind another.
pub async fn due(
    read: impl Read,
    scope: WorkspaceScope,
    now: Instant,
    behind: Option<(Instant, i64)>,
) -> Result<Option<DueReminder>> {
    let (due_at, id) = behind.unwrap_or((Instant::from_micros(i64::MIN), 0));
    read.opt(
        "SELECT r.id, r.booking_id, r.due_at, EXISTS (
             SELECT 1 FROM booking_reminder AS later WHERE later.workspace_id = $1 AND later.booking_id = r.booking_id
               AND later.due_at > r.due_at AND later.due_at <= $2)
         FROM booking_reminder AS r
         WHERE r.workspace_id = $1 AND r.due_at <= $2 AND (r.due_at, r.id) > ($3, $4)
         ORDER BY r.due_at, r.id LIMIT 1",
        args![scope, now, due_at, id],
    )
    .await
}

/// Its text, for whoever takes it first.
pub async fn take(tx: &mut Tx, scope: WorkspaceScope, id: i64) -> Result<Option<String>> {
    tx.opt("DELETE FROM booking_reminder WHERE workspace_id = $1 AND id = $2 RETURNING text", args![scope, id]).await
}
