//! Slots, found a second time by somebody who knows nothing of how they are found: looking at the clock on the wall every
//! minute. For every zone around each change of its clocks in ten years, and for some day of zones whose clocks stay.
//!
//! `SLOTS_SEED` repeats a run.

use super::hours::{Calendar, DayHours, OpeningHours, TimeOfDay};
use super::offer::{Book, Busy, Rules, Verdict};
use crate::kernel::{Instant, Random, SystemRandom, Timezone};
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Numbers that follow from their seed alone (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 >> 33).unwrap() % most
    }

    fn of(&mut self, choices: &[i64]) -> i64 {
        choices[usize::try_from(self.below(i64::try_from(choices.len()).unwrap())).unwrap()]
    }
}

/// A resource, a type and a moment, drawn so that much happens around a change of clocks.
struct Case {
    zone: TimeZone,
    week: Vec<OpeningHours>,
    days: BTreeMap<Date, DayHours>,
    rules: Rules,
    capacity: i64,
    /// Minutes since 1970, likewise below; with their buffers.
    bookings: Vec<(i64, i64)>,
    now: Instant,
    from: i64,
    to: i64,
}

const AROUND: i64 = 6 * 60;
const LONGEST_PART: i64 = 8 * 60;

fn time(minutes: i64) -> TimeOfDay {
    TimeOfDay::of_minutes(minutes).unwrap()
}

/// Up to two parts of a day that do not overlap; now and then they touch, or end the day.
fn parts(dice: &mut Dice, around: i64) -> Vec<(i64, i64)> {
    let quarter = |minutes: i64| (minutes / 5 * 5).clamp(0, 24 * 60);
    let from = quarter(around - dice.below(5 * 60));
    let to = quarter(from + 5 + dice.below(LONGEST_PART - 5));
    let again = quarter(to + dice.of(&[0, 0, 15, 60]));
    let end = quarter(again + 15 + dice.below(4 * 60));
    [(from, to), (again, end)].into_iter().take(1 + usize::from(dice.below(2) == 0)).filter(|(a, b)| a < b).collect()
}

impl Case {
    fn around(dice: &mut Dice, zone: &TimeZone, change: Timestamp) -> Self {
        let local = change.to_zoned(zone.clone());
        let shown = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let mut week = Vec::new();
        for weekday in 1..=7 {
            // About midnight, the day before matters as well.
            let around = if dice.below(4) == 0 { 24 * 60 - 30 } else { shown };
            let of_day = parts(dice, around).into_iter();
            week.extend(of_day.map(|(from, to)| OpeningHours { weekday, from: time(from), to: time(to) }));
        }
        let mut days = BTreeMap::new();
        if dice.below(3) == 0 {
            let part = parts(dice, shown).into_iter().next();
            days.insert(local.date(), part.map(|(from, to)| (time(from), time(to))));
        }
        let minute = change.as_second().div_euclid(60);
        let (from, to) = (minute - AROUND, minute + AROUND);
        let bookings = (0..dice.below(7)).map(|_| {
            let begin = from + dice.below(2 * AROUND);
            (begin, begin + 5 + dice.below(120))
        });
        let bookings = bookings.collect();
        let ago = dice.of(&[1, 3 * 60, 9 * 60, 30 * 60]) * 60 + dice.below(60);
        Self {
            zone: zone.clone(),
            week,
            days,
            rules: Rules {
                duration: dice.of(&[5, 15, 30, 45, 60, 90, 120]),
                buffer_before: dice.of(&[0, 0, 10, 35]),
                buffer_after: dice.of(&[0, 0, 15, 40]),
                min_notice: dice.of(&[0, 0, 30, 600]),
                max_days_ahead: dice.of(&[0, 1, 2, 60]),
                step: dice.of(&[5, 15, 20, 30, 45, 60]),
            },
            capacity: 1 + dice.below(3),
            bookings,
            now: Instant::from_seconds(from * 60 + AROUND * 60 - ago),
            from,
            to,
        }
    }

    /// What stands on the wall, every minute of a span.
    fn wall(&self, from: i64, to: i64) -> Vec<(Date, i64)> {
        let shown = |minute: i64| {
            let local = Timestamp::from_second(minute * 60).unwrap().to_zoned(self.zone.clone()).datetime();
            (local.date(), i64::from(local.hour()) * 60 + i64::from(local.minute()))
        };
        (from..to).map(shown).collect()
    }

    /// Which part of which day a minute is in.
    fn part(&self, (date, minute): (Date, i64)) -> Option<(Date, usize)> {
        let special = self.days.get(&date).map(|day| day.iter().map(|(a, b)| (*a, *b)).collect::<Vec<_>>());
        let weekday = i64::from(date.weekday().to_monday_one_offset());
        let usual = || {
            let of_day = self.week.iter().filter(|part| part.weekday == weekday);
            of_day.map(|part| (part.from, part.to)).collect::<Vec<_>>()
        };
        let parts = special.unwrap_or_else(usual);
        let at = parts.iter().position(|(from, to)| (from.minutes()..to.minutes()).contains(&minute))?;
        Some((date, at))
    }

