//! When keys were last used, to the minute: noted in memory where a key is looked up, written in batches afterwards, so
//! that no request waits for it (rule K1).

use super::store;
use crate::app::App;
use crate::kernel::{Instant, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

/// A key is written at most once in this time.
const COARSE: Duration = Duration::from_secs(60);
/// How soon a first use is written.
const BEAT: Duration = Duration::from_secs(1);
/// Keys written by one transaction: on the embedded database everybody else's writes wait for it.
const BATCH: usize = 200;

/// Whose use it is. Ordered, so that two nodes write their keys in one order and never wait in a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyId {
    Workspace(i64),
    Partner(i64),
}

/// A use to be written, unless one since that moment is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub key: KeyId,
    pub at: Instant,
    pub unless_since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Noted {
    at: Instant,
    written: Option<Instant>,
}

impl Noted {
    fn waits(&self) -> bool {
        self.written != Some(self.at)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.waits() && self.written.is_none_or(|written| written.after(COARSE) <= now)
    }
}

/// The uses that this process knows of.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<BTreeMap<KeyId, Noted>>);

impl Uses {
    pub(super) fn note(&self, key: KeyId, at: Instant) {
        let mut noted = self.0.lock();
        let entry = noted.entry(key).or_insert(Noted { at, written: None });
        entry.at = entry.at.max(at);
    }

    /// What is to be written now; forgets what is written and has not been used for a while.
    fn due(&self, now: Instant, all: bool) -> Vec<Use> {
        let mut noted = self.0.lock();
        noted.retain(|_, use_| use_.waits() || use_.at.after(COARSE) > now);
        let due = noted.iter().filter(|(_, use_)| if all { use_.waits() } else { use_.is_due(now) });
        // Other nodes write too: a minute holds for all of them together.
        let since = |at: Instant| if all { at } else { at.min(now.before(COARSE)) };
        due.map(|(key, use_)| Use { key: *key, at: use_.at, unless_since: since(use_.at) }).collect()
    }

    fn written(&self, uses: &[Use]) {
        let mut noted = self.0.lock();
        for done in uses {
            if let Some(entry) = noted.get_mut(&done.key) {
                entry.written = Some(done.at);
            }
        }
    }
}

/// Writes the uses that are due: of every key that was not written for a minute, or of all when the server ends.
pub async fn write_uses(app: &App, all: bool) -> Result<()> {
    let uses = app.rooms.of::<Uses>();
    for batch in uses.due(app.now(), all).chunks(BATCH) {
        let mut unit = app.begin().await?;
        store::all_workspaces_set_used(&mut unit.tx, batch).await?;
        unit.commit().await?;
        uses.written(batch);
    }
    Ok(())
}

/// Writes uses until the server stops. The last ones are written by whoever stops it, once no request runs any more.
pub async fn keep_uses(app: App) {
    while !app.is_stopping() {
        if let Err(error) = write_uses(&app, false).await {
            tracing::warn!(%error, "writing when keys were used failed; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            () = app.stopped() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_a_minute_and_its_last_use_is_not_lost() {
        let (uses, key) = (Uses::default(), KeyId::Workspace(7));
        let at = Instant::from_seconds;
        let due = |now: i64, all| uses.due(at(now), all).iter().map(|due| due.at.seconds()).collect::<Vec<_>>();
        uses.note(key, at(1000));
        let first = uses.due(at(1000), false);
        assert_eq!(first, [Use { key, at: at(1000), unless_since: at(940) }]);
        uses.note(key, at(1030));
        uses.written(&first);
        assert_eq!(due(1059, false), [0; 0], "written half a minute ago");
        assert_eq!(due(1059, true), [1030], "the server ends");
        assert_eq!(uses.due(at(1061), false), [Use { key, at: at(1030), unless_since: at(1001) }]);
        uses.written(&uses.due(at(1060), false));
        assert_eq!(due(1061, true), [0; 0]);
        assert_eq!(uses.0.lock().len(), 1);
        assert_eq!(due(1090, true), [0; 0]);
        assert!(uses.0.lock().is_empty(), "forgotten, and noted again when it is used again");
    }
}
