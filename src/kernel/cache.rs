//! Things read a moment ago. Short-lived, because other nodes change the database too, and forgotten whenever something
//! they may depend on changes on this node.

use parking_lot::RwLock;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Below the second within which suspension and revocation must hold on every node (rule T8).
pub const LIFE: Duration = Duration::from_millis(800);
const MOST: usize = 50_000;

/// A map whose entries live for [`LIFE`].
#[derive(Debug)]
pub struct Recent<K, V> {
    entries: RwLock<HashMap<K, (V, Instant)>>,
    /// Grows with every forgetting, so that a look-up begun before it cannot put stale knowledge back.
    generation: AtomicU64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { entries: RwLock::default(), generation: AtomicU64::new(0) }
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub fn get(&self, key: &K) -> Option<V> {
        let entries = self.entries.read();
        let (value, since) = entries.get(key)?;
        (since.elapsed() < LIFE).then(|| value.clone())
    }

    /// To be read before the look-up whose result is put in.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub fn put(&self, key: K, value: V, generation: u64) {
        let mut entries = self.entries.write();
        if generation != self.generation() {
            return;
        }
        if entries.len() >= MOST {
            entries.retain(|_, (_, since)| since.elapsed() < LIFE);
        }
        entries.insert(key, (value, Instant::now()));
    }
}

/// The caches of all rooms, by their types: a room keeps its own without the ground knowing what it holds.
#[derive(Default)]
pub struct Caches(RwLock<HashMap<TypeId, Arc<dyn Cache>>>);

trait Cache: Any + Send + Sync {
    fn forget_all(&self);
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Cache for Recent<K, V> {
    fn forget_all(&self) {
        let mut entries = self.entries.write();
        self.generation.fetch_add(1, Ordering::SeqCst);
        entries.clear();
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Caches {
    /// The cache from `K` to `V`; a room makes it its own by a type of its own.
    pub fn of<K: Eq + Hash + Send + Sync + 'static, V: Clone + Send + Sync + 'static>(&self) -> Arc<Recent<K, V>> {
        let id = TypeId::of::<Recent<K, V>>();
        let known = self.0.read().get(&id).cloned();
        let cache = known
            .unwrap_or_else(|| self.0.write().entry(id).or_insert_with(|| Arc::new(Recent::<K, V>::default())).clone());
        cache.as_any().downcast().unwrap_or_default()
    }

    pub fn forget_all(&self) {
        self.0.read().values().for_each(|cache| cache.forget_all());
    }
}

/// Shared state that rooms keep in the app, one of each type, made when first asked for.
#[derive(Default)]
pub struct Rooms(RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Rooms {
    pub fn of<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let known = self.0.read().get(&TypeId::of::<T>()).cloned();
        let shared = known.unwrap_or_else(|| {
            self.0.write().entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default())).clone()
        });
        shared.downcast().unwrap_or_default()
    }
}

impl std::fmt::Debug for Caches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caches")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_put_back() {
        let caches = Caches::default();
        let cache = caches.of::<i64, String>();
        let before = cache.generation();
        cache.put(1, "old".into(), before);
        assert_eq!(caches.of::<i64, String>().get(&1).as_deref(), Some("old"));
        caches.forget_all();
        cache.put(1, "stale".into(), before);
        assert_eq!(cache.get(&1), None);
        cache.put(1, "new".into(), cache.generation());
        assert_eq!(cache.get(&1).as_deref(), Some("new"));
    }
}
