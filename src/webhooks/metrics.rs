//! What deliveries come to, for whoever watches. What waits, and for how long, stands among the jobs.

use super::delivery::Attempt;
use crate::app::App;
use crate::app::metrics::{Counter, Gauge, Histogram};

const IN_FLIGHT: Gauge =
    Gauge::new("skylight_webhook_requests_in_flight", "Requests to receivers that wait for their answer.", &[]);
const ATTEMPTS: Histogram = Histogram::new(
    "skylight_webhook_attempt_seconds",
    "Requests to receivers, from the first byte of connecting to the last byte of the answer, by what came of them.",
    &["outcome"],
);
const ENDED: Counter = Counter::new(
    "skylight_webhook_deliveries_total",
    "Deliveries that will not be tried again, by how they ended: taken by the receiver, or given up.",
    &["status"],
);

/// A request under way; it has ended when this is dropped, however it ended.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a App);

impl<'a> InFlight<'a> {
    pub(super) fn begin(app: &'a App) -> Self {
        IN_FLIGHT.change(&app.metrics, [], 1);
        Self(app)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        IN_FLIGHT.change(&self.0.metrics, [], -1);
    }
}

pub(super) fn attempted(app: &App, attempt: &Attempt) {
    ATTEMPTS.observe(&app.metrics, [attempt.outcome()], attempt.duration);
}

/// Counted when it is recorded.
pub(super) fn ended(app: &App, delivered: usize, failed: usize) {
    for (status, count) in [("delivered", delivered), ("failed", failed)] {
        ENDED.add(&app.metrics, [status], count.try_into().unwrap_or(0));
    }
}
