//! Names to addresses.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task;

/// What a resolver gives back: every address it knows for a name, best first.
pub type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Turns a name into addresses. Asked once per connection; the answer is checked and then connected to, never asked for
/// again.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    fn resolve(&self, host: &str, port: u16) -> Addresses;
}

/// How many lookups may run at once. The system's resolver blocks a thread for as long as a hostile name server likes,
/// and those threads are shared with everything else that blocks.
const LOOKUPS: usize = 64;

/// The system's resolver (`getaddrinfo`), as `tokio::net::lookup_host` uses it, but with its share of blocking threads
/// bounded.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    turns: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> Addresses {
        let turns = Arc::clone(&self.turns);
        let host = host.to_owned();
        Box::pin(async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = task::spawn_blocking(move || {
                // Held by the thread, not by the caller: a caller that gave up does not end the lookup.
                let _turn = turn;
                (host.as_str(), port).to_socket_addrs().map(Vec::from_iter)
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}
