//! Background work of this room: plan changes at the month's start, and removing what a deleted workspace left.

use super::{clients, purge, store};
use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::jobs::{Job, Kind, Lane, Opened, Steps, Verdict};
use crate::kernel::Result;
use std::time::Duration;

/// Applies a waiting plan change, also when no node was up at that minute.
#[derive(Debug)]
pub struct PlanChange;

impl Steps for PlanChange {
    const NAME: &'static str = "workspaces.plan_change";

    async fn step(unit: &mut Unit, scope: WorkspaceScope, _: i64) -> Result<bool> {
        if let Some(partner) = store::apply_pending_plan(&mut unit.tx, scope).await? {
            let client = clients::record_updated(unit, PartnerScope::of_workspace(partner), scope.id()).await?;
            let plan = Changes::of("plan", client.plan);
            audit::record(unit, scope, Action::ClientPlanChanged, scope.id(), plan).await?;
        }
        Ok(true)
    }
}

/// Removes a deleted workspace's rows.
#[derive(Debug)]
pub struct Purge;

impl Purge {
    pub const LANE: &'static str = "workspaces.purge";
}

impl Kind for Purge {
    const NAME: &'static str = Self::LANE;
    const CONCURRENCY: usize = 1;
    const STRICT: bool = true;
    type Shared = i64;
    type Item = ();
    type Done = Result<()>;

    async fn open(&self, _: &App, lane: &Lane) -> Result<Opened<i64>> {
        Ok(Opened::Ready(lane.key))
    }

    async fn load(&self, _: &App, _: &i64, jobs: &[Job]) -> Result<Vec<Option<()>>> {
        Ok(vec![Some(()); jobs.len()])
    }

    async fn perform(&self, app: &App, workspace_id: &i64, _: Job, (): ()) -> Result<()> {
        purge::run(app, *workspace_id).await
    }

    async fn settle(&self, unit: &mut Unit, _: &i64, done: &mut Vec<(Job, Result<()>)>) -> Result<Vec<Verdict>> {
        let again = unit.now().after(Duration::from_secs(2));
        let verdict = |outcome: &Result<()>| match outcome {
            Ok(()) => Verdict::Done,
            Err(error) => {
                tracing::warn!(%error, "removing a deleted workspace goes on shortly");
                Verdict::Retry(again)
            }
        };
        Ok(done.iter().map(|(_, outcome)| verdict(outcome)).collect())
    }
}
