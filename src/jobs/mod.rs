//! Background work that survives everything: rows in the caller's transaction, leased by lane, acknowledged in batches.
//!
//! A *lane* holds the jobs of one endpoint or channel. Workers lease lanes, so a lane that is down sleeps as one row,
//! lanes take turns, and within a lane a *group* (a contact) keeps its order. A lease is good while its node's
//! heartbeat is fresh by the database's clock; every lease has a new fencing number, and acknowledgements name it.
//! Tables: `job_lane`, `job`, `node`.

mod health;
mod lane;
mod metrics;
mod node;
mod steps;
mod store;
mod worker;

pub use health::{Fared, Health};
pub use lane::{Kind, Opened, Verdict};
pub use metrics::measure;
pub use node::can_write;
pub use steps::Steps;
pub use worker::Workers;

use crate::app::Unit;
use crate::auth::WorkspaceScope;
use crate::kernel::{Instant, Result};
use std::time::Duration;

/// Which lane a job stands in.
#[derive(Clone, Copy, Debug)]
pub struct LaneKey {
    pub kind: &'static str,
    pub key: i64,
    /// None: the installation's own work.
    pub workspace: Option<WorkspaceScope>,
}

/// A job to queue.
#[derive(Clone, Copy, Debug)]
pub struct NewJob {
    /// What it is about: jobs carry ids, not copies.
    pub subject: i64,
    /// Jobs of one group keep their order.
    pub group: i64,
}

/// A leased lane.
#[derive(Clone, Debug)]
pub struct Lane {
    pub id: i64,
    pub workspace_id: Option<i64>,
    pub kind: String,
    pub key: i64,
    pub fence: i64,
    /// As it was when the lane was leased.
    pub health: Health,
}

impl skylight_db::FromRow for Lane {
    fn from_row(row: &skylight_db::Row<'_>) -> skylight_db::Result<Self> {
        let mut cells = row.cells();
        Ok(Self {
            id: cells.next()?,
            workspace_id: cells.next()?,
            kind: cells.next()?,
            key: cells.next()?,
            fence: cells.next()?,
            health: Health { failures: cells.next()?, failing_since: cells.next()? },
        })
    }
}

/// A job of a leased lane.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub id: i64,
    pub subject: i64,
    pub group: i64,
    /// How often it was tried before.
    pub attempt: i64,
}

skylight_db::from_row!(Job { id, subject, group, attempt });

/// Queues jobs that are due at once, behind those that were queued so before.
pub async fn enqueue(unit: &mut Unit, lane: LaneKey, jobs: &[NewJob]) -> Result<()> {
    let now = unit.now();
    let (lane_id, due) = store::open_lane_in_turn(&mut unit.tx, &lane, now).await?;
    store::insert(&mut unit.tx, lane_id, lane.workspace, jobs, due).await?;
    unit.queued_job();
    Ok(())
}

/// Queues jobs that are due at a moment.
pub async fn enqueue_at(unit: &mut Unit, lane: LaneKey, jobs: &[NewJob], due: Instant) -> Result<()> {
    let lane_id = store::open_lane(&mut unit.tx, &lane, due).await?;
    store::insert(&mut unit.tx, lane_id, lane.workspace, jobs, due).await?;
    unit.queued_job();
    Ok(())
}

/// Queues jobs that somebody is waiting for: before all others of their lane, and also while it rests.
pub async fn enqueue_first(unit: &mut Unit, lane: LaneKey, jobs: &[NewJob]) -> Result<()> {
    let due = before_all(unit, lane).await?;
    enqueue_at(unit, lane, jobs, due).await?;
    wake(unit, lane.kind, lane.key).await
}

/// Puts jobs that somebody is waiting for before all others of their lane, and wakes the lane.
pub async fn hasten_first(unit: &mut Unit, lane: LaneKey, jobs: &[NewJob]) -> Result<()> {
    wake(unit, lane.kind, lane.key).await?;
    let due = before_all(unit, lane).await?;
    Ok(store::all_workspaces_hasten(&mut unit.tx, &lane, jobs, due).await?)
}

async fn before_all(unit: &mut Unit, lane: LaneKey) -> Result<Instant> {
    let first = store::all_workspaces_first(&mut unit.tx, lane.kind, lane.key).await?;
    Ok(first.map_or(unit.now(), |first| first.before(Duration::from_micros(1)).min(unit.now())))
}

/// Other nodes may believe for this long that a workspace is still suspended.
const OTHERS_KNOW: Duration = Duration::from_secs(1);

/// Gives the other end of a lane another chance at once, as if it had never failed: it was repaired, or is another one now.
/// What waits because it was down comes forward: no success will follow upon failures that nobody knows of. Locks the lane.
pub async fn forget_failures(unit: &mut Unit, kind: &str, key: i64) -> Result<()> {
    let Some((lane, before)) = store::all_workspaces_lock(&mut unit.tx, kind, key).await? else { return Ok(()) };
    let now = unit.now();
    if let Some(since) = before.down_since() {
        store::all_workspaces_bring_forward(&mut unit.tx, lane, since, now).await?;
    }
    store::all_workspaces_set_health(&mut unit.tx, lane, Health::default()).await?;
    wake(unit, kind, key).await
}

/// Wakes one lane that sleeps; of an account that is connected again, for example. The other end of one that is down is
/// tried at once, by one job as ever. Locks the lane.
pub async fn wake(unit: &mut Unit, kind: &str, key: i64) -> Result<()> {
    let now = unit.now();
    store::all_workspaces_wake_lane(&mut unit.tx, kind, key, now).await?;
    unit.queued_job();
    Ok(())
}

/// Makes jobs of a lane that wait for a later moment due at once, and wakes the lane.
pub async fn hasten(unit: &mut Unit, lane: LaneKey, jobs: &[NewJob]) -> Result<()> {
    wake(unit, lane.kind, lane.key).await?;
    let now = unit.now();
    Ok(store::all_workspaces_hasten(&mut unit.tx, &lane, jobs, now).await?)
}

/// Locks a lane's row to the end of the unit, so that its worker's transactions and this one come one after the other.
pub async fn lock(unit: &mut Unit, kind: &str, key: i64) -> Result<()> {
    store::all_workspaces_lock(&mut unit.tx, kind, key).await?;
    Ok(())
}

/// Wakes every lane of a workspace that was put to sleep while it was suspended.
pub async fn wake_workspace(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    let then = unit.now().after(OTHERS_KNOW);
    store::wake(&mut unit.tx, scope, then).await?;
    unit.queued_job();
    Ok(())
}
