//! A moment in UTC microseconds, as it is stored, and a calendar month in UTC, as usage is counted.

use serde::{Serialize, Serializer};
use skylight_db::{Cell, Column, Param, Value};
use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

static SIX_DIGITS: jiff::fmt::temporal::DateTimePrinter =
    jiff::fmt::temporal::DateTimePrinter::new().precision(Some(6));
static WHOLE_SECONDS: jiff::fmt::temporal::DateTimePrinter =
    jiff::fmt::temporal::DateTimePrinter::new().precision(Some(0));

impl Instant {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Reads a moment with its offset, or a date in UTC: the first moment meant, and the first one after it.
    pub fn parse_span(text: &str) -> Option<(Self, Self)> {
        if text.len() == 10 {
            let date: jiff::civil::Date = text.parse().ok()?;
            let start = |date: jiff::civil::Date| date.to_zoned(jiff::tz::TimeZone::UTC).ok();
            let (first, after) = (start(date)?, start(date.tomorrow().ok()?)?);
            return Some((Self(first.timestamp().as_microsecond()), Self(after.timestamp().as_microsecond())));
        }
        let moment: jiff::Timestamp = text.parse().ok()?;
        let first = moment.as_microsecond();
        Some((Self(first), Self(first + 1)))
    }

    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long until `later`; nothing if that is past.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_micros(u64::try_from(later.0 - self.0).unwrap_or_default())
    }

    pub fn month(self) -> Month {
        let date = self.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
        Month { year: date.year(), month: date.month() }
    }

    /// `2026-02-11T06:45:00Z`: the form of `last_synced_at` in the account seed (C8).
    pub fn to_whole_seconds(self) -> String {
        WHOLE_SECONDS.timestamp_to_string(&self.timestamp())
    }

    /// `2025-06-01T10:00:00+03:00`: the form of `account.created_at` in the account seed (C8).
    pub fn to_local(self, zone: &super::Timezone) -> String {
        let local = self.timestamp().to_zoned(zone.rules());
        local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// How far a zone is from UTC at this moment: `+03:00`.
    pub fn offset_in(self, zone: &super::Timezone) -> String {
        self.timestamp().to_zoned(zone.rules()).strftime("%:z").to_string()
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// `2026-03-04T12:00:00.000000Z`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&SIX_DIGITS.timestamp_to_string(&self.timestamp()))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&SIX_DIGITS.timestamp_to_string(&self.timestamp()))
    }
}

impl Param for Instant {
    fn value(&self) -> Value<'_> {
        Value::Int(self.0)
    }
}

impl Column for Instant {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        i64::from_cell(cell).map(Self)
    }
}

/// A calendar month in UTC: the billing cycle. Stored as `YYYYMM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// Reads `YYYY-MM`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        if year.len() != 4 || month.len() != 2 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return None;
        }
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        (1..=12).contains(&month).then_some(Self { year, month })
    }

    pub fn next(self) -> Self {
        match self.month {
            12 => Self { year: self.year + 1, month: 1 },
            month => Self { year: self.year, month: month + 1 },
        }
    }

    /// Its first moment, UTC.
    pub fn start(self) -> Instant {
        let zoned = jiff::civil::date(self.year, self.month, 1).to_zoned(jiff::tz::TimeZone::UTC);
        Instant(zoned.map_or(i64::MAX, |zoned| zoned.timestamp().as_microsecond()))
    }

    pub fn number(self) -> i64 {
        i64::from(self.year) * 100 + i64::from(self.month)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl Param for Month {
    fn value(&self) -> Value<'_> {
        Value::Int(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_documented() {
        let instant = Instant::from_seconds(1_772_625_600);
        assert_eq!(instant.to_string(), "2026-03-04T12:00:00.000000Z");
        assert_eq!(instant.to_whole_seconds(), "2026-03-04T12:00:00Z");
        let riyadh = crate::kernel::Timezone::parse("Asia/Riyadh").unwrap();
        assert_eq!(instant.to_local(&riyadh), "2026-03-04T15:00:00+03:00");
        assert_eq!(instant.month().number(), 202_603);
    }

    #[test]
    fn a_span_is_a_moment_or_a_day() {
        let (first, after) = Instant::parse_span("2026-03-04").unwrap();
        assert_eq!(first.to_string(), "2026-03-04T00:00:00.000000Z");
        assert_eq!(after.to_string(), "2026-03-05T00:00:00.000000Z");
        let (first, after) = Instant::parse_span("2026-03-04T15:00:00+03:00").unwrap();
        assert_eq!((first.seconds(), after.micros() - first.micros()), (1_772_625_600, 1));
        for bad in
            ["", "yesterday", "2026-3-4", "2026-02-30", "2026-03-04T12:00:00", "20260304", "1772625600", "9999-12-31"]
        {
            assert_eq!(Instant::parse_span(bad), None, "{bad}");
        }
    }

    #[test]
    fn months_are_four_digits_dash_two() {
        assert_eq!(Month::parse("2026-02").unwrap().number(), 202_602);
        for bad in ["2026-13", "2026-00", "26-02", "2026-2", "2026/02", "current", "", "２０２６-02"] {
            assert!(Month::parse(bad).is_none(), "{bad}");
        }
    }
}
