//! The one way onto a slot: finds a resource that is free, and takes a place of it.

use super::availability::{self, Opened, Reading};
use super::offer::{Rules, Verdict};
use super::resources::Resource;
use super::seats::{self, Taken};
use super::{Booking, NO_RESOURCE, due, store};
use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::kernel::{Error, Instant, Result};
use crate::plans::meter::BookingCounts;
use skylight_db::Kind;
use std::time::Duration;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub kind: i64,
    pub rules: Rules,
    pub starts_at: Instant,
    /// A booking that moves, and its resource: its own place does not stand in its way, and the resource serves it also when
    /// its type is not offered any more.
    pub own: Option<(i64, i64)>,
}

/// The resource that takes a booking: the one that is named, or of those that are free the one with the fewest bookings that
/// day. Holds it, and every other one that was looked at, to the end of the unit.
pub async fn find(
    unit: &mut Unit,
    scope: WorkspaceScope,
    wish: &Wish,
    named: Option<i64>,
    counts: &mut BookingCounts,
) -> Result<Resource> {
    let (own, own_resource) = wish.own.unzip();
    let seen = store::setup::serving(&mut unit.tx, scope, wish.kind, named, own_resource).await?;
    let ids: Vec<i64> = seen.iter().map(|resource| resource.id).collect();
    store::seats::lock_resources(&mut unit.tx, scope, &ids).await?;
    due::lapse_on(unit, scope, &ids, counts).await?;
    // What was changed before they were held counts as it is now.
    let mut held = store::setup::serving(&mut unit.tx, scope, wish.kind, named, own_resource).await?;
    held.retain(|resource| ids.contains(&resource.id));
    if held.is_empty() {
        return Err(match named {
            Some(_) => Error::field("resource_id", NO_RESOURCE),
            None => Error::field("booking_type_id", "No resource takes bookings of this type."),
        });
    }
    let span = (wish.starts_at, wish.starts_at.after(Duration::from_micros(1)));
    let now = unit.now();
    let reading = Reading::of(&wish.rules, &held, span);
    let (first, last) = &reading.days;
    let days = store::setup::days(&mut unit.tx, scope, &reading.resources, first, last).await?;
    let busy = store::seats::busy(&mut unit.tx, scope, &reading.resources, reading.span, own, now).await?;
    let opened = availability::open(held, days, busy);
    let judge = |opened: &Opened| opened.book(wish.rules, now, span).judge(wish.starts_at);
    let verdicts: Vec<Verdict> = opened.iter().map(judge).collect();
    match verdicts.iter().min() {
        Some(Verdict::Free) => {}
        verdict => return Err(refusal(*verdict.unwrap_or(&Verdict::Closed), &wish.rules)),
    }
    let free = opened.into_iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Free);
    fairest(unit, scope, free.map(|(opened, _)| opened).collect(), wish.starts_at).await
}

/// Of several, the one that has least to do that day, by its own calendar.
async fn fairest(unit: &mut Unit, scope: WorkspaceScope, free: Vec<Opened>, at: Instant) -> Result<Resource> {
    /// From the beginning of a day to its end it is not longer, whatever clocks do.
    const LONGEST_DAY: Duration = Duration::from_secs(50 * 3600);
    let mut free = free;
    if free.len() > 1 {
        let ids: Vec<i64> = free.iter().map(|opened| opened.resource.id).collect();
        let (from, to) = (at.before(LONGEST_DAY), at.after(LONGEST_DAY));
        let starts = store::starts(&mut unit.tx, scope, &ids, from, to).await?;
        let that_day = |opened: &Opened| {
            let day = opened.calendar.date_at(at);
            let is_then = |(resource, start): &&(i64, Instant)| {
                *resource == opened.resource.id && opened.calendar.date_at(*start) == day
            };
            starts.iter().filter(is_then).count()
        };
        free.sort_by_cached_key(|opened| (that_day(opened), opened.resource.id));
    }
    let first = free.into_iter().next().map(|opened| opened.resource);
    first.ok_or_else(|| Error::internal("nothing is free after all"))
}

fn refusal(verdict: Verdict, rules: &Rules) -> Error {
    let at_fault = |what: String| Error::field("starts_at", format!("The starts at {what}."));
    match verdict {
        Verdict::Free | Verdict::Taken => Error::slot_taken(),
        Verdict::OffStep => at_fault("is not the start of a slot".to_owned()),
        Verdict::Closed => at_fault("is outside of the opening hours".to_owned()),
        Verdict::TooFar => at_fault(format!("must not be more than {} days ahead", rules.max_days_ahead)),
        Verdict::TooSoon if rules.min_notice == 0 => at_fault("must be a date after now".to_owned()),
        Verdict::TooSoon => at_fault(format!("must be at least {} minutes from now", rules.min_notice)),
    }
}

/// Gives a booking one of so many places of the resource it stands with. Where no place is free all the time, those around it
/// change theirs.
pub async fn take(
    unit: &mut Unit,
    scope: WorkspaceScope,
    booking: &Booking,
    rules: &Rules,
    capacity: i64,
) -> Result<()> {
    let (from, to) = rules.span(booking.starts_at);
    let mut own = Taken { booking: booking.id, seat: 0, from, to };
    let around = taken(unit, scope, booking.resource_id, (from, to)).await?;
    own.seat = match seats::free(&around, (from, to), capacity) {
        Some(seat) => seat,
        None => rearrange(unit, scope, booking.resource_id, own).await?,
    };
    // The last word: nothing gets here that is not free, and the store refuses what is.
    if own.seat > capacity {
        return Err(Error::slot_taken());
    }
    let given = store::seats::give(&mut unit.tx, scope, booking.resource_id, &own, booking.held_until).await;
    given.map_err(|error| match error.kind() {
        Kind::Unique(_) | Kind::Check => Error::slot_taken(),
        _ => error.into(),
    })
}

async fn taken(unit: &mut Unit, scope: WorkspaceScope, resource: i64, span: (Instant, Instant)) -> Result<Vec<Taken>> {
    let now = unit.now();
    Ok(store::seats::taken(&mut unit.tx, scope, resource, span, now).await?)
}

/// Makes room: everything that overlaps, and what that overlaps, is given places anew. Answers the new one's.
async fn rearrange(unit: &mut Unit, scope: WorkspaceScope, resource: i64, own: Taken) -> Result<i64> {
    let mut span = (own.from, own.to);
    loop {
        let around = taken(unit, scope, resource, span).await?;
        let wider = around.iter().fold(span, |(from, to), other| (from.min(other.from), to.max(other.to)));
        if wider == span {
            break;
        }
        span = wider;
    }
    let ids: Vec<i64> = taken(unit, scope, resource, span).await?.iter().map(|other| other.booking).collect();
    let held = store::seats::lock_bookings(&mut unit.tx, scope, &ids).await?;
    let mut all = taken(unit, scope, resource, span).await?;
    all.retain(|other| held.contains(&other.booking));
    all.push(own);
    let (new, others): (Vec<Taken>, Vec<Taken>) =
        seats::arranged(all).into_iter().partition(|other| other.booking == own.booking);
    store::seats::rearrange(&mut unit.tx, scope, resource, &others).await?;
    let seat = new.first().map(|new| new.seat);
    seat.ok_or_else(|| Error::internal("a booking was given no place"))
}