    fn expected(&self) -> Vec<i64> {
        let begin = self.from - LONGEST_PART - 4 * 60;
        let wall = self.wall(begin, self.to + self.rules.duration);
        let parts: Vec<_> = wall.iter().map(|shown| self.part(*shown)).collect();
        let index = |minute: i64| usize::try_from(minute - begin).unwrap();
        let mut last = self.now_date();
        for _ in 0..self.rules.max_days_ahead {
            last = last.tomorrow().unwrap();
        }
        let is_free = |minute: &i64| {
            let at = index(*minute);
            if parts[at].is_none() || wall[at].0 > last {
                return false;
            }
            if minute * 60 * 1_000_000 < self.now.micros() + self.rules.min_notice * 60_000_000 {
                return false;
            }
            let opened = (0..=at).rev().take_while(|earlier| parts[*earlier] == parts[at]).last().unwrap();
            if i64::try_from(at - opened).unwrap() % self.rules.step != 0 {
                return false;
            }
            if (*minute..minute + self.rules.duration).any(|then| parts[index(then)].is_none()) {
                return false;
            }
            let blocked = minute - self.rules.buffer_before..minute + self.rules.duration + self.rules.buffer_after;
            let most = blocked.map(|then| self.bookings.iter().filter(|(a, b)| (*a..*b).contains(&then)).count()).max();
            i64::try_from(most.unwrap()).unwrap() < self.capacity
        };
        (self.from..self.to).filter(is_free).collect()
    }

    fn now_date(&self) -> Date {
        Timestamp::from_microsecond(self.now.micros()).unwrap().to_zoned(self.zone.clone()).date()
    }

    /// What the room finds, and how it judges every few minutes.
    fn found(&self, dice: &mut Dice, zone: &str) -> (Vec<i64>, Vec<(i64, bool)>) {
        let zone = Timezone::parse(zone).unwrap();
        let calendar = Calendar::new(&zone, self.week.clone(), self.days.clone());
        let moment = |minute: i64| Instant::from_seconds(minute * 60);
        let busy = Busy::of(self.bookings.iter().map(|(from, to)| (moment(*from), moment(*to))));
        let span = (moment(self.from), moment(self.to));
        let book = Book::open(self.rules, &calendar, &busy, self.capacity, self.now, span);
        let slots = book.slots(span).map(|at| at.seconds() / 60).collect();
        let judged = (0..12).map(|_| {
            let minute = self.from + dice.below(2 * AROUND);
            // As a new booking is judged: by a book that is opened for its start alone.
            let span = (moment(minute), Instant::from_micros(moment(minute).micros() + 1));
            let book = Book::open(self.rules, &calendar, &busy, self.capacity, self.now, span);
            (minute, book.judge(moment(minute)) == Verdict::Free)
        });
        (slots, judged.collect())
    }
}

#[test]
fn slots_are_what_the_clock_on_the_wall_says_in_every_zone_around_every_change() {
    let given = std::env::var("SLOTS_SEED").ok().and_then(|seed| seed.parse().ok());
    let drawn = || u64::from_le_bytes((&SystemRandom as &dyn Random).bytes()) >> 1 | 1;
    let seed: u64 = given.unwrap_or_else(drawn);
    println!("SLOTS_SEED={seed}");
    let zones = TimeZoneDatabase::bundled();
    let (begin, end): (Timestamp, Timestamp) =
        ("2024-01-01T00:00:00Z".parse().unwrap(), "2034-01-01T00:00:00Z".parse().unwrap());
    let (mut dice, mut cases, mut slots) = (Dice(seed), 0, 0);
    for name in zones.available() {
        let zone = zones.get(name.as_str()).unwrap();
        let changes = zone.following(begin).map(|change| change.timestamp()).take_while(|at| *at < end);
        let mut moments: Vec<Timestamp> = changes.collect();
        if moments.is_empty() {
            let days = dice.below(3_650);
            moments.push(begin + SignedDuration::from_hours(24 * days + dice.below(24)));
        }
        for change in moments {
            let case = Case::around(&mut dice, &zone, change);
            let expected = case.expected();
            let (found, judged) = case.found(&mut dice, name.as_str());
            let told = || format!("SLOTS_SEED={seed}: {name} around {change}");
            assert_eq!(found, expected, "{}", told());
            for (minute, is_free) in judged {
                assert_eq!(is_free, expected.contains(&minute), "{} at minute {minute}", told());
            }
            (cases, slots) = (cases + 1, slots + expected.len());
        }
    }
    println!("{cases} cases, {slots} slots");
    assert!(cases > 3_000 && slots > cases, "{cases} cases, {slots} slots");
}
