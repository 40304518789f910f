//! Working through one leased lane: fetch, load, perform side by side, settle in batches, give back.

use super::health::{Fared, Health, Pace, Window};
use super::node::Trust;
use super::worker::Crowd;
use super::{Job, Lane, store};
use crate::app::{App, Unit};
use crate::kernel::{Error, Instant, Result};
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// A kind of background work. Every step is safe to repeat.
pub trait Kind: Send + Sync + 'static {
    const NAME: &'static str;
    /// How many jobs of a lane run side by side.
    const CONCURRENCY: usize;
    /// How many of them before the other end has answered well: one that hangs holds no more.
    const AT_FIRST: usize = Self::CONCURRENCY;
    /// Whether a failing job holds back the later ones of its group.
    const STRICT: bool;
    /// What all jobs of a lane share: the endpoint, the channel.
    type Shared: Send + Sync + 'static;
    /// What one job works on.
    type Item: Send + 'static;
    /// What came of it.
    type Done: Send + 'static;

    fn open(&self, app: &App, lane: &Lane) -> impl Future<Output = Result<Opened<Self::Shared>>> + Send;

    /// Whether what was opened is still true; asked before more is loaded. If not, the lane is given back and opened anew.
    fn is_current(&self, _: &App, _: &Self::Shared) -> impl Future<Output = Result<bool>> + Send {
        async { Ok(true) }
    }

    /// The most jobs that may start per minute.
    fn pace(&self, _: &App, _: &Self::Shared) -> impl Future<Output = Option<u32>> + Send {
        async { None }
    }

    /// What a batch says of the other end; nothing where there is none.
    fn fared(&self, _: &[(Job, Self::Done)]) -> Fared {
        Fared::default()
    }

    /// Told in the transaction that records a failure of an end that is down: nothing else came from it since then.
    fn ailing(&self, _: &mut Unit, _: &Self::Shared, _since: Instant) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Loads the jobs' items, in one query; `None` where there is nothing left to do.
    fn load(
        &self,
        app: &App,
        shared: &Self::Shared,
        jobs: &[Job],
    ) -> impl Future<Output = Result<Vec<Option<Self::Item>>>> + Send;

    /// Does the slow part, outside of any transaction.
    fn perform(
        &self,
        app: &App,
        shared: &Self::Shared,
        job: Job,
        item: Self::Item,
    ) -> impl Future<Output = Self::Done> + Send;

    /// Records what came of a batch, in the transaction that acknowledges it; one verdict per job, in order.
    fn settle(
        &self,
        unit: &mut Unit,
        shared: &Self::Shared,
        done: &mut Vec<(Job, Self::Done)>,
    ) -> impl Future<Output = Result<Vec<Verdict>>> + Send;
}

/// What `open` found.
pub enum Opened<T> {
    Ready(T),
    /// Nobody wants these jobs any more, now or later: the lane goes with them.
    Gone,
    /// The lane sleeps until then: its workspace is suspended, its endpoint is off.
    Later(Instant),
}

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Done,
    Retry(Instant),
    /// Retry, and nothing else of this lane before then.
    Pause(Instant),
    /// Done, but nothing else of this lane before then.
    Stop(Instant),
    /// Not tried: the job stays due as it was, but nothing of this lane runs before then.
    Sleep(Instant),
}

/// A lane steps aside after this long, so that others get their turn.
const TURN: Duration = Duration::from_secs(5);
/// How often a busy lane looks for jobs that came meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const SETTLE_AGAIN: Duration = Duration::from_millis(500);
/// How long a stopping server goes on trying to record what was done.
const AT_STOP: Duration = Duration::from_secs(10);
/// The first wait of a job that cannot be recorded.
const AFTER_FAULT: Duration = Duration::from_secs(60);

