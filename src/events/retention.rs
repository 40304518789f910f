//! The log is kept for a time that the operator sets, and removed in small batches that stall nobody. Numbers of what was
//! removed are never given again.

use super::{Reader, store};
use crate::app::App;
use crate::kernel::{Instant, Result};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Looked at, and removed, in one transaction: on SQLite nobody else writes meanwhile.
const BATCH: i64 = 500;
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

/// How far this node has come in the present round.
#[derive(Debug, Default)]
struct Round(Mutex<Progress>);

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    after: i64,
    rest_until: Option<Instant>,
}

/// Goes through one batch of events past their time, and leaves those that a reader still needs; answers how many there
/// were, none when it is done for now.
pub async fn forget_old(app: &App, readers: &[Arc<dyn Reader>]) -> Result<u64> {
    let (now, round) = (app.now(), app.rooms.of::<Round>());
    let Progress { after, rest_until } = *round.0.lock();
    if rest_until.is_some_and(|then| then > now) {
        return Ok(0);
    }
    let before = now.before(app.config.event_log_retention);
    let past = store::all_workspaces_past(&app.db, after, before, BATCH).await?;
    if !past.is_empty() {
        remove(app, readers, &past).await?;
    }
    *round.0.lock() = match past.last() {
        Some(last) => Progress { after: *last, rest_until: None },
        None => Progress { after: 0, rest_until: Some(now.after(LOOK_AGAIN)) },
    };
    Ok(past.len().try_into().unwrap_or(1))
}

async fn remove(app: &App, readers: &[Arc<dyn Reader>], past: &[i64]) -> Result<()> {
    let mut unit = app.begin().await?;
    let mut needed = HashSet::new();
    for reader in readers {
        needed.extend(reader.needs(&mut unit, past).await?);
    }
    let unneeded: Vec<i64> = past.iter().copied().filter(|id| !needed.contains(id)).collect();
    if !unneeded.is_empty() {
        store::all_workspaces_remove(&mut unit.tx, &unneeded).await?;
    }
    unit.commit().await
}
