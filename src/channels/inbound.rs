//! What providers post: proved, stored as it came, answered. The work happens after (rules P1–P3).

use super::{Account, store};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::jobs::{self, LaneKey, NewJob};
use crate::kernel::Result;

/// The lane in which a channel's stored bodies wait to be worked in.
pub const INBOUND_LANE: &str = "channels.inbound";

/// A stored body.
#[derive(Debug)]
pub struct StoredInbound {
    pub id: i64,
    pub body: Vec<u8>,
}

/// Stores a proved body and queues it.
pub async fn accept(unit: &mut Unit, account: &Account, body: &[u8]) -> Result<()> {
    let now = unit.now();
    let id = store::insert_inbound(&mut unit.tx, account.scope, account.id, body, now).await?;
    let lane = LaneKey { kind: INBOUND_LANE, key: account.id, workspace: Some(account.scope) };
    jobs::enqueue(unit, lane, &[NewJob { subject: id, group: id }]).await
}

/// The bodies of these ids that are still there.
pub async fn bodies(app: &App, scope: WorkspaceScope, ids: &[i64]) -> Result<Vec<StoredInbound>> {
    let rows = store::inbound(&app.db, scope, ids).await?;
    Ok(rows.into_iter().map(|(id, body)| StoredInbound { id, body }).collect())
}

/// Removes bodies that are worked in.
pub async fn forget(unit: &mut Unit, scope: WorkspaceScope, ids: &[i64]) -> Result<()> {
    Ok(store::delete_inbound(&mut unit.tx, scope, ids).await?)
}