pub(super) struct Runner<K: Kind> {
    kind: Arc<K>,
    app: App,
    node: i64,
    lane: Lane,
    trust: Trust,
    crowd: Arc<Crowd>,
    /// Fetched and not yet acknowledged.
    held: HashSet<i64>,
    /// Loaded, waiting for a free place or for their group.
    waiting: VecDeque<(Job, K::Item)>,
    busy_groups: HashSet<i64>,
    running: JoinSet<(Job, Option<K::Done>)>,
    finished: Vec<(Job, K::Done)>,
    /// Jobs without an item, or whose perform panicked.
    dropped: Vec<(Job, Verdict)>,
    not_before: Instant,
    is_current: bool,
    window: Window,
    pace: Pace,
    per_minute: Option<u32>,
}

impl<K: Kind> Runner<K> {
    pub(super) fn new(kind: Arc<K>, app: App, node: i64, lane: Lane, trust: Trust, crowd: Arc<Crowd>) -> Self {
        Self {
            window: Window::of(lane.health, K::AT_FIRST, K::CONCURRENCY),
            pace: Pace::default(),
            per_minute: None,
            kind,
            app,
            node,
            lane,
            trust,
            crowd,
            held: HashSet::new(),
            waiting: VecDeque::new(),
            busy_groups: HashSet::new(),
            running: JoinSet::new(),
            finished: Vec::new(),
            dropped: Vec::new(),
            not_before: Instant::from_micros(0),
            is_current: true,
        }
    }

    /// Answers when the lane is due again, if it is given back.
    pub(super) async fn run(mut self) -> Result<Option<Instant>> {
        match self.kind.open(&self.app, &self.lane).await? {
            Opened::Ready(shared) => self.work(Arc::new(shared)).await?,
            Opened::Gone => return self.clear().await.map(|()| None),
            Opened::Later(then) => self.not_before = then,
        }
        self.release().await
    }

    async fn work(&mut self, mut shared: Arc<K::Shared>) -> Result<()> {
        let mut began = std::time::Instant::now();
        let mut fetched = Ok(());
        loop {
            let goes_on = !self.app.is_stopping() && self.not_before.micros() == 0 && self.is_current;
            let goes_on = goes_on && fetched.is_ok();
            if goes_on
                && began.elapsed() >= TURN
                && let Some(fresh) = self.another_turn().await
            {
                (shared, began) = (fresh, std::time::Instant::now());
            }
            let in_turn = goes_on && began.elapsed() < TURN && self.trust.holds(&self.app);
            if in_turn && self.waiting.len() < self.window.open() {
                // A failure ends the lane, but what is under way comes to its end and is recorded first.
                fetched = self.fetch(&shared).await;
            }
            if in_turn && self.is_current {
                self.start(&shared);
            }
            if self.running.is_empty() && self.finished.is_empty() && self.dropped.is_empty() {
                return fetched;
            }
            self.collect().await;
            // Places that came free are taken before the outcomes are written, so that nobody waits for the disk. A strict
            // kind has nothing waiting whose group is not settled.
            if in_turn && self.is_current {
                self.start(&shared);
            }
            if !self.finished.is_empty() || !self.dropped.is_empty() {
                self.settle(&shared).await?;
            }
        }
    }

    /// While something slow is under way and nobody waits for the place, stepping aside would only hold back this lane's
    /// other jobs: it is opened anew where it stands.
    async fn another_turn(&mut self) -> Option<Arc<K::Shared>> {
        if self.running.is_empty() || self.crowd.is_full() {
            return None;
        }
        match self.kind.open(&self.app, &self.lane).await {
            Ok(Opened::Ready(shared)) => Some(Arc::new(shared)),
            _ => None,
        }
    }

    /// Brings jobs that are due and not held yet.
    async fn fetch(&mut self, shared: &Arc<K::Shared>) -> Result<()> {
        // A strict kind may record its intent in `load`, so only what starts at once is loaded: one job of each group,
        // as many as there are places.
        let free = self.window.open().saturating_sub(self.running.len());
        let room = if K::STRICT { free } else { self.window.open() * 2 };
        let limit = i64::try_from(room + self.held.len()).unwrap_or(i64::MAX);
        let now = self.app.now();
        let mut jobs = if K::STRICT {
            store::all_workspaces_due_heads(&self.app.db, self.lane.id, now, limit).await?
        } else {
            store::all_workspaces_due(&self.app.db, self.lane.id, now, limit).await?
        };
        jobs.retain(|job| !self.held.contains(&job.id));
        jobs.truncate(room);
        if jobs.is_empty() {
            return Ok(());
        }
        self.is_current = self.kind.is_current(&self.app, shared).await?;
        if !self.is_current {
            return Ok(());
        }
        self.per_minute = self.kind.pace(&self.app, shared).await;
        let items = self.kind.load(&self.app, shared, &jobs).await?;
        for (job, item) in jobs.into_iter().zip(items) {
            self.held.insert(job.id);
            match item {
                Some(item) => self.waiting.push_back((job, item)),
                None => self.dropped.push((job, Verdict::Done)),
            }
        }
        Ok(())
    }

