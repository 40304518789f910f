//! What becomes of a booking: it is moved, confirmed, cancelled, completed, or nobody came.

use super::history::{self, Action};
use super::input::{BookingChange, Cancelling};
use super::place::{self, Wish};
use super::types::BookingType;
use super::{Booking, BookingStatus, due, get, reminders, store, tell};
use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::kernel::{Error, Instant, Result};
use crate::plans::meter::{self, BookingCounts};

/// What a change makes of a booking, and so what has to be queued and held before it is made.
#[derive(Debug, PartialEq)]
struct Aim {
    starts_at: Instant,
    ends_at: Instant,
    resource: i64,
    status: BookingStatus,
    /// When its status changes by itself, if the change has a say in that.
    due_at: Option<Instant>,
    /// Whether reminders are planned anew.
    reminds: bool,
}

impl Aim {
    /// A booking keeps its length wherever it goes, whatever its type is like by now.
    fn of(booking: &Booking, kind: &BookingType, change: &BookingChange) -> Result<Self> {
        let zone = change.timezone.as_ref().unwrap_or(&booking.timezone);
        let starts_at = change.starts_at.map_or(Ok(booking.starts_at), |start| start.resolve(zone))?;
        let resource = change.resource_id.unwrap_or(booking.resource_id);
        let status = change.status.unwrap_or(booking.status);
        let ends_at = booking.rules(kind).end(starts_at);
        let is_new = starts_at != booking.starts_at || status != booking.status;
        let due_at = match status {
            BookingStatus::Pending => booking.held_until.map(|until| until.min(starts_at)),
            BookingStatus::Confirmed => kind.auto_complete.then_some(ends_at),
            _ => None,
        };
        let reminds = is_new && status == BookingStatus::Confirmed;
        Ok(Self { starts_at, ends_at, resource, status, due_at: due_at.filter(|_| is_new), reminds })
    }

    fn moves(&self, booking: &Booking) -> bool {
        self.starts_at != booking.starts_at || self.resource != booking.resource_id
    }

    /// Queues what the booking will need: lanes are locked before everything else.
    async fn queue(&self, unit: &mut Unit, scope: WorkspaceScope, kind: &BookingType) -> Result<()> {
        due::wake_at(unit, scope, self.due_at).await?;
        match self.reminds {
            true => reminders::wake(unit, scope, kind, self.starts_at).await,
            false => Ok(()),
        }
    }
}

/// Changes what is said; a change that changes nothing is no event.
pub async fn update(unit: &mut Unit, scope: WorkspaceScope, id: i64, change: &BookingChange) -> Result<Booking> {
    let seen = get(&mut unit.tx, scope, id).await?;
    let kind = store::setup::type_of_booking(&mut unit.tx, scope, seen.booking_type_id).await?;
    let aim = Aim::of(&seen, &kind, change)?;
    aim.queue(unit, scope, &kind).await?;
    store::setup::keep_type(&mut unit.tx, scope, kind.id).await?;
    let before = hold(unit, scope, &seen, &[aim.resource]).await?;
    // Somebody may have moved or confirmed it since it was looked at, or changed its type: then other things are to be queued.
    let kept = store::setup::type_of_booking(&mut unit.tx, scope, kind.id).await?;
    if kept != kind || Aim::of(&before, &kind, change)? != aim {
        return Err(overtaken());
    }
    let moves = aim.moves(&before);
    check(&before, aim.status, moves, unit.now())?;
    let mut counts = BookingCounts::default();
    let mut after = before.clone();
    if let Some(notes) = &change.notes {
        after.notes.clone_from(notes);
    }
    if moves {
        put_elsewhere(unit, scope, &mut after, &kind, &aim, &mut counts).await?;
    }
    let becomes = (aim.status != before.status).then_some(aim.status);
    if let Some(status) = becomes {
        become_(unit, scope, &mut after, status, None, &mut counts).await?;
    }
    if after == before {
        return Ok(before);
    }
    write(unit, scope, &before, &mut after, &kind).await?;
    if moves {
        history::note(unit, scope, &after, Action::Moved, None).await?;
    }
    if let Some(status) = becomes {
        history::note(unit, scope, &after, action_of(status), None).await?;
    }
    let own = becomes.and_then(event_of);
    let events: Vec<_> = ["booking.updated"].into_iter().chain(own).collect();
    tell(unit, scope, &events, &after).await?;
    count(unit, scope, (&before, &after), counts).await?;
    Ok(after)
}

/// Frees a booking's time, once.
pub async fn cancel(unit: &mut Unit, scope: WorkspaceScope, id: i64, why: &Cancelling) -> Result<Booking> {
    let seen = get(&mut unit.tx, scope, id).await?;
    let booking = hold(unit, scope, &seen, &[]).await?;
    if booking.status == BookingStatus::Cancelled {
        return Err(Error::conflict().saying("The booking is already cancelled."));
    }
    check(&booking, BookingStatus::Cancelled, false, unit.now())?;
    let mut counts = BookingCounts::default();
    let after =
        end(unit, scope, booking, BookingStatus::Cancelled, Action::Cancelled, why.reason.as_deref(), &mut counts)
            .await?;
    meter::count_bookings(unit, scope, counts).await?;
    Ok(after)
}

