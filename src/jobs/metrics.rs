//! What waits to be done, for whoever watches.

use super::store;
use crate::app::App;
use crate::app::metrics::{Gauge, Sample};
use crate::kernel::Result;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;

const WAITING: Gauge =
    Gauge::new("skylight_jobs_waiting", "Jobs that are due and not done, counted up to 10,000 in all.", &["kind"]);
const OLDEST: Gauge =
    Gauge::new("skylight_jobs_oldest_seconds", "How long the oldest of them has been due.", &["kind"]);

/// The kinds of work that this binary knows: those without work are shown, too.
#[derive(Default)]
pub(super) struct Kinds(pub(super) RwLock<Vec<&'static str>>);

/// Registers the reader; done once, at start.
pub fn measure(app: &App) {
    app.metrics.read_at_scrape(read);
}

fn read(app: &App) -> BoxFuture<'_, Result<Vec<Sample>>> {
    Box::pin(async move {
        let now = app.now();
        let waiting = store::all_workspaces_waiting(&app.db, now).await?;
        let kinds = app.rooms.of::<Kinds>().0.read().clone();
        let samples = kinds.into_iter().flat_map(|kind| {
            let found = waiting.iter().find(|(of, ..)| of == kind);
            let (count, age) = found.map_or((0, 0.0), |(_, count, since)| (*count, since.until(now).as_secs_f64()));
            [WAITING.is(&[kind], count as f64), OLDEST.is(&[kind], age)]
        });
        Ok(samples.collect())
    })
}
