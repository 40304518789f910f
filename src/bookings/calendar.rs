//! The calendar that a feed shows: which bookings, and how calendar programs understand them.

use super::BookingStatus;
use super::feeds::{Shown, Span};
use super::ics::Lines;
use super::resources::ResourceKind;
use super::store::feeds::{self as store, EventRow};
use crate::app::App;
use crate::auth::WorkspaceScope;
use crate::kernel::{Instant, Result, Timezone, secret, slug};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long what is over is still shown.
const PAST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// No booking takes longer, so none that ends later has begun earlier.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Of those to come the soonest, and of those that are over the latest: a calendar holds 5,000 at most.
const MOST_TO_COME: i64 = 4_000;
const MOST_PAST: i64 = 1_000;
/// Characters of a booking's notes, so that thousands of bookings stay a file that programs take.
const LONGEST_NOTES: usize = 2_000;
/// How often programs are asked to look again.
const EVERY: &str = "PT15M";

/// What a calendar says of itself.
#[derive(Debug)]
pub struct Face {
    pub name: String,
    /// Only for show: all times are UTC.
    pub timezone: Timezone,
    /// Whose product it is.
    pub brand: String,
    /// What the workspace is called for ever: with it, ids are unlike those of any other installation.
    pub workspace: String,
}

/// A calendar in writing.
#[derive(Debug)]
pub struct Calendar {
    pub text: String,
    /// Changes with the text.
    pub etag: String,
    /// What a file of it is called.
    pub file: String,
}

/// What a calendar shows now, by its start.
pub async fn bookings(app: &App, scope: WorkspaceScope, shown: Shown) -> Result<Vec<EventRow>> {
    let (now, ever) = (app.now(), Instant::from_micros(i64::MAX));
    // By whole days, so that a calendar in which nothing happens stays the same all day.
    let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
    let midnight = Instant::from_micros(now.micros().div_euclid(day) * day);
    let since = midnight.before(PAST);
    let past = Span { starts: (since.before(LONGEST), now), ends: (since, now), now, latest: true, most: MOST_PAST };
    let to_come =
        Span { starts: (now.before(LONGEST), ever), ends: (now, ever), now, latest: false, most: MOST_TO_COME };
    let mut bookings = store::events(&app.db, scope, shown, &past).await?;
    bookings.extend(store::events(&app.db, scope, shown, &to_come).await?);
    bookings.sort_unstable_by_key(|booking| (booking.starts_at, booking.id));
    Ok(bookings)
}

pub fn write(face: &Face, bookings: &[EventRow]) -> Calendar {
    let mut lines = Lines::with_capacity(512 + bookings.len() * 640);
    lines.line("BEGIN", "VCALENDAR");
    lines.line("VERSION", "2.0");
    lines.text("PRODID", &format!("-//{}//Bookings//EN", face.brand.replace('/', " ")));
    lines.line("CALSCALE", "GREGORIAN");
    lines.line("METHOD", "PUBLISH");
    lines.text("NAME", &face.name);
    lines.text("X-WR-CALNAME", &face.name);
    lines.text("X-WR-TIMEZONE", face.timezone.name());
    lines.line("REFRESH-INTERVAL;VALUE=DURATION", EVERY);
    lines.line("X-PUBLISHED-TTL", EVERY);
    for booking in bookings {
        write_event(&mut lines, face, booking);
    }
    lines.line("END", "VCALENDAR");
    let text = lines.finish();
    let etag = format!("\"{}\"", secret::hex(&secret::digest(&text)[..16]));
    Calendar { text, etag, file: format!("{}.ics", slug::words(&face.name, "calendar")) }
}

fn write_event(lines: &mut Lines, face: &Face, booking: &EventRow) {
    // Whatever is shown may have changed: the booking, or what belongs to it.
    let changes = [booking.contact_updated_at, booking.resource_updated_at, booking.type_updated_at];
    let changed_at = changes.into_iter().fold(booking.updated_at, Instant::max);
    lines.line("BEGIN", "VEVENT");
    lines.line("UID", &format!("booking-{}@{}", booking.id, face.workspace));
    lines.instant("DTSTAMP", changed_at);
    lines.instant("CREATED", booking.created_at);
    lines.instant("LAST-MODIFIED", changed_at);
    lines.line("SEQUENCE", &booking.revision.to_string());
    lines.instant("DTSTART", booking.starts_at);
    lines.instant("DTEND", booking.ends_at);
    lines.text("SUMMARY", &booking.title);
    lines.text("DESCRIPTION", &description(booking));
    if booking.resource_kind == ResourceKind::Room {
        lines.text("LOCATION", &booking.resource_name);
    }
    lines.line("STATUS", status(booking.status));
    lines.text("CATEGORIES", &booking.type_name);
    lines.line("TRANSP", "OPAQUE");
    lines.line("END", "VEVENT");
}

/// Who comes and to whom, and what was noted; without words of ours, so in no language.
fn description(booking: &EventRow) -> String {
    let phone = booking.contact_phone.as_ref().map(|phone| phone.as_str());
    let who = [Some(booking.contact_name.as_str()), phone, Some(booking.resource_name.as_str())];
    let who = who.into_iter().flatten().collect::<Vec<_>>().join("\n");
    match &booking.notes {
        Some(notes) => match notes.char_indices().nth(LONGEST_NOTES) {
            Some((end, _)) => format!("{who}\n\n{}…", &notes[..end]),
            None => format!("{who}\n\n{notes}"),
        },
        None => who,
    }
}

/// Cancelled ones are not shown at all: that is how every program drops an event of a calendar it subscribes to.
fn status(status: BookingStatus) -> &'static str {
    match status {
        BookingStatus::Pending => "TENTATIVE",
        BookingStatus::Confirmed | BookingStatus::Completed | BookingStatus::NoShow => "CONFIRMED",
        BookingStatus::Cancelled => "CANCELLED",
    }
}
