//! The rate limit: a fixed window of 60 s per key, beginning with its first request.
//!
//! One process counts in memory. Processes that share a PostgreSQL take small leases from the window's row, so that
//! all of them together never pass more than the limit and ask the database once per lease, not once per request.

use super::store;
use crate::app::App;
use crate::kernel::Instant;
use parking_lot::Mutex;
use skylight_db::Engine;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(60);
/// Of the limit, taken by a node at once.
const LEASES_PER_WINDOW: u32 = 20;
const MOST_WINDOWS: usize = 100_000;

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    WorkspaceKey(i64),
    PartnerKey(i64),
    /// A browser that is signed in to a workspace.
    Session(i64),
    /// A browser that is signed in as a partner.
    PartnerSession(i64),
    PartnerToken(i64),
    /// Whoever reads a calendar by its address.
    BookingFeed(i64),
    /// Requests without a valid key.
    Address(IpAddr),
}

impl Bucket {
    /// A network address as one caller: an IPv6 customer holds a whole /64.
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
            v4 => v4,
        })
    }
}

/// Whether a request passes, and what its answer says of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    pub limit: u32,
    pub remaining: u32,
    /// Unix seconds at which the window ends.
    pub reset: i64,
    /// Whole seconds until then, at least one.
    pub retry_after: u64,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    started: Instant,
    /// What this node may still pass.
    left: u32,
    /// What nobody has taken yet; on one node always nothing.
    elsewhere: u32,
}

/// Counts requests. A limit of 0 is no limit.
#[derive(Debug)]
pub struct Limiter {
    app: App,
    limit: u32,
    windows: Mutex<HashMap<Bucket, Window>>,
}

impl Limiter {
    pub fn new(app: &App) -> Self {
        Self { app: app.clone(), limit: app.config.rate_limit_per_minute, windows: Mutex::default() }
    }

    /// Counts one request; none if the limit is switched off.
    pub async fn take(&self, bucket: Bucket) -> Option<Decision> {
        if self.limit == 0 {
            return None;
        }
        let now = self.app.now();
        if let Some(decision) = self.take_here(bucket, now) {
            return Some(decision);
        }
        Some(self.take_lease(bucket, now).await)
    }

    /// Whether a caller has used up the window already; counts nothing.
    pub fn is_spent(&self, bucket: Bucket) -> Option<Decision> {
        let now = self.app.now();
        let windows = self.windows.lock();
        let running = windows.get(&bucket).filter(|window| now < window.started.after(WINDOW))?;
        (running.left == 0 && running.elsewhere == 0).then(|| self.decision(*running, false, now))
    }

    /// Removes windows that ended long ago from the database; answers how many.
    pub async fn forget_old(app: &App) -> crate::kernel::Result<u64> {
        let before = app.now().before(WINDOW * 10);
        let mut unit = app.begin().await?;
        let removed = store::delete_windows(&mut unit.tx, before).await?;
        unit.commit().await?;
        Ok(removed)
    }

    /// Decides from memory, unless a lease must be taken first.
    fn take_here(&self, bucket: Bucket, now: Instant) -> Option<Decision> {
        let mut windows = self.windows.lock();
        let running = windows.get_mut(&bucket).filter(|window| now < window.started.after(WINDOW));
        match running {
            Some(window) if window.left > 0 => {
                window.left -= 1;
                Some(self.decision(*window, true, now))
            }
            Some(window) if window.elsewhere == 0 => Some(self.decision(*window, false, now)),
            // Addresses of strangers are counted in memory alone: they must not fill a table.
            _ if self.is_shared() && !matches!(bucket, Bucket::Address(_)) => None,
            _ => {
                if windows.len() >= MOST_WINDOWS {
                    windows.retain(|_, window| now < window.started.after(WINDOW));
                }
                let window = Window { started: now, left: self.limit - 1, elsewhere: 0 };
                windows.insert(bucket, window);
                Some(self.decision(window, true, now))
            }
        }
    }

    async fn take_lease(&self, bucket: Bucket, now: Instant) -> Decision {
        let want = (self.limit / LEASES_PER_WINDOW).max(1);
        let length = i64::try_from(WINDOW.as_micros()).unwrap_or(i64::MAX);
        let bucket_name = name(bucket);
        let lease = store::take_from_window(&self.app.db, &bucket_name, now, want.into(), self.limit.into(), length);
        let (started, taken, granted) = match lease.await {
            Ok(lease) => lease,
            Err(error) => {
                // Without the database the request fails by itself; the limit need not add another reason.
                tracing::warn!(%error, "the rate limit could not be counted");
                let window = Window { started: now, left: self.limit, elsewhere: 0 };
                return self.decision(window, true, now);
            }
        };
        let mut windows = self.windows.lock();
        if windows.len() >= MOST_WINDOWS {
            windows.retain(|_, window| now < window.started.after(WINDOW));
        }
        let window = windows.entry(bucket).or_insert(Window { started, left: 0, elsewhere: 0 });
        if window.started != started {
            *window = Window { started, left: 0, elsewhere: 0 };
        }
        window.left += u32::try_from(granted).unwrap_or_default();
        window.elsewhere = self.limit.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        let allowed = window.left > 0;
        window.left = window.left.saturating_sub(1);
        self.decision(*window, allowed, now)
    }

    fn is_shared(&self) -> bool {
        self.app.db.engine() == Engine::Postgres
    }

    fn decision(&self, window: Window, allowed: bool, now: Instant) -> Decision {
        let end = window.started.after(WINDOW);
        let reset = (end.micros() + 999_999).div_euclid(1_000_000);
        let retry_after = now.until(end).as_secs_f64().ceil() as u64;
        let remaining = if allowed { window.left + window.elsewhere } else { 0 };
        Decision { allowed, limit: self.limit, remaining, reset, retry_after: retry_after.max(1) }
    }
}

fn name(bucket: Bucket) -> String {
    match bucket {
        Bucket::WorkspaceKey(id) => format!("w:{id}"),
        Bucket::PartnerKey(id) => format!("p:{id}"),
        Bucket::Session(id) => format!("s:{id}"),
        Bucket::PartnerSession(id) => format!("ps:{id}"),
        Bucket::PartnerToken(id) => format!("pt:{id}"),
        Bucket::BookingFeed(id) => format!("bf:{id}"),
        Bucket::Address(address) => format!("a:{address}"),
    }
}
