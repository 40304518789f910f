//! When a resource is open: weekly hours and single days, by the clock on its wall.
//!
//! A moment is open if the clock then shows a time within the hours of the day it shows. So an hour that clocks skip is no
//! hour of work, and one that they repeat is two, as far as it is within the hours.

use crate::kernel::{Instant, Timezone};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

const MINUTE: i64 = 60_000_000;
/// Minutes of a day by its clock.
pub const DAY: i64 = 24 * 60;

/// A part of a weekday in which a resource takes bookings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpeningHours {
    /// 1 is Monday, 7 is Sunday.
    #[schema(example = 1, minimum = 1, maximum = 7)]
    pub weekday: i64,
    #[schema(value_type = String, example = "09:00")]
    pub from: TimeOfDay,
    /// `24:00` is the end of the day.
    #[schema(value_type = String, example = "17:00")]
    pub to: TimeOfDay,
}

/// Minutes since midnight by the clock: `09:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TimeOfDay(i64);

impl TimeOfDay {
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        if text.len() != 5 || hours.len() != 2 || !text.bytes().all(|b| b.is_ascii_digit() || b == b':') {
            return None;
        }
        let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
        Self::of_minutes(hours * 60 + minutes).filter(|_| minutes < 60)
    }

    pub fn of_minutes(minutes: i64) -> Option<Self> {
        (0..=DAY).contains(&minutes).then_some(Self(minutes))
    }

    pub fn minutes(self) -> i64 {
        self.0
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.0 / 60, time.0 % 60)
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a time of day")
    }
}

/// What a single day has in place of its weekday's hours: nothing, or one part.
pub type DayHours = Option<(TimeOfDay, TimeOfDay)>;

/// A resource's hours.
#[derive(Clone, Debug)]
pub struct Calendar {
    pub zone: TimeZone,
    pub week: Vec<OpeningHours>,
    pub days: BTreeMap<Date, DayHours>,
}

impl Calendar {
    pub fn new(zone: &Timezone, week: Vec<OpeningHours>, days: BTreeMap<Date, DayHours>) -> Self {
        Self { zone: zone.rules(), week, days }
    }

    /// The day that the clock shows at a moment.
    pub fn date_at(&self, at: Instant) -> Date {
        timestamp(at).to_zoned(self.zone.clone()).date()
    }

    /// The hours of a day, as minutes of it.
    fn parts(&self, date: Date) -> Vec<(i64, i64)> {
        if let Some(day) = self.days.get(&date) {
            return day.iter().map(|(from, to)| (from.0, to.0)).collect();
        }
        let weekday = i64::from(date.weekday().to_monday_one_offset());
        let of_day = self.week.iter().filter(|hours| hours.weekday == weekday);
        of_day.map(|hours| (hours.from.0, hours.to.0)).collect()
    }

