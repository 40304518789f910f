//! Work that goes on in the database alone, in small steps: each is a transaction of its own, and the next one begins when
//! others had their turn.

use super::{Job, Kind, Lane, Opened, Verdict};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::kernel::Result;
use std::marker::PhantomData;
use std::time::Duration;

/// How long work is left for a node that may do it.
const FOR_OTHERS: Duration = Duration::from_secs(30);

/// What a workspace's work of one kind does, a step at a time. Safe to repeat.
pub trait Steps: Send + Sync + 'static {
    const NAME: &'static str;

    /// Whether this node is one that may: of several releases side by side perhaps only the newer one. Otherwise the work is
    /// left for a while.
    fn may_run(unit: &mut Unit) -> impl Future<Output = Result<bool>> + Send {
        let _ = unit;
        async { Ok(true) }
    }

    /// Does as much as stalls nobody about what a job is about; true when nothing is left.
    fn step(unit: &mut Unit, scope: WorkspaceScope, subject: i64) -> impl Future<Output = Result<bool>> + Send;
}

/// The [`Kind`] of such work.
#[derive(Debug)]
pub(super) struct Stepwise<S>(PhantomData<S>);

impl<S> Default for Stepwise<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S: Steps> Kind for Stepwise<S> {
    const NAME: &'static str = S::NAME;
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
        if !S::may_run(unit).await? {
            let later = unit.now().after(FOR_OTHERS);
            verdicts.resize(done.len(), Verdict::Retry(later));
            return Ok(verdicts);
        }
        for (job, ()) in done {
            let finished = S::step(unit, *scope, job.subject).await?;
            verdicts.push(if finished { Verdict::Done } else { Verdict::Retry(unit.now()) });
        }
        Ok(verdicts)
    }
}
