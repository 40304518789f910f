//! What providers post: proved, stored as it came, answered. The work happens after (rules P1–P3).

use super::{Account, store};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::jobs::{self, LaneKey, NewJob};
use crate::kernel::{Instant, Result};

/// The lane in which a channel's stored bodies wait to be worked in.
pub const INBOUND_LANE: &str = "channels.inbound";
/// The lane in which a channel's outgoing messages wait.
pub const SENDING_LANE: &str = "conversations.send";

/// A stored body.
#[derive(Debug)]
pub struct StoredInbound {
    pub id: i64,
    pub body: Vec<u8>,
    pub received_at: Instant,
    /// How many of its elements are worked in already.
    pub taken: usize,
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
    Ok(rows.into_iter().map(StoredInbound::from).collect())
}

impl From<(i64, Vec<u8>, Instant, i64)> for StoredInbound {
    fn from((id, body, received_at, taken): (i64, Vec<u8>, Instant, i64)) -> Self {
        Self { id, body, received_at, taken: usize::try_from(taken).unwrap_or_default() }
    }
}

/// Notes how far a large body is worked in.
pub async fn note_taken(unit: &mut Unit, scope: WorkspaceScope, id: i64, taken: usize) -> Result<()> {
    let taken = i64::try_from(taken).unwrap_or(i64::MAX);
    Ok(store::set_taken(&mut unit.tx, scope, id, taken).await?)
}

/// Removes bodies that are worked in.
pub async fn forget(unit: &mut Unit, scope: WorkspaceScope, ids: &[i64]) -> Result<()> {
    Ok(store::delete_inbound(&mut unit.tx, scope, ids).await?)
}