    /// Everything open that a span touches, in order: each piece begins where its hours, or what clocks leave of them, begin.
    pub fn runs(&self, from: Instant, to: Instant) -> Vec<(i64, i64)> {
        // Between two looks at clocks of the same moment there are at most a day and some hours.
        let wide = SignedDuration::from_hours(36);
        let (lo, hi) = (timestamp(from), timestamp(to));
        let segments = self.segments(lo.saturating_sub(wide).unwrap_or(lo), hi.saturating_add(wide).unwrap_or(hi));
        let mut runs = Vec::new();
        let first = lo.to_zoned(self.zone.clone()).date().saturating_sub(jiff::Span::new().days(1));
        let last = hi.to_zoned(self.zone.clone()).date().saturating_add(jiff::Span::new().days(1));
        let mut date = first;
        while date <= last {
            let midnight = by_clock(date);
            for (opens, closes) in self.parts(date) {
                let (opens, closes) = (midnight + opens * MINUTE, midnight + closes * MINUTE);
                let mut pieces: Vec<(i64, i64)> = Vec::new();
                for (begin, end, offset) in &segments {
                    let piece = ((opens - offset).max(*begin), (closes - offset).min(*end));
                    match pieces.last_mut() {
                        _ if piece.0 >= piece.1 => {}
                        Some(before) if before.1 == piece.0 => before.1 = piece.1,
                        _ => pieces.push(piece),
                    }
                }
                runs.extend(pieces);
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        runs.retain(|(begin, end)| *end > from.micros() && *begin < to.micros());
        runs.sort_unstable();
        runs
    }

    /// How far the clock is ahead of UTC, from when to when.
    fn segments(&self, from: Timestamp, to: Timestamp) -> Vec<(i64, i64, i64)> {
        let ahead = |at: Timestamp| i64::from(self.zone.to_offset(at).seconds()) * 1_000_000;
        let mut segments = Vec::new();
        let (mut begin, mut offset) = (from.as_microsecond(), ahead(from));
        for change in self.zone.following(from).take_while(|change| change.timestamp() < to) {
            let at = change.timestamp();
            segments.push((begin, at.as_microsecond(), offset));
            (begin, offset) = (at.as_microsecond(), ahead(at));
        }
        segments.push((begin, to.as_microsecond(), offset));
        segments
    }
}

/// What a clock that shows UTC shows at the beginning of a day, in microseconds.
pub fn by_clock(date: Date) -> i64 {
    let days = date.since(Date::constant(1970, 1, 1)).map_or(0, |span| i64::from(span.get_days()));
    days * DAY * MINUTE
}

pub fn timestamp(at: Instant) -> Timestamp {
    Timestamp::from_microsecond(at.micros()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(zone: &str, from: &str, to: &str) -> Calendar {
        let part = |weekday| OpeningHours {
            weekday,
            from: TimeOfDay::parse(from).unwrap(),
            to: TimeOfDay::parse(to).unwrap(),
        };
        Calendar::new(&Timezone::parse(zone).unwrap(), (1..=7).map(part).collect(), BTreeMap::new())
    }

    fn of_day(calendar: &Calendar, date: &str) -> Vec<String> {
        let begin = Instant::parse_span(date).unwrap().0;
        let hours = |hours: u64| std::time::Duration::from_secs(hours * 3_600);
        let (from, to) = (begin.before(hours(3)), begin.after(hours(18)));
        let shown = |at: i64| Instant::from_micros(at).to_string()[5..16].to_owned();
        calendar.runs(from, to).into_iter().map(|(from, to)| format!("{} {}", shown(from), shown(to))).collect()
    }

    #[test]
    fn hours_follow_the_clock_on_the_wall() {
        let berlin = |from, to| calendar("Europe/Berlin", from, to);
        assert_eq!(of_day(&berlin("09:00", "17:00"), "2026-03-28"), ["03-28T08:00 03-28T16:00"]);
        assert_eq!(of_day(&berlin("09:00", "17:00"), "2026-03-29"), ["03-29T07:00 03-29T15:00"]);
        // Clocks skip from two to three.
        assert_eq!(of_day(&berlin("01:30", "03:30"), "2026-03-29"), ["03-29T00:30 03-29T01:30"]);
        assert_eq!(of_day(&berlin("02:00", "03:00"), "2026-03-29"), [""; 0]);
        assert_eq!(of_day(&berlin("02:30", "05:00"), "2026-03-29"), ["03-29T01:00 03-29T03:00"]);
        // At three, clocks go back to two.
        assert_eq!(of_day(&berlin("01:00", "04:00"), "2026-10-25"), ["10-24T23:00 10-25T03:00"]);
        assert_eq!(
            of_day(&berlin("02:30", "04:00"), "2026-10-25"),
            ["10-25T00:30 10-25T01:00", "10-25T01:30 10-25T03:00"]
        );
    }

    #[test]
    fn a_time_of_day_is_two_digits_colon_two() {
        for good in ["00:00", "09:30", "23:59", "24:00"] {
            assert_eq!(String::from(TimeOfDay::parse(good).unwrap()), good);
        }
        for bad in ["", "9:00", "24:01", "12:60", "12.30", "-1:00", "12:3x", "123:0", "１2:0"] {
            assert!(TimeOfDay::parse(bad).is_none(), "{bad}");
        }
    }
}
