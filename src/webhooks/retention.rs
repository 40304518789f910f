//! The delivery log is kept for a time that the operator sets, and removed in small batches that stall nobody.

use super::{Owner, store};
use crate::app::App;
use crate::kernel::{Instant, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

/// Looked at, and removed if they are over, in one transaction: on SQLite nobody else writes meanwhile.
const BATCH: i64 = 500;
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

/// How far this node has come in the present round; deliveries are looked at in the order in which they were made. What
/// still waits is kept, however old, and passed over.
#[derive(Debug, Default)]
struct Round(Mutex<Progress>);

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    after: i64,
    rest_until: Option<Instant>,
}

/// Goes through one batch of deliveries past their time; answers how many there were, none when it is done for now.
pub async fn forget_old(app: &App) -> Result<u64> {
    let (now, round) = (app.now(), app.rooms.of::<Round>());
    let Progress { after, rest_until } = *round.0.lock();
    if rest_until.is_some_and(|then| then > now) {
        return Ok(0);
    }
    let before = now.before(app.config.webhook_log_retention);
    let past = store::all_workspaces_past(&app.db, after, before, BATCH).await?;
    let over: Vec<i64> = past.iter().filter(|(_, over)| *over).map(|(id, _)| *id).collect();
    if !over.is_empty() {
        remove(app, &over).await?;
    }
    *round.0.lock() = match past.last() {
        Some((last, _)) => Progress { after: *last, rest_until: None },
        None => Progress { after: 0, rest_until: Some(now.after(LOOK_AGAIN)) },
    };
    Ok(past.len().try_into().unwrap_or(1))
}

async fn remove(app: &App, ids: &[i64]) -> Result<()> {
    let mut unit = app.begin().await?;
    let mut counts: BTreeMap<(Owner, i64), i64> = BTreeMap::new();
    for (workspace, partner, webhook) in store::all_workspaces_remove(&mut unit.tx, ids).await? {
        let Some(owner) = Owner::of_row(workspace, partner) else { continue };
        *counts.entry((owner, webhook)).or_default() -= 1;
    }
    // In one order, as fan-out takes them.
    let counts: Vec<_> = counts.into_iter().map(|((owner, webhook), count)| (owner, webhook, count)).collect();
    store::add_to_counts(&mut unit.tx, &counts).await?;
    unit.commit().await
}
