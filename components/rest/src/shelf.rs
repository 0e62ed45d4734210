//! What the component keeps for each instance, such as the token of a session. It is bounded, and what nobody used for an
//! hour is let go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Most instances.
const MOST: usize = 10_000;
/// How long something is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(3600);
/// How often somebody looks for it.
const ROUND: Duration = Duration::from_secs(60);

/// Things by the instance that they belong to.
pub(crate) struct Shelf<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    kept: HashMap<String, Kept<T>>,
    looked: Option<Instant>,
}

struct Kept<T> {
    thing: Arc<T>,
    used: Instant,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { kept: HashMap::new(), looked: None }) }
    }
}

impl<T: Default> Shelf<T> {
    /// What belongs to this key, made when first asked for.
    pub(crate) fn get(&self, key: &str) -> Arc<T> {
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.looked.is_none_or(|looked| now.duration_since(looked) >= ROUND) {
            inner.looked = Some(now);
            inner.kept.retain(|_, kept| kept.is_held() || now.duration_since(kept.used) < IDLE);
        }
        if inner.kept.len() >= MOST && !inner.kept.contains_key(key) {
            let free = inner.kept.iter().filter(|(_, kept)| !kept.is_held());
            let oldest = free.min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            oldest.map(|key| inner.kept.remove(&key));
        }
        let kept = inner
            .kept
            .entry(key.to_owned())
            .or_insert_with(|| Kept { thing: Arc::new(T::default()), used: now });
        kept.used = now;
        Arc::clone(&kept.thing)
    }
}

impl<T> Kept<T> {
    /// Whether a run uses it right now.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.thing) > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(shelf: &Shelf<Mutex<u32>>) -> usize {
        shelf.inner.lock().unwrap().kept.len()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_is_let_go() {
        let shelf = Shelf::<Mutex<u32>>::default();
        *shelf.get("a").lock().unwrap() = 1;
        let held = shelf.get("b");
        tokio::time::advance(IDLE - ROUND).await;
        assert_eq!(*shelf.get("a").lock().unwrap(), 1);
        tokio::time::advance(IDLE).await;
        shelf.get("c");
        assert_eq!(count(&shelf), 2, "`a` is gone, `b` is in use");
        assert_eq!(*shelf.get("a").lock().unwrap(), 0);
        drop(held);
    }

    #[test]
    fn there_are_never_more_than_allowed() {
        let shelf = Shelf::<Mutex<u32>>::default();
        (0..MOST + 5).for_each(|number| drop(shelf.get(&number.to_string())));
        assert_eq!(count(&shelf), MOST);
    }
}
