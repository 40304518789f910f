//! When a failed delivery is tried again.

use crate::kernel::{Instant, Random};
use http::HeaderMap;
use http::header::RETRY_AFTER;
use std::time::Duration;

/// The moment of the attempt after `attempts` failed ones; none when the schedule has ended. Up to a tenth is added or
/// taken away at random, so that deliveries that failed together do not come back together. A receiver that asks for more
/// time gets it, up to twice the step.
pub fn next_attempt(
    schedule: &[Duration],
    attempts: i64,
    asked: Option<Duration>,
    now: Instant,
    random: &dyn Random,
) -> Option<Instant> {
    let step = *schedule.get(usize::try_from(attempts - 1).ok()?)?;
    let per_mille = 900 + u32::try_from(random.below(201)).unwrap_or_default();
    let wait = step * per_mille / 1000;
    Some(now.after(asked.map_or(wait, |asked| asked.min(step * 2).max(wait))))
}

/// What `Retry-After` asks for: seconds, or a date.
pub fn asked_for(headers: &HeaderMap, now: Instant) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(now.until(http_date(text)?)),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the only form of a date that is still to be sent.
fn http_date(text: &str) -> Option<Instant> {
    let date = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", text).ok()?;
    let timestamp = jiff::tz::Offset::UTC.to_timestamp(date).ok()?;
    Some(Instant::from_seconds(timestamp.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SystemRandom;

    const NOW: Instant = Instant::from_micros(1_772_625_600_000_000);

    fn wait(attempts: i64, asked: Option<u64>) -> Option<u64> {
        let schedule = [Duration::from_secs(100), Duration::from_secs(1000)];
        let asked = asked.map(Duration::from_secs);
        next_attempt(&schedule, attempts, asked, NOW, &SystemRandom).map(|then| NOW.until(then).as_secs())
    }

    #[test]
    fn the_schedule_is_kept_within_a_tenth_and_ends() {
        for _ in 0..200 {
            assert!((90..=110).contains(&wait(1, None).unwrap()));
            assert!((900..=1100).contains(&wait(2, None).unwrap()));
        }
        assert_eq!(wait(3, None), None);
        assert_eq!(wait(0, None), None);
    }

    #[test]
    fn more_time_is_given_up_to_twice_the_step_but_never_less() {
        assert_eq!(wait(1, Some(150)), Some(150));
        assert_eq!(wait(1, Some(100_000)), Some(200));
        assert!(wait(1, Some(1)).unwrap() >= 90);
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        let asked = |text: &str| asked_for(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), NOW);
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("Wed, 04 Mar 2026 12:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(asked("Wed, 04 Mar 2026 11:00:00 GMT"), Some(Duration::ZERO));
        for bad in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(asked(bad), None, "{bad}");
        }
        assert_eq!(asked_for(&HeaderMap::new(), NOW), None);
    }
}
