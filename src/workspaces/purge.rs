//! Removing everything of a deleted workspace, in batches small enough that nobody waits.

use super::{Cleaning, Cleanings, Piece, store};
use crate::app::App;
use crate::audit;
use crate::auth::WorkspaceScope;
use crate::kernel::Result;
use skylight_db::Engine;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Every tenant table with the column its batches are cut by, children before what they refer to. A test compares this
/// list with the schema.
pub const TABLES: &[(&str, &str)] = &[
    ("job", "id"),
    ("job_lane", "id"),
    ("api_key", "id"),
    ("webhook_attempt", "delivery_id"),
    ("webhook_delivery", "id"),
    ("webhook_recovery", "id"),
    ("webhook", "id"),
    ("early_status", "id"),
    ("message", "id"),
    ("conversation", "id"),
    ("conversation_count", "channel"),
    ("inbound", "id"),
    ("contact_address", "contact_id"),
    ("channel", "id"),
    ("contact_tag", "contact_id"),
    ("tag", "id"),
    ("ticket_reply", "id"),
    ("ticket", "id"),
    ("contact_group_member", "contact_id"),
    ("contact_group", "id"),
    ("booking_seat", "booking_id"),
    ("booking_reminder", "id"),
    ("booking_history", "id"),
    ("booking", "id"),
    ("booking_feed", "id"),
    ("booking_exception", "id"),
    ("booking_resource_type", "resource_id"),
    ("booking_resource", "id"),
    ("booking_type", "id"),
    ("note", "id"),
    ("contact_unindexed", "contact_id"),
    ("contact", "id"),
    ("contact_block", "block"),
    ("event", "id"),
    ("event_head", "workspace_id"),
    ("mail", "id"),
    ("visit_link", "id"),
    ("workspace_session", "id"),
    ("team_link", "id"),
    ("team_member", "id"),
    ("meter_month", "month"),
    ("meter", "workspace_id"),
];

/// Tenant tables whose rows go with a row of [`TABLES`]: the search index on SQLite cannot be asked for a workspace.
pub const FOLLOWING: &[&str] = &["contact_gram"];

/// Tenant tables that keep what is not the workspace's own: the partner's entries about it.
pub const KEEPING: &[&str] = &["audit_entry"];

/// How long one step may keep other writers waiting: on the embedded database there is one writer at a time.
const STEP: Duration = Duration::from_millis(10);
const BATCHES: RangeInclusive<i64> = 50..=2_000;

/// How many rows are removed at once; found out by trying, because a contact takes many times as long as an event.
#[derive(Debug)]
struct Batch(i64);

impl Batch {
    fn learn(&mut self, took: Duration) {
        let wanted = if took > STEP { self.0 / 2 } else { self.0 + self.0 / 4 };
        self.0 = wanted.clamp(*BATCHES.start(), *BATCHES.end());
    }
}

/// How often the database's log is tried to be emptied in the end, and how long others go first.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// What a step removes rows of.
#[derive(Clone, Copy, Debug)]
enum Of {
    Table(&'static str, &'static str),
    Audit,
    Rest(Cleaning),
}

/// Safe to repeat: what is gone is gone.
pub async fn run(app: &App, workspace_id: i64) -> Result<()> {
    let scope = WorkspaceScope::of_background_work(workspace_id);
    for (table, key) in TABLES {
        remove_all(app, scope, Of::Table(table, key)).await?;
    }
    remove_all(app, scope, Of::Audit).await?;
    let cleanings = app.rooms.of::<Cleanings>().0.read().clone();
    for cleaning in cleanings {
        remove_all(app, scope, Of::Rest(cleaning)).await?;
    }
    let mut unit = app.begin().await?;
    // Readers of the log may have queued work for it until its events were gone.
    store::purge_batch(&mut unit.tx, scope, "job_lane", "id", *BATCHES.end()).await?;
    store::purge_owner(&mut unit.tx, &format!("w:{workspace_id}")).await?;
    store::remove(&mut unit.tx, scope).await?;
    unit.commit().await?;
    // Where somebody is always reading, the log is written over in time all the same.
    for _ in 0..TRIES {
        if app.db.empty_log()? {
            break;
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    Ok(())
}

/// Step by step, each a transaction of its own, until nothing is found.
async fn remove_all(app: &App, scope: WorkspaceScope, of: Of) -> Result<()> {
    let (mut batch, mut is_first) = (Batch(*BATCHES.start()), true);
    loop {
        let mut unit = app.begin().await?;
        let began = Instant::now();
        let removed = match of {
            Of::Table(table, key) => store::purge_batch(&mut unit.tx, scope, table, key, batch.0).await?,
            Of::Audit => audit::purge(&mut unit, scope, batch.0).await?,
            Of::Rest(cleaning) => cleaning(&mut unit, Piece { is_first, size: batch.0 }).await?.into(),
        };
        is_first = false;
        let took = began.elapsed();
        batch.learn(took);
        unit.commit().await?;
        if removed == 0 {
            return Ok(());
        }
        if app.db.engine() == Engine::Sqlite {
            // Whoever waited for the one writer writes now, together.
            tokio::time::sleep(took.min(STEP)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_while_they_are_short_and_shrink_at_once() {
        let mut batch = Batch(50);
        (0..30).for_each(|_| batch.learn(Duration::from_millis(1)));
        assert_eq!(batch.0, 2_000);
        batch.learn(Duration::from_millis(40));
        assert_eq!(batch.0, 1_000);
        (0..30).for_each(|_| batch.learn(Duration::from_secs(1)));
        assert_eq!(batch.0, 50, "a slow database gets on, too");
    }
}
