//! How a lane fares with whoever is at its other end. One that answers nobody is down: the lane rests, ever longer, and
//! then tries a single job. So a receiver that is down costs the same whether ten jobs wait for it or a hundred thousand.

use crate::kernel::{Instant, Random};
use std::time::Duration;

/// What a batch of outcomes says of the other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fared {
    /// Whether it did what it was asked, at least once.
    pub well: bool,
    pub failures: i64,
    /// The first failure, if there was one.
    pub first_failure: Option<Instant>,
    /// It asks to be left alone until then.
    pub rest: Option<Instant>,
}

impl Fared {
    /// Whether it was asked and did nothing but fail. A batch in which nothing was tried says nothing of it.
    pub(super) fn ill(self) -> bool {
        !self.well && self.failures > 0
    }
}

/// Failures since the other end last answered well, and when they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub failures: i64,
    pub failing_since: Option<Instant>,
}

/// As many failures without anything between them, and the other end is down.
const DOWN: i64 = 10;
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);

impl Health {
    pub fn is_down(self) -> bool {
        self.failures >= DOWN
    }

    /// Since when, if it is.
    pub(super) fn down_since(self) -> Option<Instant> {
        self.failing_since.filter(|_| self.is_down())
    }

    pub(super) fn after(self, fared: Fared) -> Self {
        if fared.well {
            return Self::default();
        }
        Self {
            failures: self.failures.saturating_add(fared.failures),
            failing_since: self.failing_since.or(fared.first_failure),
        }
    }

    /// How long a lane that is down rests before its next try. Lanes that went down together do not come back together.
    pub(super) fn rest(self, random: &dyn Random) -> Option<Duration> {
        let doubled = u32::try_from((self.failures - DOWN).min(8)).ok()?;
        let per_mille = 900 + u32::try_from(random.below(201)).unwrap_or_default();
        Some((SHORTEST * 2_u32.pow(doubled)).min(LONGEST) * per_mille / 1000)
    }
}

/// How many jobs of a lane may run side by side: few at first, twice as many whenever the other end keeps up, half as many
/// when it does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    open: usize,
    most: usize,
}

impl Window {
    /// Who failed last is trusted with one.
    pub(super) fn of(health: Health, first: usize, most: usize) -> Self {
        Self { open: if health.failures > 0 { 1 } else { first.min(most) }, most }
    }

    pub(super) fn open(self) -> usize {
        self.open
    }

    pub(super) fn after(self, fared: Fared) -> Self {
        let open = match (fared.well, fared.failures) {
            (true, 0) => self.open * 2,
            (false, 1..) => self.open / 2,
            _ => self.open,
        };
        Self { open: open.clamp(1, self.most), ..self }
    }
}

/// Starts jobs no faster than an agreed number per minute, evenly.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// When the next one would start if all had started evenly.
    next: Option<Instant>,
}

/// Jobs may start this much early, so that a fast pace does not depend on how finely time is looked at.
const EARLY: Duration = Duration::from_millis(100);

impl Pace {
    /// When there will be a place, if there is none now.
    pub(super) fn next_place(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| now.until(*next) > EARLY)
    }

    /// Takes a place; or when there will be one.
    pub(super) fn take(&mut self, per_minute: Option<u32>, now: Instant) -> Result<(), Instant> {
        let Some(per_minute) = per_minute.filter(|limit| *limit > 0) else { return Ok(()) };
        let next = self.next.map_or(now, |next| next.max(now));
        if now.until(next) > EARLY {
            return Err(next);
        }
        self.next = Some(next.after(Duration::from_secs(60) / per_minute));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SystemRandom;

    const NOW: Instant = Instant::from_micros(1_772_625_600_000_000);

    fn failed(failures: i64) -> Fared {
        Fared { failures, first_failure: Some(NOW), ..Fared::default() }
    }

    #[test]
    fn a_lane_is_down_after_ten_failures_in_a_row_and_rests_ever_longer() {
        let health = Health::default().after(failed(9));
        assert!(!health.is_down() && health.rest(&SystemRandom).is_none() && health.failing_since == Some(NOW));
        let mut health = health.after(failed(1));
        for seconds in [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0] {
            let rest = health.rest(&SystemRandom).unwrap().as_secs_f64();
            assert!((seconds * 0.9..=seconds * 1.1).contains(&rest), "{seconds}: {rest}");
            health = health.after(Fared { first_failure: Some(NOW.after(LONGEST)), ..failed(1) });
            assert_eq!(health.failing_since, Some(NOW), "it began with the first one");
        }
        assert_eq!(health.after(Fared { well: true, ..failed(3) }), Health::default());
        assert!(Health { failures: i64::MAX, failing_since: None }.after(failed(1)).rest(&SystemRandom).is_some());
    }

    #[test]
    fn a_window_opens_while_the_other_end_keeps_up() {
        let well = Fared { well: true, ..Fared::default() };
        let mut window = Window::of(Health::default(), 8, 64);
        for open in [8, 16, 32, 64, 64] {
            assert_eq!(window.open(), open);
            window = window.after(well);
        }
        for open in [32, 16, 8, 4, 2, 1, 1] {
            window = window.after(failed(2));
            assert_eq!(window.open(), open);
        }
        assert_eq!(window.after(Fared { well: true, ..failed(1) }).open(), 1);
        assert_eq!(Window::of(Health { failures: 1, failing_since: Some(NOW) }, 8, 64).open(), 1);
    }

    #[test]
    fn a_pace_is_kept_evenly() {
        let mut pace = Pace::default();
        assert!((0..1000).all(|_| pace.take(None, NOW).is_ok()));
        assert_eq!(pace.take(Some(6), NOW), Ok(()));
        let then = NOW.after(Duration::from_secs(10));
        assert_eq!(pace.take(Some(6), NOW.after(Duration::from_secs(1))), Err(then));
        assert_eq!((pace.next_place(NOW), pace.next_place(then)), (Some(then), None));
        assert_eq!(pace.take(Some(6), then), Ok(()));
        let (mut pace, mut started) = (Pace::default(), 0);
        for millis in 0..10_000 {
            while pace.take(Some(60_000), NOW.after(Duration::from_millis(millis))).is_ok() {
                started += 1;
            }
        }
        assert!((10_000..=10_101).contains(&started), "{started}");
    }
}
