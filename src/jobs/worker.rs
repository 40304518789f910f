//! Leases due lanes and runs them, as many as the node has places for.

use super::lane::{Kind, Runner};
use super::node::{FRESH, Node};
use super::{Lane, store};
use crate::app::App;
use crate::kernel::Result;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Lanes that one node works on at a time.
const PLACES: usize = 256;
const POLL: Duration = Duration::from_millis(500);
/// How long a lane rests after an unexpected failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

type RunLane = Box<dyn Fn(App, i64, Lane) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// The kinds of work this binary knows, and the loop that runs them.
pub struct Workers {
    app: App,
    node: Node,
    kinds: HashMap<&'static str, RunLane>,
    /// Rung when a lane ends: there is a place again.
    place: Arc<Notify>,
}

impl Workers {
    pub async fn join(app: App) -> Result<Self> {
        let node = Node::join(&app).await?;
        Ok(Self { app, node, kinds: HashMap::new(), place: Arc::new(Notify::new()) })
    }

    pub fn with<K: Kind>(mut self, kind: K) -> Self {
        let kind = Arc::new(kind);
        let run: RunLane = Box::new(move |app, node, lane| Box::pin(Runner::new(kind.clone(), app, node, lane).run()));
        self.kinds.insert(K::NAME, run);
        self
    }

    /// Runs until the server stops; then waits for the lanes to finish what they hold, and leaves.
    pub async fn run(self) {
        let mut lanes = JoinSet::new();
        let working = async {
            self.claim_loop(&mut lanes).await;
            while lanes.join_next().await.is_some() {}
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

    async fn claim_loop(&self, lanes: &mut JoinSet<()>) {
        while !self.app.is_stopping() {
            while lanes.try_join_next().is_some() {}
            let claimed = match self.claim(PLACES - lanes.len()).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::warn!(%error, "leasing lanes failed; trying again");
                    Vec::new()
                }
            };
            let found = !claimed.is_empty();
            claimed.into_iter().for_each(|lane| self.start(lane, lanes));
            if found && lanes.len() < PLACES {
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

    async fn claim(&self, places: usize) -> Result<Vec<Lane>> {
        let names: Vec<&str> = self.kinds.keys().copied().collect();
        let now = self.app.now();
        if places == 0 || !store::all_workspaces_any_due(&self.app.db, now, FRESH, &names).await? {
            return Ok(Vec::new());
        }
        let mut unit = self.app.begin().await?;
        let skip = self.app.db.skip_locked();
        let limit = i64::try_from(places).unwrap_or(i64::MAX);
        let lanes = store::all_workspaces_claim(&mut unit.tx, skip, self.node.id, now, FRESH, &names, limit).await?;
        unit.commit().await?;
        Ok(lanes)
    }

    fn start(&self, lane: Lane, lanes: &mut JoinSet<()>) {
        let Some(run) = self.kinds.get(lane.kind.as_str()) else { return };
        let work = tokio::spawn(run(self.app.clone(), self.node.id, lane.clone()));
        let (app, node, place) = (self.app.clone(), self.node.id, self.place.clone());
        lanes.spawn(async move {
            let outcome = work.await;
            let failed = match &outcome {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(panic) => Some(panic.to_string()),
            };
            if let Some(error) = failed {
                tracing::error!(error, kind = lane.kind, lane = lane.id, "a lane failed; it rests a while");
                rest(&app, node, &lane).await;
            }
            place.notify_one();
        });
    }
}

/// Gives a failed lane back, to be tried again after a rest. If even that fails, the heartbeat's end frees it.
async fn rest(app: &App, node: i64, lane: &Lane) {
    let given_back = async {
        let mut unit = app.begin().await?;
        if store::all_workspaces_hold(&mut unit.tx, lane, node).await? {
            let now = unit.now();
            store::all_workspaces_release(&mut unit.tx, lane.id, false, now.after(AFTER_FAILURE), now).await?;
        }
        unit.commit().await
    };
    let given_back: Result<()> = given_back.await;
    if let Err(error) = given_back {
        tracing::warn!(%error, lane = lane.id, "giving a lane back failed");
    }
}
