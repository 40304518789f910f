//! The two impure values of the tests, in one place: a name nobody else uses, and the present second.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// `label_<pid>_<count>_<random>`: lower-case letters, digits and `_` after the label, never the same twice.
pub fn unique(label: &str) -> String {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{label}_{:x}_{count:x}_{:016x}", std::process::id(), random())
}

/// 64 bits from the standard library's hash seeds.
pub fn random() -> u64 {
    RandomState::new().hash_one(COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Unix seconds now. Providers stamp their messages with it, and reply windows are counted from there.
#[expect(clippy::disallowed_methods, reason = "the imitated providers live outside `App` and have the real time")]
pub fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
