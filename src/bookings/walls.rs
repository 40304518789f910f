//! What was agreed on is the time that the clock on the wall shows. When a release brings other data of time zones, bookings to
//! come keep that time, and their moments move.

use super::history::{self, Action};
use super::offer::Rules;
use super::{Booking, due, place, reminders, store, tell};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::jobs::{self, LaneKey, NewJob, Steps};
use crate::kernel::{Instant, Result, timezone};
use jiff::civil::DateTime;

const MINUTE: i64 = 60_000_000;
/// Bookings of one step: on SQLite nobody else writes meanwhile.
const STEP: usize = 50;
const WHY: &str = "The rules of the time zone changed.";

/// Looks whether this release knows other clocks than the one that ran before, and has every workspace's bookings looked
/// through if so. Of several nodes one does.
pub async fn check(app: &App) -> Result<()> {
    let version = timezone::version();
    let mut unit = app.begin().await?;
    if store::walls::all_workspaces_remember(&mut unit.tx, &version).await? {
        let now = unit.now();
        for workspace in store::walls::all_workspaces_with_bookings_to_come(&mut unit.tx, now).await? {
            let scope = WorkspaceScope::of_background_work(workspace);
            let lane = LaneKey { kind: Rehang::NAME, key: workspace, workspace: Some(scope) };
            jobs::enqueue(&mut unit, lane, &[NewJob { subject: workspace, group: workspace }]).await?;
        }
    }
    unit.commit().await
}

/// Moves what is no longer at the time that was agreed on.
#[derive(Debug)]
pub struct Rehang;

impl Steps for Rehang {
    const NAME: &'static str = "bookings.rehang";

    async fn step(unit: &mut Unit, scope: WorkspaceScope, _: i64) -> Result<bool> {
        let now = unit.now();
        let to_come = store::walls::to_come(&mut unit.tx, scope, now).await?;
        let mut moved: Vec<(Booking, Instant)> =
            to_come.into_iter().filter_map(|booking| agreed(&booking).map(|at| (booking, at))).collect();
        let is_last = moved.len() <= STEP;
        moved.truncate(STEP);
        for (booking, at) in &moved {
            let kind = store::setup::type_of_booking(&mut unit.tx, scope, booking.booking_type_id).await?;
            let ends_at = Instant::from_micros(at.micros() + booking.ends_at.micros() - booking.starts_at.micros());
            due::wake_at(unit, scope, kind.auto_complete.then_some(ends_at)).await?;
            reminders::wake(unit, scope, &kind, *at).await?;
        }
        let mut resources: Vec<i64> = moved.iter().map(|(booking, _)| booking.resource_id).collect();
        resources.sort_unstable();
        resources.dedup();
        store::seats::lock_resources(&mut unit.tx, scope, &resources).await?;
        // What another request changed meanwhile is as that request wants it.
        let ids: Vec<i64> = moved.iter().map(|(booking, _)| booking.id).collect();
        let held = store::find_many(&mut unit.tx, scope, &ids).await?;
        moved.retain(|(booking, _)| held.contains(booking));
        // All of a resource's move together, so each leaves its place before any takes another.
        for (booking, _) in &moved {
            store::seats::free(&mut unit.tx, scope, booking.id).await?;
        }
        for (booking, at) in moved {
            rehang(unit, scope, booking, at).await?;
        }
        Ok(is_last)
    }
}

/// The moment at which the clock shows what was agreed on, if the booking is at another one.
fn agreed(booking: &Booking) -> Option<Instant> {
    let local: DateTime = booking.starts_at_local.parse().ok()?;
    let zone = booking.timezone.rules();
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let moments = [ambiguous.earlier().ok()?, ambiguous.later().ok()?];
    let distance = |at: &jiff::Timestamp| (at.as_microsecond() - booking.starts_at.micros()).abs();
    let nearest = moments.into_iter().min_by_key(distance)?;
    let at = Instant::from_micros(nearest.as_microsecond());
    (at != booking.starts_at).then_some(at)
}

async fn rehang(unit: &mut Unit, scope: WorkspaceScope, before: Booking, at: Instant) -> Result<()> {
    let kind = store::setup::type_of_booking(&mut unit.tx, scope, before.booking_type_id).await?;
    let Some(resource) = store::setup::find_resource(&mut unit.tx, scope, before.resource_id).await? else {
        return Ok(());
    };
    let duration = (before.ends_at.micros() - before.starts_at.micros()) / MINUTE;
    let rules = Rules { duration, ..kind.rules() };
    let mut after = Booking { starts_at: at, ends_at: rules.end(at), updated_at: unit.now(), ..before.clone() };
    // A time that the clock does not show any more is shown as the one that took its place.
    let local = super::hours::timestamp(at).to_zoned(after.timezone.rules());
    after.starts_at_local = local.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let due_at = after.due_at(&kind);
    store::update(&mut unit.tx, scope, before.status, &after, due_at).await?;
    place::take(unit, scope, &resource, &after, &rules).await?;
    reminders::plan(unit, scope, &after, &kind).await?;
    history::note(unit, scope, &after, Action::Moved, Some(WHY)).await?;
    tell(unit, scope, &["booking.updated"], &after).await
}