    /// Starts what may run now: one job of a group at a time, in order.
    fn start(&mut self, shared: &Arc<K::Shared>) {
        // What a strict kind has loaded it must start: its intent may be recorded.
        if !K::STRICT && !self.trust.holds(&self.app) {
            return;
        }
        let mut index = 0;
        while index < self.waiting.len() && self.running.len() < self.window.open() {
            if self.busy_groups.contains(&self.waiting[index].0.group) {
                index += 1;
                continue;
            }
            if let Err(then) = self.pace.take(self.per_minute, self.app.now()) {
                // Who must wait, waits as a row and not in a place.
                self.not_before = self.not_before.max(then);
                return;
            }
            if let Some((job, item)) = self.waiting.remove(index) {
                self.busy_groups.insert(job.group);
                self.spawn(job, item, shared.clone());
            }
        }
    }

    fn spawn(&mut self, job: Job, item: K::Item, shared: Arc<K::Shared>) {
        let (kind, app) = (self.kind.clone(), self.app.clone());
        let work = tokio::spawn(async move { kind.perform(&app, &shared, job, item).await });
        // A panic is a failure of this job, not of its neighbours.
        self.running.spawn(async move { (job, work.await.ok()) });
    }

    /// Waits until something finishes, or it is time to look for new jobs, and takes all that has finished.
    async fn collect(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let first = tokio::time::timeout(LOOK_AGAIN, self.running.join_next()).await;
        let mut next = first.ok().flatten();
        while let Some(result) = next {
            if let Ok((job, done)) = result {
                self.busy_groups.remove(&job.group);
                match done {
                    Some(done) => self.finished.push((job, done)),
                    None => self.dropped.push((job, Verdict::Retry(self.app.now().after(Duration::from_secs(60))))),
                }
            }
            next = self.running.try_join_next();
        }
    }

    /// Records and acknowledges a batch. If one of its jobs cannot be recorded, each is recorded by itself, so that it
    /// holds back nobody else; it is tried again later.
    async fn settle(&mut self, shared: &K::Shared) -> Result<()> {
        let Err(fault) = self.settle_batch(shared).await? else { return Ok(()) };
        tracing::error!(%fault, kind = K::NAME, "recording a batch failed; recording its jobs one by one");
        for (job, done) in std::mem::take(&mut self.finished) {
            self.finished.push((job, done));
            if let Err(fault) = self.settle_batch(shared).await? {
                tracing::error!(%fault, kind = K::NAME, job = job.id, "a job cannot be recorded; it is tried again later");
                self.finished.clear();
                let later = AFTER_FAULT * u32::try_from(job.attempt.clamp(1, 60)).unwrap_or(1);
                self.dropped.push((job, Verdict::Retry(self.app.now().after(later))));
            }
        }
        self.settle_batch(shared).await?
    }

