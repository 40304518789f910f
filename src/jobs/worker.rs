//! Leases due lanes and runs them, as many as the node has places for.

use super::lane::{Kind, Runner};
use super::metrics::Kinds;
use super::node::{FRESH, Node, Trust};
use super::steps::{Steps, Stepwise};
use super::{Lane, store};
use crate::app::App;
use crate::kernel::{Instant, Result};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Lanes that one node works on at a time. One that waits for its receiver costs a place and little else.
const PLACES: usize = 1024;
const POLL: Duration = Duration::from_millis(500);
/// How long a lane rests after an unexpected failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Likewise, of chores: work that nobody waits for and that keeps the database busy. Requests need its connections.
const CHORES: usize = 2;

type RunLane =
    Box<dyn Fn(App, i64, Lane, Trust, Arc<Crowd>) -> BoxFuture<'static, Result<Option<Instant>>> + Send + Sync>;

/// The kinds of work this binary knows, and the loop that runs them.
pub struct Workers {
    app: App,
    node: Node,
    crew: Crew,
    chores: Crew,
    /// Rung when a lane ends: there is a place again.
    place: Arc<Notify>,
    leases: Arc<Leases>,
}

/// What this node knows of its own leases.
#[derive(Debug, Default)]
struct Leases {
    /// The leases under which lanes run here: lane and fencing number, because a lane that was lost and leased again is
    /// another lease.
    running: Mutex<HashSet<(i64, i64)>>,
    /// Whether the database may hold others in this node's name: of a claim whose commit was unclear, or of a lane that
    /// could not be given back. The heartbeat would keep them for ever.
    astray: AtomicBool,
}

/// Kinds of work that share places.
struct Crew {
    kinds: HashMap<&'static str, RunLane>,
    places: usize,
    crowd: Arc<Crowd>,
}

impl Crew {
    fn of(places: usize) -> Self {
        Self { kinds: HashMap::new(), places, crowd: Arc::default() }
    }

    fn know<K: Kind>(&mut self, app: &App, kind: K) {
        let kind = Arc::new(kind);
        let run: RunLane = Box::new(move |app, node, lane, trust, crowd| {
            Box::pin(Runner::new(kind.clone(), app, node, lane, trust, crowd).run())
        });
        self.kinds.insert(K::NAME, run);
        app.rooms.of::<Kinds>().0.write().push(K::NAME);
    }
}

/// Whether every place of a crew is taken, so that lanes may be waiting for one.
#[derive(Debug, Default)]
pub(super) struct Crowd(AtomicBool);

