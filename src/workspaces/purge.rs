//! Removing everything of a deleted workspace, in batches small enough that nobody waits.

use super::store;
use crate::app::App;
use crate::auth::WorkspaceScope;
use crate::kernel::Result;

/// Every tenant table with the column its batches are cut by, children before what they refer to. A test compares this
/// list with the schema.
pub const TABLES: &[(&str, &str)] = &[
    ("job", "id"),
    ("job_lane", "id"),
    ("api_key", "id"),
    ("webhook_attempt", "delivery_id"),
    ("webhook_delivery", "id"),
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

const BATCH: i64 = 2_000;

/// Safe to repeat: what is gone is gone.
pub async fn run(app: &App, workspace_id: i64) -> Result<()> {
    let scope = WorkspaceScope::of_background_work(workspace_id);
    for (table, key) in TABLES {
        loop {
            let mut unit = app.begin().await?;
            let deleted = store::purge_batch(&mut unit.tx, scope, table, key, BATCH).await?;
            unit.commit().await?;
            if deleted == 0 {
                break;
            }
        }
    }
    let mut unit = app.begin().await?;
    // Readers of the log may have queued work for it until its events were gone.
    store::purge_batch(&mut unit.tx, scope, "job_lane", "id", BATCH).await?;
    store::purge_owner(&mut unit.tx, &format!("w:{workspace_id}")).await?;
    store::remove(&mut unit.tx, scope).await?;
    unit.commit().await
}
