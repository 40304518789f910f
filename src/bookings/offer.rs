//! Whether a time is free: one function, for showing what can be booked and for booking it.

use super::hours::{Calendar, DAY, by_clock};
use crate::kernel::Instant;
use jiff::civil::Date;
use std::ops::Range;

const MINUTE: i64 = 60_000_000;

/// What a type of bookings asks for, in minutes.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub duration: i64,
    pub buffer_before: i64,
    pub buffer_after: i64,
    pub min_notice: i64,
    pub max_days_ahead: i64,
    pub step: i64,
}

impl Rules {
    pub fn end(&self, start: Instant) -> Instant {
        Instant::from_micros(start.micros() + self.duration * MINUTE)
    }

    /// What a booking keeps others out of: its time and its buffers.
    pub fn span(&self, start: Instant) -> (Instant, Instant) {
        let from = start.micros() - self.buffer_before * MINUTE;
        (Instant::from_micros(from), Instant::from_micros(self.end(start).micros() + self.buffer_after * MINUTE))
    }
}

/// What is said of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Free,
    Taken,
    /// In open hours, but between two slots.
    OffStep,
    Closed,
    TooFar,
    /// Past, or without the notice that the type asks for.
    TooSoon,
}

/// How many places are taken, and when: the count holds from a moment to the next one's.
#[derive(Clone, Debug, Default)]
pub struct Busy(Vec<(i64, i64)>);

impl Busy {
    pub fn of(spans: impl Iterator<Item = (Instant, Instant)>) -> Self {
        let mut steps: Vec<(i64, i64)> = spans.flat_map(|(from, to)| [(from.micros(), 1), (to.micros(), -1)]).collect();
        steps.sort_unstable();
        let mut counts: Vec<(i64, i64)> = Vec::with_capacity(steps.len());
        let mut taken = 0;
        for (at, change) in steps {
            taken += change;
            match counts.last_mut() {
                Some(last) if last.0 == at => last.1 = taken,
                _ => counts.push((at, taken)),
            }
        }
        Self(counts)
    }

    /// The most places that are taken at one moment of a span.
    pub fn peak(&self, (from, to): (Instant, Instant)) -> i64 {
        let first = self.0.partition_point(|(at, _)| *at <= from.micros());
        let before = first.checked_sub(1).map_or(0, |at| self.0[at].1);
        let within = self.0[first..].iter().take_while(|(at, _)| *at < to.micros());
        within.map(|(_, taken)| *taken).fold(before, i64::max)
    }
}

/// A part of a resource's book, opened for one type of bookings.
#[derive(Debug)]
pub struct Book<'a> {
    rules: Rules,
    calendar: &'a Calendar,
    busy: &'a Busy,
    capacity: i64,
    now: Instant,
    horizon: Date,
    /// Before this, no clock shows a day beyond it.
    surely_near: i64,
    /// Open hours, and until when it stays open without a pause.
    runs: Vec<(i64, i64, i64)>,
}

impl<'a> Book<'a> {
    /// For bookings that start in a span.
    pub fn open(
        rules: Rules,
        calendar: &'a Calendar,
        busy: &'a Busy,
        capacity: i64,
        now: Instant,
        (from, to): (Instant, Instant),
    ) -> Self {
        let to = Instant::from_micros(to.micros() + (rules.duration + DAY) * MINUTE);
        let mut runs: Vec<(i64, i64, i64)> =
            calendar.runs(from, to).into_iter().map(|(from, to)| (from, to, to)).collect();
        for at in (1..runs.len()).rev() {
            if runs[at - 1].1 == runs[at].0 {
                runs[at - 1].2 = runs[at].2;
            }
        }
        let days = jiff::Span::new().days(rules.max_days_ahead);
        let horizon = calendar.date_at(now).saturating_add(days);
        let surely_near = by_clock(horizon) - DAY * MINUTE;
        Self { rules, calendar, busy, capacity, now, horizon, surely_near, runs }
    }

    /// The judgement on a start within the span that the book was opened for.
    pub fn judge(&self, start: Instant) -> Verdict {
        let earliest = self.now.micros() + self.rules.min_notice * MINUTE;
        if start.micros() < earliest {
            return Verdict::TooSoon;
        }
        if start.micros() >= self.surely_near && self.calendar.date_at(start) > self.horizon {
            return Verdict::TooFar;
        }
        let behind = self.runs.partition_point(|(from, ..)| *from <= start.micros());
        let run = behind.checked_sub(1).map(|at| self.runs[at]);
        let Some((opens, _, open_until)) = run.filter(|(_, closes, _)| start.micros() < *closes) else {
            return Verdict::Closed;
        };
        if self.rules.end(start).micros() > open_until {
            return Verdict::Closed;
        }
        if (start.micros() - opens) % (self.rules.step * MINUTE) != 0 {
            return Verdict::OffStep;
        }
        match self.busy.peak(self.rules.span(start)) < self.capacity {
            true => Verdict::Free,
            false => Verdict::Taken,
        }
    }

    /// Every free start of a span, in order.
    pub fn slots(&self, span: (Instant, Instant)) -> impl Iterator<Item = Instant> {
        let starts = self.runs.iter().flat_map(move |run| self.starts(*run, span));
        starts.map(Instant::from_micros).filter(|start| self.judge(*start) == Verdict::Free)
    }

    /// How many starts of a span are on the step.
    pub fn tries(&self, span: (Instant, Instant)) -> i64 {
        let of = |run: &(i64, i64, i64)| {
            let Range { start, end } = self.numbers(*run, span);
            (end - start).max(0)
        };
        self.runs.iter().map(of).sum()
    }

    /// The starts of a run that are on the step and in a span.
    fn starts(&self, run: (i64, i64, i64), span: (Instant, Instant)) -> impl Iterator<Item = i64> {
        let step = self.rules.step * MINUTE;
        self.numbers(run, span).map(move |number| run.0 + number * step)
    }

    /// Likewise, counted from the beginning of the run.
    fn numbers(&self, (opens, closes, _): (i64, i64, i64), (from, to): (Instant, Instant)) -> Range<i64> {
        let step = self.rules.step * MINUTE;
        let steps_to = |at: i64| (at - opens).max(0).div_euclid(step) + i64::from((at - opens).max(0) % step != 0);
        steps_to(from.micros())..steps_to(closes.min(to.micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Instant {
        Instant::from_seconds(minute * 60)
    }

    #[test]
    fn a_peak_is_the_most_at_one_moment_and_ends_touch() {
        let busy = Busy::of([(10, 20), (20, 30), (15, 25), (40, 50)].map(|(a, b)| (at(a), at(b))).into_iter());
        for (from, to, peak) in [
            (0, 10, 0),
            (0, 11, 1),
            (10, 15, 1),
            (10, 16, 2),
            (20, 21, 2),
            (25, 30, 1),
            (30, 40, 0),
            (0, 60, 2),
            (45, 46, 1),
            (50, 60, 0),
        ] {
            assert_eq!(busy.peak((at(from), at(to))), peak, "{from}-{to}");
        }
    }
}
