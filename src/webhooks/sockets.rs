//! How many requests this node has under way at a time, in all and for one owner, so that nobody's hanging receivers take
//! the places of everybody else's: an owner's first request needs nobody's leave, and the more an owner has, the more must be
//! free for another.

use super::Owner;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;

/// One endpoint has at most 64, see `Deliver::CONCURRENCY`.
const OF_AN_OWNER: usize = 128;
/// Beyond these go first requests only, of which there are no more than lanes at work.
const IN_ALL: usize = 1024;

#[derive(Debug, Default)]
pub struct Sockets(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    /// Who asks, over all owners.
    waiting: usize,
    /// Of those who have a place or wait for one.
    owners: HashMap<Owner, Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    taken: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    owner: Owner,
    taken: Arc<Mutex<Taken>>,
}

impl Sockets {
    /// Waits for a place.
    pub async fn place(&self, owner: Owner) -> Option<Place> {
        let asked = {
            let mut taken = self.0.lock();
            let in_all = taken.in_all;
            let standing = taken.owners.entry(owner).or_default();
            if may_take(standing.taken, in_all) {
                taken.take(owner);
                return Some(Place { owner, taken: self.0.clone() });
            }
            let (place, asked) = oneshot::channel();
            standing.waiting.push_back(place);
            taken.waiting += 1;
            asked
        };
        asked.await.ok()
    }
}

/// Whether an owner with so many places gets another one.
fn may_take(of_owner: usize, in_all: usize) -> bool {
    of_owner == 0 || (of_owner < OF_AN_OWNER && of_owner < IN_ALL.saturating_sub(in_all))
}

impl Taken {
    fn take(&mut self, owner: Owner) {
        self.in_all += 1;
        self.owners.entry(owner).or_default().taken += 1;
    }

    fn give_back(&mut self, owner: Owner) {
        self.in_all -= 1;
        let Some(standing) = self.owners.get_mut(&owner) else { return };
        standing.taken -= 1;
        if standing.taken == 0 && standing.waiting.is_empty() {
            self.owners.remove(&owner);
        }
    }

    /// Who gets a place that came free: of those who wait, the owner with the fewest.
    fn next(&mut self) -> Option<(Owner, oneshot::Sender<Place>)> {
        while self.waiting > 0 {
            let waiting = self.owners.iter_mut().filter(|(_, standing)| !standing.waiting.is_empty());
            let (owner, standing) = waiting.min_by_key(|(_, standing)| standing.taken)?;
            if !may_take(standing.taken, self.in_all) {
                return None;
            }
            let (owner, asked) = (*owner, standing.waiting.pop_front()?);
            self.waiting -= 1;
            self.take(owner);
            if !asked.is_closed() {
                return Some((owner, asked));
            }
            self.give_back(owner);
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.lock().give_back(self.owner);
        loop {
            let next = self.taken.lock().next();
            let Some((owner, asked)) = next else { return };
            // Of one who waits no more the place comes back here.
            drop(asked.send(Self { owner, taken: self.taken.clone() }));
        }
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

    /// Takes as many as there are for an owner.
    fn all(sockets: &Sockets, id: i64) -> Vec<Place> {
        std::iter::from_fn(|| sockets.place(owner(id)).now_or_never().flatten()).collect()
    }

    #[test]
    fn an_owners_crowd_leaves_places_to_others() {
        let sockets = Sockets::default();
        let mut held = all(&sockets, 1);
        assert_eq!(held.len(), OF_AN_OWNER);
        assert!(sockets.place(owner(2)).now_or_never().flatten().is_some());
        held.pop();
        assert_eq!(all(&sockets, 1).len(), 1);
    }

    #[test]
    fn no_number_of_crowds_takes_the_places_of_all() {
        let sockets = Sockets::default();
        let crowds: Vec<_> = (0..2_000).map(|id| all(&sockets, id)).collect();
        assert!(crowds[..7].iter().all(|crowd| crowd.len() == OF_AN_OWNER));
        assert!((8..OF_AN_OWNER).contains(&crowds[8].len()), "{}", crowds[8].len());
        assert!(crowds.iter().all(|crowd| !crowd.is_empty()), "the first of everybody has its place");
        assert!(all(&sockets, 5_000).len() == 1);
    }

    #[tokio::test]
    async fn a_place_that_comes_free_goes_to_the_owner_with_the_fewest() {
        let sockets = Arc::new(Sockets::default());
        let mut held: Vec<_> = (0..8).flat_map(|id| all(&sockets, id)).collect();
        let ask = |id| {
            let sockets = sockets.clone();
            tokio::spawn(async move { sockets.place(owner(id)).await })
        };
        let (crowd, gone, few) = (ask(0), ask(7), ask(7));
        while sockets.0.lock().waiting < 3 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.is_err(), "who waits no more is passed over");
        held.remove(0);
        assert!(few.await.unwrap().is_some() && !crowd.is_finished());
        held.clear();
        assert!(crowd.await.unwrap().is_some());
        assert!(sockets.0.lock().owners.is_empty());
    }

    #[test]
    fn owners_without_requests_are_forgotten() {
        let sockets = Sockets::default();
        let held = sockets.place(owner(1)).now_or_never();
        for id in 2..5000 {
            drop(sockets.place(owner(id)).now_or_never());
        }
        assert!(held.is_some());
        let taken = sockets.0.lock();
        assert_eq!((taken.owners.len(), taken.in_all), (1, 1));
    }
}
