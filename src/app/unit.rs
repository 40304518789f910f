//! A unit of work: one transaction, one moment, and what must happen right after its commit.

use super::{Actor, App, Origin};
use crate::kernel::{Instant, Result};
use skylight_db::Tx;
use std::time::Duration;

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

    /// Whoever is concerned is told also when nobody waits for the outcome any more, or when it is unclear: the change may be
    /// there, and a bell too many is harmless.
    pub async fn commit(self) -> Result<()> {
        let Self { tx, app, events, jobs, changed, .. } = self;
        let mut bells = Bells { app, events, jobs, changed, is_over: false };
        let committed = tx.commit().await;
        bells.is_over = true;
        Ok(committed?)
    }
}

/// Rung when it is dropped.
struct Bells {
    app: App,
    events: bool,
    jobs: bool,
    changed: bool,
    /// Whether the commit came to its end.
    is_over: bool,
}

/// A commit that nobody waits for any more has come to its end after so long.
const UNATTENDED: Duration = Duration::from_millis(50);

impl Drop for Bells {
    fn drop(&mut self) {
        self.ring();
        if !self.is_over
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let later = Self { app: self.app.clone(), is_over: true, ..*self };
            runtime.spawn(async move {
                tokio::time::sleep(UNATTENDED).await;
                drop(later);
            });
        }
    }
}

impl Bells {
    fn ring(&self) {
        if self.changed {
            self.app.caches.forget_all();
        }
        if self.events {
            self.app.events_recorded.notify_one();
        }
        if self.jobs {
            self.app.jobs_queued.notify_one();
        }
    }
}