    /// During an outage of the database the outcomes are kept and tried again: what was done must not be done twice. The
    /// inner error is a fault of one of the jobs, the outer one ends the lane.
    async fn settle_batch(&mut self, shared: &K::Shared) -> Result<Result<()>> {
        let began = std::time::Instant::now();
        loop {
            match self.settle_once(shared).await {
                Ok(true) => return Ok(Ok(())),
                Ok(false) => return Err(Error::internal("the lease was lost; another node goes on")),
                Err(error) if !is_outage(&error) => return Ok(Err(error)),
                Err(error) if self.app.is_stopping() && began.elapsed() > AT_STOP => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, kind = K::NAME, "recording outcomes failed; trying again");
                    tokio::time::sleep(SETTLE_AGAIN).await;
                }
            }
        }
    }

    /// One transaction; false if the lease was lost.
    async fn settle_once(&mut self, shared: &K::Shared) -> Result<bool> {
        let mut unit = self.app.begin().await?;
        let fared = self.kind.fared(&self.finished);
        // As the row has it: somebody may have given the other end another chance meanwhile.
        let Some(before) = store::all_workspaces_hold(&mut unit.tx, &self.lane, self.node).await? else {
            return Ok(false);
        };
        let health = before.after(fared);
        if health != before {
            store::all_workspaces_set_health(&mut unit.tx, self.lane.id, health).await?;
        }
        // One order on every node, so that two settlements never wait for each other in a circle.
        self.finished.sort_by_key(|(job, _)| job.id);
        let mut all = self.dropped.clone();
        if !self.finished.is_empty() {
            let verdicts = self.kind.settle(&mut unit, shared, &mut self.finished).await?;
            all.extend(self.finished.iter().map(|(job, _)| *job).zip(verdicts));
        }
        acknowledge(&mut unit, &all).await?;
        if let (true, Some(since)) = (fared.ill(), health.down_since()) {
            self.kind.ailing(&mut unit, shared, since).await?;
        }
        if let (Some(since), false) = (before.down_since(), health.is_down()) {
            // What waits because the other end was down need not wait longer.
            let now = unit.now();
            store::all_workspaces_bring_forward(&mut unit.tx, self.lane.id, since, now).await?;
        }
        unit.commit().await?;
        self.adjust(fared, health);
        for (job, verdict) in all {
            self.held.remove(&job.id);
            if let Verdict::Pause(then) | Verdict::Stop(then) | Verdict::Sleep(then) = verdict {
                self.not_before = self.not_before.max(then);
            }
        }
        self.finished.clear();
        self.dropped.clear();
        Ok(true)
    }

    /// How many go on side by side, and whether the lane rests first.
    fn adjust(&mut self, fared: Fared, health: Health) {
        self.window = self.window.after(fared);
        let rest = if fared.ill() { health.rest(&*self.app.random) } else { None };
        let rest = rest.map(|rest| self.app.now().after(rest)).max(fared.rest);
        self.not_before = rest.map_or(self.not_before, |then| self.not_before.max(then));
    }

    async fn clear(self) -> Result<()> {
        let mut unit = self.app.begin().await?;
        if store::all_workspaces_hold(&mut unit.tx, &self.lane, self.node).await?.is_some() {
            store::all_workspaces_remove_lane(&mut unit.tx, self.lane.id).await?;
        }
        unit.commit().await
    }

    async fn release(mut self) -> Result<Option<Instant>> {
        // Also a lane that is empty now: its next job may come before there is a place for it.
        self.not_before = self.not_before.max(self.pace.next_place(self.app.now()).unwrap_or(self.not_before));
        let (mut unit, mut due) = (self.app.begin().await?, None);
        if store::all_workspaces_hold(&mut unit.tx, &self.lane, self.node).await?.is_some() {
            let now = unit.now();
            due = store::all_workspaces_release(&mut unit.tx, self.lane.id, K::STRICT, self.not_before, now).await?;
        }
        unit.commit().await?;
        Ok(due)
    }
}

fn is_outage(error: &Error) -> bool {
    matches!(error, Error::Database(error) if error.is_outage())
}

async fn acknowledge(unit: &mut Unit, verdicts: &[(Job, Verdict)]) -> Result<()> {
    let mut done = Vec::new();
    let mut again = HashMap::new();
    for (job, verdict) in verdicts {
        match verdict {
            Verdict::Done | Verdict::Stop(_) => done.push(job.id),
            Verdict::Retry(then) | Verdict::Pause(then) => drop(again.insert(job.id, *then)),
            Verdict::Sleep(_) => {}
        }
    }
    let again: Vec<_> = again.into_iter().collect();
    store::all_workspaces_delete(&mut unit.tx, &done).await?;
    Ok(store::all_workspaces_retry(&mut unit.tx, &again).await?)
}