impl Crowd {
    pub(super) fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Workers {
    pub async fn join(app: App) -> Result<Self> {
        let node = Node::join(&app).await?;
        let (crew, chores) = (Crew::of(PLACES), Crew::of(CHORES));
        Ok(Self { app, node, crew, chores, place: Arc::new(Notify::new()), leases: Arc::default() })
    }

    pub fn with<K: Kind>(mut self, kind: K) -> Self {
        self.crew.know(&self.app, kind);
        self
    }

    /// Steps that somebody waits for, or that are due at a moment.
    pub fn with_steps<S: Steps>(self) -> Self {
        self.with(Stepwise::<S>::default())
    }

    /// Steps that are no hurry, of which there may be very many: few lanes of all such kinds go on at a time.
    pub fn with_chore<S: Steps>(mut self) -> Self {
        self.chores.know(&self.app, Stepwise::<S>::default());
        self
    }

    /// Runs until the server stops; then waits for the lanes to finish what they hold, and leaves.
    pub async fn run(self) {
        let (mut lanes, mut chores) = (JoinSet::new(), JoinSet::new());
        let working = async {
            self.claim_loop(&mut lanes, &mut chores).await;
            while lanes.join_next().await.is_some() {}
            while chores.join_next().await.is_some() {}
        };
        // Leases must hold until the last lane has finished.
        tokio::select! {
            () = working => {}
            () = self.node.beat(&self.app) => {}
        }
        if let Err(error) = self.node.leave(&self.app).await {
            tracing::warn!(%error, "leaving the cluster failed; leases end with the heartbeat");
        }
    }

    async fn claim_loop(&self, lanes: &mut JoinSet<()>, chores: &mut JoinSet<()>) {
        let mut looked_for_chores = None::<std::time::Instant>;
        while !self.app.is_stopping() {
            // Nothing rings for chores.
            if looked_for_chores.is_none_or(|then| then.elapsed() >= POLL) {
                self.take_on(&self.chores, chores).await;
                looked_for_chores = Some(std::time::Instant::now());
            }
            if self.take_on(&self.crew, lanes).await {
                continue;
            }
            tokio::select! {
                () = self.app.jobs_queued.notified() => {}
                () = self.place.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                () = self.app.stopped() => {}
            }
        }
    }

    /// Starts due lanes in the places that are free; true if there may be more of both.
    async fn take_on(&self, crew: &Crew, lanes: &mut JoinSet<()>) -> bool {
        while lanes.try_join_next().is_some() {}
        let trust = Trust::from_now(&self.app);
        let claimed = match self.claim(crew, crew.places - lanes.len(), trust).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "leasing lanes failed; trying again");
                self.leases.astray.store(true, Ordering::SeqCst);
                Vec::new()
            }
        };
        let found = !claimed.is_empty();
        claimed.into_iter().for_each(|lane| self.start(crew, lane, trust, lanes));
        let is_full = lanes.len() >= crew.places;
        crew.crowd.0.store(is_full, Ordering::Relaxed);
        found && !is_full
    }

    /// Gives back the leases that nobody here works under.
    async fn recall(&self) -> Result<()> {
        let mut unit = self.app.begin().await?;
        let mut astray = store::all_workspaces_leased(&mut unit.tx, self.node.id).await?;
        astray.retain(|lease| !self.leases.running.lock().contains(lease));
        store::all_workspaces_give_back(&mut unit.tx, self.node.id, &astray).await?;
        unit.commit().await
    }

    async fn claim(&self, crew: &Crew, places: usize, trust: Trust) -> Result<Vec<Lane>> {
        if self.leases.astray.swap(false, Ordering::SeqCst) {
            self.recall().await?;
        }
        let names: Vec<&str> = crew.kinds.keys().copied().collect();
        let now = self.app.now();
        if places == 0 || names.is_empty() || !trust.holds(&self.app) {
            return Ok(Vec::new());
        }
        if !store::all_workspaces_any_due(&self.app.db, self.node.id, now, FRESH, &names).await? {
            return Ok(Vec::new());
        }
        let mut unit = self.app.begin().await?;
        let skip = self.app.db.skip_locked();
        let limit = i64::try_from(places).unwrap_or(i64::MAX);
        let lanes = store::all_workspaces_claim(&mut unit.tx, skip, self.node.id, now, FRESH, &names, limit).await?;
        unit.commit().await?;
        Ok(lanes)
    }

    fn start(&self, crew: &Crew, lane: Lane, trust: Trust, lanes: &mut JoinSet<()>) {
        let Some(run) = crew.kinds.get(lane.kind.as_str()) else { return };
        let lease = (lane.id, lane.fence);
        self.leases.running.lock().insert(lease);
        let work = tokio::spawn(run(self.app.clone(), self.node.id, lane.clone(), trust, crew.crowd.clone()));
        let (app, node, place, leases) = (self.app.clone(), self.node.id, self.place.clone(), self.leases.clone());
        lanes.spawn(async move {
            let (due, failed) = match work.await {
                Ok(Ok(due)) => (due, None),
                Ok(Err(error)) => (None, Some(error.to_string())),
                Err(panic) => (None, Some(panic.to_string())),
            };
            let mut astray = false;
            if let Some(error) = failed {
                tracing::error!(error, kind = lane.kind, lane = lane.id, "a lane failed; it rests a while");
                astray = rest(&app, node, &lane).await.is_err();
            }
            leases.running.lock().remove(&lease);
            if astray {
                leases.astray.store(true, Ordering::SeqCst);
            }
            place.notify_one();
            if let Some(due) = due {
                ring_at(due, app.now(), place);
            }
        });
    }
}

/// A lane that is due before anybody looks again is not to wait for that: one that keeps a pace would lose it.
fn ring_at(due: Instant, now: Instant, place: Arc<Notify>) {
    let wait = now.until(due);
    if !wait.is_zero() && wait < POLL {
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            place.notify_one();
        });
    }
}

/// Gives a failed lane back, to be tried again after a rest.
async fn rest(app: &App, node: i64, lane: &Lane) -> Result<()> {
    let given_back = async {
        let mut unit = app.begin().await?;
        if store::all_workspaces_hold(&mut unit.tx, lane, node).await?.is_some() {
            let now = unit.now();
            store::all_workspaces_release(&mut unit.tx, lane.id, false, now.after(AFTER_FAILURE), now).await?;
        }
        unit.commit().await
    };
    given_back
        .await
        .inspect_err(|error| tracing::warn!(%error, lane = lane.id, "giving a lane back failed; it is done later"))
}
