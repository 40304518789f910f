//! What callers say about bookings, read and checked: every fault of it at once.

use super::BookingStatus;
use crate::kernel::fields::Field;
use crate::kernel::{Error, Fields, Input, Instant, Page, Result, Timezone};
use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use utoipa::ToSchema;

const LONGEST_NOTES: usize = 10_000;
const LONGEST_REASON: usize = 1_000;
const LONGEST_HOLD: i64 = 24 * 60;

/// When something starts: a moment, or what a clock shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    Moment(Instant),
    Local(DateTime),
}

impl Start {
    pub fn parse(text: &str) -> Option<Self> {
        // What is in brackets, a zone or a calendar, would be passed over.
        if text.contains('[') {
            return None;
        }
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Some(Self::Moment(Instant::from_micros(moment.as_microsecond())));
        }
        // A day alone is no time.
        let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'.' | b'T' | b't' | b' ');
        if text.len() <= 10 || !text.bytes().all(plain) {
            return None;
        }
        text.parse().ok().map(Self::Local)
    }

    pub fn resolve(self, zone: &Timezone) -> Result<Instant> {
        self.moment(zone).map_err(|fault| Error::field("starts_at", fault))
    }

    /// The moment that is meant, or why there is none. A clock does not show every time, and some twice.
    pub fn moment(self, zone: &Timezone) -> std::result::Result<Instant, String> {
        let local = match self {
            Self::Moment(at) => return Ok(at),
            Self::Local(local) => local,
        };
        let name = zone.name();
        let ambiguous = zone.rules().to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => Err(format!("The starts at does not exist in {name}.")),
            AmbiguousOffset::Fold { .. } => {
                Err(format!("The starts at happens twice in {name}: say it with its offset from UTC."))
            }
            AmbiguousOffset::Unambiguous { .. } => match ambiguous.compatible() {
                Ok(at) => Ok(Instant::from_micros(at.as_microsecond())),
                Err(_) => Err(format!("The starts at is out of range in {name}.")),
            },
        }
    }
}

fn read_start(field: &Field<'_>) -> Option<Start> {
    Start::parse(&field.text(64)?).or_else(|| field.wrong("must be a valid date"))
}

/// A booking to be.
#[derive(Clone, Debug, ToSchema)]
pub struct NewBooking {
    pub contact_id: i64,
    pub booking_type_id: i64,
    /// ISO 8601. Without an offset it is what the clock shows in `timezone`.
    #[schema(value_type = String)]
    pub starts_at: Start,
    /// Default: of those that are free then, the one with the fewest bookings that day.
    pub resource_id: Option<i64>,
    #[schema(max_length = 10000)]
    pub notes: Option<String>,
    /// The zone of a `starts_at` without an offset. Default: the workspace's.
    pub timezone: Option<Timezone>,
    /// Holds the time for so long: the booking is `pending`, and lapses by itself unless it is confirmed.
    #[schema(minimum = 1, maximum = 1440)]
    pub hold_minutes: Option<i64>,
}

impl Input for NewBooking {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let contact_id = fields.at("contact_id").required().id();
        let booking_type_id = fields.at("booking_type_id").required().id();
        let starts_at = read_start(&fields.at("starts_at").required());
        let resource_id = fields.at("resource_id").id();
        let notes = fields.at("notes").text(LONGEST_NOTES);
        let timezone = fields.at("timezone").timezone();
        let hold_minutes = fields.at("hold_minutes").integer_between(1, LONGEST_HOLD);
        Some(Self {
            contact_id: contact_id?,
            booking_type_id: booking_type_id?,
            starts_at: starts_at?,
            resource_id,
            notes,
            timezone,
            hold_minutes,
        })
    }
}

/// A change of a booking.
#[derive(Clone, Debug, ToSchema)]
pub struct BookingChange {
    /// ISO 8601. Without an offset it is what the clock shows in `timezone`.
    #[schema(value_type = Option<String>, nullable = false)]
    pub starts_at: Option<Start>,
    #[schema(nullable = false)]
    pub resource_id: Option<i64>,
    /// `null` removes them.
    #[schema(value_type = Option<String>, max_length = 10000)]
    pub notes: Option<Option<String>>,
    #[schema(nullable = false)]
    pub status: Option<BookingStatus>,
    /// The zone of a `starts_at` without an offset. Default: the booking's.
    pub timezone: Option<Timezone>,
}

impl Input for BookingChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let starts_at = read_start(&fields.at("starts_at").not_emptied());
        let resource_id = fields.at("resource_id").not_emptied().id();
        let notes = fields.at("notes");
        let notes = notes.is_present().then(|| notes.text(LONGEST_NOTES));
        let status = fields.at("status").not_emptied().one_of(BookingStatus::WORDS);
        let timezone = fields.at("timezone").timezone();
        Some(Self { starts_at, resource_id, notes, status, timezone })
    }
}

/// Why a booking is cancelled.
#[derive(Clone, Debug, ToSchema)]
pub struct Cancelling {
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

impl Input for Cancelling {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { reason: fields.at("reason").text(LONGEST_REASON) })
    }
}

/// Which bookings are asked for.
#[derive(Clone, Debug)]
pub struct Filter {
    pub page: Page,
    pub status: Option<BookingStatus>,
    pub contact_id: Option<i64>,
    pub booking_type_id: Option<i64>,
    pub resource_id: Option<i64>,
    pub from: Option<Instant>,
    /// They start before this moment.
    pub until: Option<Instant>,
}

impl Filter {
    pub fn is_by_time(&self) -> bool {
        self.from.is_some() || self.until.is_some() || self.resource_id.is_some()
    }
}

impl Input for Filter {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            page: Page::read(fields, 15, 100),
            status: fields.at("status").one_of(BookingStatus::WORDS),
            contact_id: fields.at("contact_id").id(),
            booking_type_id: fields.at("booking_type_id").id(),
            resource_id: fields.at("resource_id").id(),
            from: fields.at("from").span().map(|(first, _)| first),
            until: fields.at("to").span().map(|(_, after)| after),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Option<String> {
        let berlin = Timezone::parse("Europe/Berlin").unwrap();
        Start::parse(text)?.resolve(&berlin).ok().map(|at| at.to_string())
    }

    #[test]
    fn a_start_is_a_moment_or_what_a_clock_shows_once() {
        for (text, meant) in [
            ("2026-07-01T10:00:00Z", "2026-07-01T10:00:00.000000Z"),
            ("2026-07-01T10:00:00+03:00", "2026-07-01T07:00:00.000000Z"),
            ("2026-07-01T10:00", "2026-07-01T08:00:00.000000Z"),
            ("2026-07-01 10:00:00", "2026-07-01T08:00:00.000000Z"),
            ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00.000000Z"),
        ] {
            assert_eq!(resolved(text).as_deref(), Some(meant), "{text}");
        }
        for bad in [
            "2026-03-29T02:30:00", // skipped
            "2026-10-25T02:30:00", // twice
            "2026-07-01",
            "2026-07-01T10:00:00[Asia/Riyadh]",
            "tomorrow",
            "2026-02-30T10:00:00",
            "",
        ] {
            assert_eq!(resolved(bad), None, "{bad}");
        }
    }
}
