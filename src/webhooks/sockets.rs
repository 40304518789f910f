//! How many requests this node has under way at a time, in all and for one owner, so that nobody's hanging receivers take
//! the places of everybody else's.

use super::Owner;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One endpoint has at most 64, see `Deliver::CONCURRENCY`.
const OF_AN_OWNER: usize = 128;
const IN_ALL: usize = 1024;
/// Owners remembered before those without a request are forgotten.
const REMEMBERED: usize = 1024;

#[derive(Debug)]
pub struct Sockets {
    all: Arc<Semaphore>,
    of_owners: Mutex<HashMap<Owner, Weak<Semaphore>>>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _of_owner: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(IN_ALL)), of_owners: Mutex::default() }
    }
}

impl Sockets {
    /// Waits for a place; those of an owner's crowd wait among themselves, without holding a place of all.
    pub async fn place(&self, owner: Owner) -> Option<Place> {
        let of_owner = self.of_owner(owner).acquire_owned().await.ok()?;
        let of_all = self.all.clone().acquire_owned().await.ok()?;
        Some(Place { _of_owner: of_owner, _of_all: of_all })
    }

    fn of_owner(&self, owner: Owner) -> Arc<Semaphore> {
        let mut owners = self.of_owners.lock();
        if owners.len() >= REMEMBERED {
            owners.retain(|_, known| known.strong_count() > 0);
        }
        if let Some(known) = owners.get(&owner).and_then(Weak::upgrade) {
            return known;
        }
        let fresh = Arc::new(Semaphore::new(OF_AN_OWNER));
        owners.insert(owner, Arc::downgrade(&fresh));
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::WorkspaceScope;
    use futures_util::FutureExt;

    fn owner(id: i64) -> Owner {
        WorkspaceScope::of_background_work(id).into()
    }

    #[test]
    fn an_owners_crowd_leaves_places_to_others() {
        let sockets = Sockets::default();
        let take = |id| sockets.place(owner(id)).now_or_never().flatten();
        let mut held: Vec<_> = (0..OF_AN_OWNER).map(|_| take(1).unwrap()).collect();
        assert!(take(1).is_none() && take(2).is_some());
        held.pop();
        assert!(take(1).is_some());
    }

    #[test]
    fn owners_without_requests_are_forgotten() {
        let sockets = Sockets::default();
        let held = sockets.place(owner(1)).now_or_never();
        for id in 2..5000 {
            drop(sockets.place(owner(id)).now_or_never());
        }
        assert!(held.is_some() && sockets.of_owners.lock().len() <= REMEMBERED);
    }
}
