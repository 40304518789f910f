//! What was agreed on is the time that the clock on the wall shows. When a release brings other data of time zones, bookings to
//! come keep that time, and their moments move.
//!
//! While releases are exchanged node by node, the later data hold: a node with earlier ones leaves this work alone, and what
//! it has booked meanwhile by its own clocks is put right by a second and a third look.

use super::history::{self, Action};
use super::place;
use super::types::BookingType;
use super::{Booking, due, reminders, store, tell};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::jobs::{self, LaneKey, NewJob, Steps};
use crate::kernel::{Instant, Result, timezone};
use crate::plans::meter::{self, BookingCounts};
use jiff::civil::DateTime;
use std::collections::BTreeMap;
use std::time::Duration;

const WHY: &str = "The rules of the time zone changed.";
/// When every resource's bookings are looked through: the last time when no node of the earlier release is left.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(3_600), Duration::from_secs(24 * 3_600)];
/// There may be more places than the resource has: what was agreed on holds, and clocks may have brought it together.
const ALL_THAT_IT_TAKES: i64 = i64::MAX;

/// Looks whether this release knows later clocks than those that bookings were made by, and has everything that is booked
/// looked through if so. Of several nodes one does.
pub async fn check(app: &App) -> Result<()> {
    let mut unit = app.begin().await?;
    if store::walls::all_workspaces_remember(&mut unit.tx, timezone::version()).await? {
        let now = unit.now();
        for (workspace, resources) in booked(&mut unit, now).await? {
            let scope = WorkspaceScope::of_background_work(workspace);
            let lane = LaneKey { kind: Rehang::NAME, key: workspace, workspace: Some(scope) };
            for look in LOOKS {
                jobs::enqueue_at(&mut unit, lane, &resources, now.after(look)).await?;
            }
        }
    }
    unit.commit().await
}

/// A job for each resource that somebody has booked, by workspace.
async fn booked(unit: &mut Unit, now: Instant) -> Result<BTreeMap<i64, Vec<NewJob>>> {
    let mut jobs: BTreeMap<i64, Vec<NewJob>> = BTreeMap::new();
    for (workspace, resource) in store::walls::all_workspaces_booked(&mut unit.tx, now).await? {
        jobs.entry(workspace).or_default().push(NewJob { subject: resource, group: resource });
    }
    Ok(jobs)
}

/// Moves a resource's bookings that are no longer at the time that was agreed on: all of them at once, so that none comes to
/// stand where another one is about to leave.
#[derive(Debug)]
pub struct Rehang;

impl Steps for Rehang {
    const NAME: &'static str = "bookings.rehang";

    async fn may_run(unit: &mut Unit) -> Result<bool> {
        Ok(store::walls::all_workspaces_version(&mut unit.tx).await? == timezone::version())
    }

    async fn step(unit: &mut Unit, scope: WorkspaceScope, resource: i64) -> Result<bool> {
        let types = store::walls::types(&mut unit.tx, scope).await?;
        let types: BTreeMap<i64, BookingType> = types.into_iter().map(|kind| (kind.id, kind)).collect();
        let seen = misplaced(unit, scope, resource, &types).await?;
        if seen.is_empty() {
            return Ok(true);
        }
        for Misplaced { booking, kind, at } in &seen {
            due::wake_at(unit, scope, kind.auto_complete.then(|| booking.rules(kind).end(*at))).await?;
        }
        for Misplaced { kind, at, .. } in &seen {
            reminders::wake(unit, scope, kind, *at).await?;
        }
        store::seats::lock_resources(&mut unit.tx, scope, &[resource]).await?;
        let mut counts = BookingCounts::default();
        due::lapse_on(unit, scope, &[resource], &mut counts).await?;
        let ids: Vec<i64> = seen.iter().map(|misplaced| misplaced.booking.id).collect();
        store::seats::lock_bookings(&mut unit.tx, scope, &ids).await?;
        let held = misplaced(unit, scope, resource, &types).await?;
        // One that another request changed meanwhile is looked at again, in the next step.
        let (moving, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|misplaced| seen.contains(misplaced));
        for misplaced in &moving {
            store::seats::free(&mut unit.tx, scope, misplaced.booking.id).await?;
        }
        for misplaced in moving {
            rehang(unit, scope, misplaced).await?;
        }
        meter::count_bookings(unit, scope, counts).await?;
        Ok(others.is_empty())
    }
}

/// A booking, its type, and the moment at which the clock shows what was agreed on.
#[derive(PartialEq)]
struct Misplaced<'a> {
    booking: Booking,
    kind: &'a BookingType,
    at: Instant,
}

async fn misplaced<'a>(
    unit: &mut Unit,
    scope: WorkspaceScope,
    resource: i64,
    types: &'a BTreeMap<i64, BookingType>,
) -> Result<Vec<Misplaced<'a>>> {
    let now = unit.now();
    let to_come = store::walls::to_come(&mut unit.tx, scope, resource, now).await?;
    let found = to_come.into_iter().filter_map(|booking| {
        let (at, kind) = (agreed(&booking)?, types.get(&booking.booking_type_id)?);
        Some(Misplaced { booking, kind, at })
    });
    Ok(found.collect())
}

/// The moment at which the clock shows what was agreed on, if the booking is at another one. In a zone that is not known,
/// nobody knows.
fn agreed(booking: &Booking) -> Option<Instant> {
    let local: DateTime = booking.starts_at_local.parse().ok()?;
    let ambiguous = booking.timezone.known_rules()?.to_ambiguous_timestamp(local);
    let moments = [ambiguous.earlier().ok()?, ambiguous.later().ok()?];
    let distance = |at: &jiff::Timestamp| (at.as_microsecond() - booking.starts_at.micros()).abs();
    let nearest = moments.into_iter().min_by_key(distance)?;
    let at = Instant::from_micros(nearest.as_microsecond());
    (at != booking.starts_at).then_some(at)
}

async fn rehang(unit: &mut Unit, scope: WorkspaceScope, Misplaced { booking, kind, at }: Misplaced<'_>) -> Result<()> {
    let rules = booking.rules(kind);
    let mut after = Booking { starts_at: at, ends_at: rules.end(at), updated_at: unit.now(), ..booking.clone() };
    // A time that the clock does not show any more is shown as the one that took its place.
    after.starts_at_local = after.local_start();
    let due_at = after.due_at(kind);
    store::update(&mut unit.tx, scope, booking.status, &after, due_at).await?;
    place::take(unit, scope, &after, &rules, ALL_THAT_IT_TAKES).await?;
    reminders::plan(unit, scope, &after, kind).await?;
    history::note(unit, scope, &after, Action::Moved, Some(WHY)).await?;
    tell(unit, scope, &["booking.updated"], &after).await
}
