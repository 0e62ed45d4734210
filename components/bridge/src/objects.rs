//! What a process gave into keeping: objects of its storage, and what its hook `startup` returned.
//!
//! All of it lies in memory and ends with the process. When room is needed, objects go that are a day old, and then those
//! that were carried to another container already, the oldest first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// Most bytes of all objects of a process together.
const BYTES: usize = 32 * 1024 * 1024;
/// Most objects of a process.
const COUNT: usize = 10_000;
/// How long an object is kept at least, as on their platform.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An object.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Its media type.
    pub(crate) kind: Option<String>,
    pub(crate) bytes: Bytes,
    /// Headers that came with it and belong to it: `x-query-…` and `x-meta-…`.
    pub(crate) headers: BTreeMap<String, String>,
}

struct Entry {
    object: Object,
    since: Instant,
    /// How many objects there were before it.
    number: u64,
    /// It is in a message that goes on, or in one that came.
    carried: bool,
}

/// The objects of a process.
#[derive(Default)]
pub(crate) struct Objects {
    entries: Mutex<BTreeMap<String, Entry>>,
}

/// There is no room for an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the objects of this component have more than 32 MiB together, or are more than {COUNT}")]
pub(crate) struct Full;

impl Objects {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an object, in the place of one of the same id.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn put(&self, id: &str, object: Object) -> Result<(), Full> {
        let mut entries = self.entries();
        let before = entries.remove(id);
        let held = |entries: &BTreeMap<String, Entry>| -> usize {
            entries.values().map(|entry| entry.object.bytes.len()).sum()
        };
        while held(&entries) + object.bytes.len() > BYTES || entries.len() >= COUNT {
            let may_go = |entry: &Entry| entry.carried || entry.since.elapsed() > DAY;
            let oldest =
                entries.iter().filter(|(_, entry)| may_go(entry)).min_by_key(|(_, entry)| entry.number);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                if let Some(before) = before {
                    entries.insert(id.to_owned(), before);
                }
                return Err(Full);
            };
            entries.remove(&oldest);
        }
        let number = entries.values().map(|entry| entry.number + 1).max().unwrap_or_default();
        entries.insert(id.to_owned(), Entry { object, since: Instant::now(), number, carried: false });
        Ok(())
    }

    /// An object.
    pub(crate) fn get(&self, id: &str) -> Option<Object> {
        self.entries().get(id).map(|entry| entry.object.clone())
    }

    /// Notes that an object may go when room is needed.
    pub(crate) fn carried(&self, id: &str) {
        if let Some(entry) = self.entries().get_mut(id) {
            entry.carried = true;
        }
    }

    /// Removes an object. True when there was one.
    pub(crate) fn remove(&self, id: &str) -> bool {
        self.entries().remove(id).is_some()
    }

    /// The ids of the objects whose headers `x-query-…` have these values, and what is known of them. Names of headers know
    /// no case, so neither do those asked for.
    pub(crate) fn find(&self, wanted: &[(String, String)]) -> Vec<(String, Value)> {
        let entries = self.entries();
        let fits = |entry: &Entry| {
            wanted.iter().all(|(name, value)| {
                entry.object.headers.get(&format!("x-query-{}", name.to_lowercase())) == Some(value)
            })
        };
        let mut found: Vec<(&String, &Entry)> = entries.iter().filter(|(_, entry)| fits(entry)).collect();
        found.sort_by_key(|(_, entry)| entry.number);
        found.into_iter().map(|(id, entry)| (id.clone(), told(id, &entry.object))).collect()
    }
}

/// What is told of an object.
fn told(id: &str, object: &Object) -> Value {
    let with = |prefix: &str| -> Map<String, Value> {
        let headers = object.headers.iter();
        headers
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value.as_str().into())))
            .collect()
    };
    json!({
        "objectId": id,
        "contentType": object.kind,
        "contentLength": object.bytes.len(),
        "queriableFields": with("x-query-"),
        "metadata": with("x-meta-"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(bytes: usize, headers: &[(&str, &str)]) -> Object {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Object { kind: None, bytes: vec![0; bytes].into(), headers }
    }

    #[test]
    fn room_is_made_by_what_was_carried_on_and_by_nothing_else() {
        let objects = Objects::default();
        for id in ["a", "b", "c", "d"] {
            objects.put(id, object(BYTES / 4, &[])).unwrap();
        }
        assert_eq!(objects.put("e", object(1, &[])), Err(Full));
        // In the place of another one there is room.
        objects.put("d", object(BYTES / 4, &[])).unwrap();
        assert_eq!(objects.put("d", object(BYTES, &[])), Err(Full));
        assert!(objects.get("d").is_some(), "what was there stays");
        objects.carried("c");
        objects.carried("b");
        objects.put("e", object(1, &[])).unwrap();
        assert!(objects.get("b").is_none() && objects.get("c").is_some(), "the oldest goes");
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_made_by_what_is_a_day_old() {
        let objects = Objects::default();
        objects.put("a", object(BYTES, &[])).unwrap();
        tokio::time::advance(DAY).await;
        assert_eq!(objects.put("b", object(1, &[])), Err(Full));
        tokio::time::advance(Duration::from_secs(1)).await;
        objects.put("b", object(1, &[])).unwrap();
        assert!(objects.get("a").is_none());
    }

    #[test]
    fn objects_are_found_by_their_properties() {
        let objects = Objects::default();
        objects.put("a", object(3, &[("x-query-group", "1"), ("x-meta-n", "7")])).unwrap();
        objects.put("b", object(3, &[("x-query-group", "2")])).unwrap();
        let found = objects.find(&[("Group".to_owned(), "1".to_owned())]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.as_str(), &found[0].1["metadata"]["n"]), ("a", &json!("7")));
        assert_eq!(objects.find(&[]).len(), 2);
        assert!(objects.remove("a") && !objects.remove("a"));
    }
}
