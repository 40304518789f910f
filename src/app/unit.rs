//! A unit of work: one transaction, one moment, and what must happen right after its commit.

use super::{Actor, App, Origin};
use crate::kernel::{Instant, Result};
use skylight_db::Tx;

/// Verbs write through it and never commit, so that they compose. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Unit {
    pub tx: Tx,
    app: App,
    now: Instant,
    origin: Origin,
    events: bool,
    jobs: bool,
    changed: bool,
}

impl Unit {
    pub(super) fn new(tx: Tx, app: App, now: Instant, origin: Origin) -> Self {
        Self { tx, app, now, origin, events: false, jobs: false, changed: false }
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    /// The moment of this unit; the same for everything it writes.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// On whose behalf it runs.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Said by the verb that finds out who it is: somebody signs in, or uses a link.
    pub fn is_by(&mut self, actor: Actor) {
        self.origin.actor = actor;
    }

    /// Said by `events::record`: wake the readers of the log after the commit.
    pub fn recorded_event(&mut self) {
        self.events = true;
    }

    /// Said by `jobs`: wake the workers after the commit.
    pub fn queued_job(&mut self) {
        self.jobs = true;
    }

    /// Something that rooms keep in memory changes with this commit: keys, suspensions, plans, channels, endpoints. These
    /// changes are rare, so everything remembered is forgotten.
    pub fn changed(&mut self) {
        self.changed = true;
    }

    pub async fn commit(self) -> Result<()> {
        let committed = self.tx.commit().await;
        // After an unclear commit the change may be there: dropping a cache entry too many is harmless.
        if self.changed {
            self.app.caches.forget_all();
        }
        committed?;
        if self.events {
            self.app.events_recorded.notify_one();
        }
        if self.jobs {
            self.app.jobs_queued.notify_one();
        }
        Ok(())
    }
}
