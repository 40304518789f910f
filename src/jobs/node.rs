//! This process among the others: a row whose heartbeat keeps its leases good.

use super::store;
use crate::app::App;
use crate::kernel::{Error, Result};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A node that was not seen for this long (in microseconds, by the database's clock) holds no lease.
pub(super) const FRESH: i64 = 10_000_000;
const BEAT: Duration = Duration::from_secs(2);
const BEAT_AGAIN: Duration = Duration::from_millis(500);
/// A heartbeat that takes longer has failed: it must come several times while it is believed.
const BEAT_LIMIT: Duration = Duration::from_secs(3);

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
        let mut unit = app.begin().await?;
        let id = store::all_workspaces_new_node(&mut unit.tx, lock.is_some()).await?;
        unit.commit().await?;
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
        let mut unit = app.begin().await?;
        store::all_workspaces_beat(&mut unit.tx, self.id).await?;
        unit.commit().await
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
