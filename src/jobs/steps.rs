//! Work that goes on in the database alone, in small steps: each is a transaction of its own, and the next one begins when
//! others had their turn.

use super::{Job, Kind, Lane, Opened, Verdict};
use crate::app::{App, Unit};
use crate::auth::WorkspaceScope;
use crate::kernel::Result;
use parking_lot::Mutex;
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

/// After a step, for as many times as it took: others have the database meanwhile.
const BREATH: u32 = 1;

/// One workspace's work.
#[derive(Debug)]
pub(super) struct Course {
    scope: WorkspaceScope,
    /// How long its last step took.
    last: Mutex<Duration>,
}

impl<S> Default for Stepwise<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S: Steps> Kind for Stepwise<S> {
    const NAME: &'static str = S::NAME;
    const CONCURRENCY: usize = 1;
    const STRICT: bool = false;
    type Shared = Course;
    type Item = ();
    type Done = ();

    async fn open(&self, _: &App, lane: &Lane) -> Result<Opened<Course>> {
        let scope = lane.workspace_id.map(WorkspaceScope::of_background_work);
        Ok(scope.map_or(Opened::Gone, |scope| Opened::Ready(Course { scope, last: Mutex::default() })))
    }

    async fn load(&self, _: &App, _: &Course, jobs: &[Job]) -> Result<Vec<Option<()>>> {
        Ok(vec![Some(()); jobs.len()])
    }

    /// Takes breath; the step itself is done where it is recorded.
    async fn perform(&self, app: &App, course: &Course, _: Job, (): ()) {
        let pause = *course.last.lock() * BREATH;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = app.stopped() => {}
        }
    }

    async fn settle(&self, unit: &mut Unit, course: &Course, done: &mut Vec<(Job, ())>) -> Result<Vec<Verdict>> {
        let began = std::time::Instant::now();
        let mut verdicts = Vec::with_capacity(done.len());
        if !S::may_run(unit).await? {
            let later = unit.now().after(FOR_OTHERS);
            verdicts.resize(done.len(), Verdict::Retry(later));
            return Ok(verdicts);
        }
        for (job, ()) in done {
            let finished = S::step(unit, course.scope, job.subject).await?;
            verdicts.push(if finished { Verdict::Done } else { Verdict::Retry(unit.now()) });
        }
        *course.last.lock() = began.elapsed();
        Ok(verdicts)
    }
}
