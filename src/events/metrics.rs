//! What of the log nobody has read yet, for whoever watches.

use super::store;
use crate::app::App;
use crate::app::metrics::{Gauge, Sample};
use crate::kernel::Result;
use futures_util::future::BoxFuture;

const UNNUMBERED: Gauge =
    Gauge::new("skylight_events_unnumbered", "Events that no reader has seen yet, counted up to 10,000.", &[]);
const OLDEST: Gauge =
    Gauge::new("skylight_events_unnumbered_oldest_seconds", "How long ago the oldest of them was recorded.", &[]);

/// Registers the reader; done once, at start.
pub fn measure(app: &App) {
    app.metrics.read_at_scrape(read);
}

fn read(app: &App) -> BoxFuture<'_, Result<Vec<Sample>>> {
    Box::pin(async move {
        let (count, since) = store::all_workspaces_unnumbered_count(&app.db).await?;
        let age = since.map_or(0.0, |since| since.until(app.now()).as_secs_f64());
        Ok(vec![UNNUMBERED.is(&[], count as f64), OLDEST.is(&[], age)])
    })
}
