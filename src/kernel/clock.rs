//! The clock, injected so that tests own time.

use super::Instant;

pub trait Clock: Send + Sync {
    fn now(&self) -> Instant;
}

/// The machine's clock: the only one the binary knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Instant {
        Instant::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}