/// Ends an active booking whose resource is held, and tells of it.
pub(super) async fn end(
    unit: &mut Unit,
    scope: WorkspaceScope,
    before: Booking,
    status: BookingStatus,
    action: Action,
    reason: Option<&str>,
    counts: &mut BookingCounts,
) -> Result<Booking> {
    let kind = store::setup::type_of_booking(&mut unit.tx, scope, before.booking_type_id).await?;
    let mut after = before.clone();
    become_(unit, scope, &mut after, status, reason, counts).await?;
    write(unit, scope, &before, &mut after, &kind).await?;
    history::note(unit, scope, &after, action, reason).await?;
    let events: Vec<_> = event_of(status).into_iter().collect();
    tell(unit, scope, &events, &after).await?;
    Ok(after)
}

/// The booking as it stays until the end of the unit: its resource is held, and the others that it may go to. Resources come
/// before bookings, whoever holds them.
async fn hold(unit: &mut Unit, scope: WorkspaceScope, seen: &Booking, others: &[i64]) -> Result<Booking> {
    let mut resources = [&[seen.resource_id], others].concat();
    resources.sort_unstable();
    resources.dedup();
    store::seats::lock_resources(&mut unit.tx, scope, &resources).await?;
    store::seats::lock_bookings(&mut unit.tx, scope, &[seen.id]).await?;
    let booking = get(&mut unit.tx, scope, seen.id).await?;
    match booking.resource_id == seen.resource_id {
        true => Ok(booking),
        false => Err(overtaken()),
    }
}

/// What was read is not so any more, now that it is held.
pub(super) fn overtaken() -> Error {
    Error::overtaken().saying("The booking was changed by another request.")
}

/// Refuses what a booking in its state cannot become.
fn check(booking: &Booking, status: BookingStatus, moves: bool, now: Instant) -> Result<()> {
    let is = booking.status;
    if booking.has_lapsed(now) {
        return Err(Error::conflict().saying("The hold has lapsed."));
    }
    if status != is && !is.may_become(status) {
        let (is, status) = (is.as_str().replace('_', " "), status.as_str().replace('_', " "));
        return Err(Error::conflict().saying(format!("A booking that is {is} cannot become {status}.")));
    }
    if moves && !(is.is_active() && status.is_active()) {
        return Err(Error::conflict().saying("Only a pending or confirmed booking can be moved."));
    }
    Ok(())
}

async fn put_elsewhere(
    unit: &mut Unit,
    scope: WorkspaceScope,
    booking: &mut Booking,
    kind: &BookingType,
    aim: &Aim,
    counts: &mut BookingCounts,
) -> Result<()> {
    let rules = booking.rules(kind);
    let own = Some((booking.id, booking.resource_id));
    let wish = Wish { kind: kind.id, rules, starts_at: aim.starts_at, own };
    let resource = place::find(unit, scope, &wish, Some(aim.resource), counts).await?;
    store::seats::free(&mut unit.tx, scope, booking.id).await?;
    booking.stand(&resource, aim.starts_at, aim.ends_at);
    place::take(unit, scope, booking, &rules, resource.capacity).await
}

/// Takes on another status, with what belongs to it.
async fn become_(
    unit: &mut Unit,
    scope: WorkspaceScope,
    booking: &mut Booking,
    status: BookingStatus,
    reason: Option<&str>,
    counts: &mut BookingCounts,
) -> Result<()> {
    let was_active = booking.status.is_active();
    booking.status = status;
    booking.held_until = None;
    booking.completed_at = None;
    match status {
        BookingStatus::Cancelled => {
            booking.cancelled_at = Some(unit.now());
            booking.cancel_reason = reason.map(str::to_owned);
            counts.cancelled += 1;
        }
        BookingStatus::Completed => {
            booking.completed_at = Some(unit.now());
            counts.completed += 1;
        }
        BookingStatus::Pending | BookingStatus::Confirmed | BookingStatus::NoShow => {}
    }
    if status.is_active() {
        store::seats::keep(&mut unit.tx, scope, booking.id).await?;
    } else if was_active {
        store::seats::free(&mut unit.tx, scope, booking.id).await?;
    }
    Ok(())
}

async fn write(
    unit: &mut Unit,
    scope: WorkspaceScope,
    before: &Booking,
    after: &mut Booking,
    kind: &BookingType,
) -> Result<()> {
    after.updated_at = unit.now();
    let due = after.due_at(kind);
    if !store::update(&mut unit.tx, scope, before.status, after, due).await? {
        return Err(overtaken());
    }
    if after.status != before.status || after.starts_at != before.starts_at {
        reminders::plan(unit, scope, after, kind).await?;
    }
    Ok(())
}

fn action_of(status: BookingStatus) -> Action {
    match status {
        BookingStatus::Pending | BookingStatus::Confirmed => Action::Confirmed,
        BookingStatus::Cancelled => Action::Cancelled,
        BookingStatus::Completed => Action::Completed,
        BookingStatus::NoShow => Action::NoShow,
    }
}

/// The event of its own that a status has.
fn event_of(status: BookingStatus) -> Option<&'static str> {
    match status {
        BookingStatus::Cancelled => Some("booking.cancelled"),
        BookingStatus::Completed => Some("booking.completed"),
        _ => None,
    }
}

/// Counts what happened; one that was completed and is not any more is taken out of the month it was counted in.
async fn count(
    unit: &mut Unit,
    scope: WorkspaceScope,
    (before, after): (&Booking, &Booking),
    counts: BookingCounts,
) -> Result<()> {
    let undone = before.completed_at.filter(|_| after.status != BookingStatus::Completed);
    if let Some(at) = undone {
        let undone = BookingCounts { completed: -1, ..BookingCounts::default() };
        meter::count_bookings_of(unit, scope, at.month(), undone).await?;
    }
    meter::count_bookings(unit, scope, counts).await
}
