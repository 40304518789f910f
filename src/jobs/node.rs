//! This process among the others: a row whose heartbeat keeps its leases good.

use super::store;
use crate::app::App;
use crate::kernel::{Error, Result};
use parking_lot::Mutex;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A node that was not seen for this long (in microseconds, by the database's clock) holds no lease.
pub(super) const FRESH: i64 = 10_000_000;
const BEAT: Duration = Duration::from_secs(2);
const BEAT_AGAIN: Duration = Duration::from_millis(500);
/// A heartbeat that takes longer has failed: it must come several times while it is believed.
const BEAT_LIMIT: Duration = Duration::from_secs(3);

/// Leases that a node held while it was not heard for nearly as long are not to be trusted: others may have taken them.
const TRUSTED: Duration = Duration::from_secs(8);

/// What a node knows of its own heartbeats.
#[derive(Debug, Default)]
struct Pulse(Mutex<Beats>);

#[derive(Debug, Default)]
struct Beats {
    /// When the last one began that was written.
    last: Option<Instant>,
    /// How often there was none for too long.
    gaps: u64,
}

/// Trust in the leases that are taken from now on. It ends when heartbeats fail to come, and does not come back with them: a
/// node that slept, as a whole machine can, would go on with what others have done meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    gaps: u64,
}

impl Trust {
    pub(super) fn from_now(app: &App) -> Self {
        Self { gaps: app.rooms.of::<Pulse>().0.lock().gaps }
    }

    pub(super) fn holds(self, app: &App) -> bool {
        let pulse = app.rooms.of::<Pulse>();
        let beats = pulse.0.lock();
        beats.gaps == self.gaps && beats.last.is_some_and(|last| last.elapsed() < TRUSTED)
    }
}

impl Pulse {
    /// Notes a heartbeat that was written just now.
    fn beaten(&self, began: Instant) {
        let mut beats = self.0.lock();
        if beats.last.is_some_and(|last| last.elapsed() >= TRUSTED) {
            beats.gaps += 1;
        }
        beats.last = Some(began);
    }
}

/// Whether the last heartbeat could not be written.
#[derive(Debug, Default)]
struct Faint(AtomicBool);

/// Whether the database takes what this node writes, as far as its heartbeat knows: on a full disk, reading still works.
pub fn can_write(app: &App) -> bool {
    !app.rooms.of::<Faint>().0.load(Ordering::Relaxed)
}

/// Membership of this process. On the embedded database there is one serving process, so older ones are dead.
#[derive(Debug)]
pub struct Node {
    pub id: i64,
    /// Held for the life of the process: a second server on the same file must not start.
    _lock: Option<File>,
}

impl Node {
    pub async fn join(app: &App) -> Result<Self> {
        let lock = app.db.file().map(lock_beside).transpose()?;
        let began = Instant::now();
        let mut unit = app.begin().await?;
        let id = store::all_workspaces_new_node(&mut unit.tx, lock.is_some()).await?;
        unit.commit().await?;
        app.rooms.of::<Pulse>().beaten(began);
        Ok(Self { id, _lock: lock })
    }

    /// Beats for as long as it is polled: to the end of the last lane, not only until the server is told to stop.
    pub async fn beat(&self, app: &App) {
        let faint = app.rooms.of::<Faint>();
        loop {
            let beaten = tokio::time::timeout(BEAT_LIMIT, self.beat_once(app)).await;
            let beaten = beaten.unwrap_or_else(|_| Err(Error::storage_unavailable()));
            faint.0.store(beaten.is_err(), Ordering::Relaxed);
            let rest = match beaten {
                Ok(()) => BEAT,
                Err(error) => {
                    tracing::warn!(%error, "heartbeat failed");
                    BEAT_AGAIN
                }
            };
            tokio::time::sleep(rest).await;
        }
    }

    async fn beat_once(&self, app: &App) -> Result<()> {
        let began = Instant::now();
        let mut unit = app.begin().await?;
        store::all_workspaces_beat(&mut unit.tx, self.id).await?;
        unit.commit().await?;
        app.rooms.of::<Pulse>().beaten(began);
        Ok(())
    }

    /// Gives back every lease, so that others go on at once.
    pub async fn leave(&self, app: &App) -> Result<()> {
        let mut unit = app.begin().await?;
        store::all_workspaces_leave(&mut unit.tx, self.id).await?;
        unit.commit().await
    }
}

fn lock_beside(database: &std::path::Path) -> Result<File> {
    let path = database.with_extension("lock");
    let file = File::create(&path).map_err(Error::internal)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(Error::internal(format!("another server is running on {}", database.display()))),
    }
}
