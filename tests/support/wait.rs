//! Waiting for facts. Every wait has a deadline and says what it saw instead when the deadline passes.

use std::{
    fmt::{Debug, Display},
    future::Future,
    panic::Location,
    time::Duration,
};

use tokio::sync::watch;

/// How long a fact may take before the test gives up.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// The pause between two looks.
pub const POLL: Duration = Duration::from_millis(10);

/// Asks `probe` every 10 ms until it answers `Some`; panics after 20 s.
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    eventually_within(DEADLINE, what, probe)
}

/// [`eventually`] with another deadline.
#[track_caller]
pub fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    until_within(limit, what, async move || probe().await.ok_or("nothing yet"))
}

/// Asks `probe` every 10 ms until it answers `Ok`; the last `Err` is what the panic shows as seen.
#[track_caller]
pub fn until<T, E: Display>(what: &str, probe: impl AsyncFnMut() -> Result<T, E>) -> impl Future<Output = T> {
    until_within(DEADLINE, what, probe)
}

/// [`until`] with another deadline.
#[track_caller]
pub fn until_within<T, E: Display>(
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> impl Future<Output = T> {
    let place = Location::caller();
    async move {
        let mut seen = String::new();
        let mut tries = 0_u32;
        let found = tokio::time::timeout(limit, async {
            loop {
                tries += 1;
                match probe().await {
                    Ok(value) => return value,
                    Err(error) => seen = error.to_string(),
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
        found.unwrap_or_else(|_| panic!("{place}: waited {limit:?} for {what}, asked {tries} times, last saw: {seen}"))
    }
}

/// Waits until `pick` finds what it wants in a watched value; panics after 20 s with the value's last state.
#[track_caller]
pub fn watched<T: Debug, R>(
    what: &str,
    receiver: watch::Receiver<T>,
    pick: impl FnMut(&T) -> Option<R>,
) -> impl Future<Output = R> {
    watched_within(DEADLINE, what, receiver, pick)
}

/// [`watched`] with another deadline.
#[track_caller]
pub fn watched_within<T: Debug, R>(
    limit: Duration,
    what: &str,
    mut receiver: watch::Receiver<T>,
    mut pick: impl FnMut(&T) -> Option<R>,
) -> impl Future<Output = R> {
    let place = Location::caller();
    async move {
        let search = async {
            loop {
                let found = pick(&receiver.borrow_and_update());
                if found.is_some() || receiver.changed().await.is_err() {
                    return found;
                }
            }
        };
        match tokio::time::timeout(limit, search).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("{place}: {what} cannot happen any more, last saw: {:#?}", *receiver.borrow()),
            Err(_) => panic!("{place}: waited {limit:?} for {what}, last saw: {:#?}", *receiver.borrow()),
        }
    }
}

/// A list that only grows and can be waited on.
#[derive(Debug)]
pub struct Journal<T> {
    items: watch::Sender<Vec<T>>,
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self { items: watch::Sender::new(Vec::new()) }
    }
}

impl<T: Clone + Debug> Journal<T> {
    pub fn push(&self, item: T) {
        self.items.send_modify(|items| items.push(item));
    }

    pub fn all(&self) -> Vec<T> {
        self.items.borrow().clone()
    }

    /// Those items that `keep` wants, in the order of arrival.
    pub fn filtered(&self, keep: impl Fn(&T) -> bool) -> Vec<T> {
        self.items.borrow().iter().filter(|item| keep(item)).cloned().collect()
    }

    /// How many items `keep` wants.
    pub fn count(&self, keep: impl Fn(&T) -> bool) -> usize {
        self.items.borrow().iter().filter(|item| keep(item)).count()
    }

    /// Waits until at least `count` items pass `keep`, and returns all that do.
    #[track_caller]
    pub fn wait_for(
        &self,
        what: impl Into<String>,
        count: usize,
        keep: impl Fn(&T) -> bool,
    ) -> impl Future<Output = Vec<T>> {
        let what = format!("{count} × {} (at {})", what.into(), Location::caller());
        let receiver = self.items.subscribe();
        async move {
            watched(&what, receiver, |items: &Vec<T>| {
                let kept: Vec<T> = items.iter().filter(|item| keep(item)).cloned().collect();
                (kept.len() >= count).then_some(kept)
            })
            .await
        }
    }

    /// Watches for `window` that no more than `count` items pass `keep`; panics as soon as one too many arrives.
    #[track_caller]
    pub fn stays_at(
        &self,
        what: impl Into<String>,
        count: usize,
        window: Duration,
        keep: impl Fn(&T) -> bool,
    ) -> impl Future<Output = ()> {
        let place = Location::caller();
        let what = what.into();
        let mut receiver = self.items.subscribe();
        async move {
            let too_many = receiver.wait_for(|items: &Vec<T>| items.iter().filter(|item| keep(item)).count() > count);
            if let Ok(Ok(items)) = tokio::time::timeout(window, too_many).await {
                panic!("{place}: more than {count} × {what}: {:#?}", *items);
            }
        }
    }
}
