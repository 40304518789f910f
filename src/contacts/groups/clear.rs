//! Removes the members of a deleted group, in small steps that stall nobody.

use super::store;
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::jobs::{Job, Kind, Lane, Opened, Verdict};
use crate::kernel::Result;

/// The kind of work that clears; one job per deleted group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clear;

/// Rows of one step: on SQLite nobody else writes meanwhile.
const STEP: i64 = 2_000;

impl Kind for Clear {
    const NAME: &'static str = "contacts.clear_group";
    const CONCURRENCY: usize = 1;
    const STRICT: bool = false;
    type Shared = WorkspaceScope;
    type Item = ();
    type Done = ();

    async fn open(&self, _: &App, lane: &Lane) -> Result<Opened<WorkspaceScope>> {
        let scope = lane.workspace_id.map(WorkspaceScope::of_background_work);
        Ok(scope.map_or(Opened::Gone, Opened::Ready))
    }

    async fn load(&self, _: &App, _: &WorkspaceScope, jobs: &[Job]) -> Result<Vec<Option<()>>> {
        Ok(vec![Some(()); jobs.len()])
    }

    async fn perform(&self, _: &App, _: &WorkspaceScope, _: Job, (): ()) {}

    async fn settle(&self, unit: &mut Unit, scope: &WorkspaceScope, done: &mut Vec<(Job, ())>) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::with_capacity(done.len());
        for (job, ()) in done {
            let cleared = store::clear(&mut unit.tx, *scope, job.subject, STEP).await?;
            verdicts.push(if cleared { Verdict::Done } else { Verdict::Retry(unit.now()) });
        }
        Ok(verdicts)
    }
}
