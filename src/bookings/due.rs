//! What happens to bookings by itself: holds lapse, and what is over is completed. Each is due at a stored moment; whatever
//! was due while no server ran happens when one does.

use super::history::Action;
use super::{Booking, BookingStatus, moves, store};
use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::jobs::{self, LaneKey, NewJob, Steps};
use crate::kernel::{Instant, Result};
use crate::plans::meter::{self, BookingCounts};

/// Looks after the bookings of a workspace that are due.
#[derive(Debug)]
pub struct Due;

/// Bookings of one step: on SQLite nobody else writes meanwhile.
const STEP: i64 = 50;

impl Steps for Due {
    const NAME: &'static str = "bookings.due";

    async fn step(unit: &mut Unit, scope: WorkspaceScope, _: i64) -> Result<bool> {
        let now = unit.now();
        let due = store::due(&mut unit.tx, scope, now, STEP).await?;
        let (ids, mut resources): (Vec<i64>, Vec<i64>) = due.into_iter().unzip();
        if ids.is_empty() {
            return Ok(true);
        }
        resources.sort_unstable();
        resources.dedup();
        store::seats::lock_resources(&mut unit.tx, scope, &resources).await?;
        let mut counts = BookingCounts::default();
        for booking in held(unit, scope, &ids).await? {
            // One that went to another resource meanwhile is looked at again.
            if !resources.contains(&booking.resource_id) {
                continue;
            }
            if booking.has_lapsed(now) {
                lapse(unit, scope, booking, &mut counts).await?;
            } else if booking.status == BookingStatus::Confirmed && booking.ends_at <= now {
                let (completed, action) = (BookingStatus::Completed, Action::Completed);
                moves::end(unit, scope, booking, completed, action, None, &mut counts).await?;
            }
        }
        meter::count_bookings(unit, scope, counts).await?;
        Ok(false)
    }
}

/// Makes sure that somebody looks at the workspace's bookings then. Locks a lane, so it comes first.
pub(super) async fn wake_at(unit: &mut Unit, scope: WorkspaceScope, due: Option<Instant>) -> Result<()> {
    let Some(due) = due else { return Ok(()) };
    let lane = LaneKey { kind: Due::NAME, key: scope.id(), workspace: Some(scope) };
    jobs::enqueue_at(unit, lane, &[NewJob { subject: scope.id(), group: scope.id() }], due).await
}

/// Ends the holds on resources that are over, whether or not somebody has looked yet. The resources are held.
pub(super) async fn lapse_on(
    unit: &mut Unit,
    scope: WorkspaceScope,
    resources: &[i64],
    counts: &mut BookingCounts,
) -> Result<()> {
    let now = unit.now();
    let lapsed = store::seats::lapsed(&mut unit.tx, scope, resources, now).await?;
    if lapsed.is_empty() {
        return Ok(());
    }
    for booking in held(unit, scope, &lapsed).await? {
        if booking.has_lapsed(now) {
            lapse(unit, scope, booking, counts).await?;
        }
    }
    Ok(())
}

/// Bookings that are there, and stay so: another one may go with its contact at any time.
async fn held(unit: &mut Unit, scope: WorkspaceScope, ids: &[i64]) -> Result<Vec<Booking>> {
    let ids = store::seats::lock_bookings(&mut unit.tx, scope, ids).await?;
    Ok(store::find_many(&mut unit.tx, scope, &ids).await?)
}

async fn lapse(unit: &mut Unit, scope: WorkspaceScope, booking: Booking, counts: &mut BookingCounts) -> Result<()> {
    let (cancelled, reason) = (BookingStatus::Cancelled, Some("The hold has lapsed."));
    moves::end(unit, scope, booking, cancelled, Action::Lapsed, reason, counts).await.map(|_| ())
}
