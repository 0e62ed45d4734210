//! What is known between polls, without any HTTP.

use serde_json::{Value, json};
use sluice_declarative::{Incremental, TimeFormat};

use super::{Identified, SEEN, Tracker};
use crate::moment::Moment;
use crate::pages::End;

fn incremental(overlap: u32) -> Option<Incremental> {
    let it = json!({ "value": "= item.at", "format": "unix", "overlap_seconds": overlap });
    Some(serde_json::from_value(it).unwrap())
}

fn tracker(incremental: Option<Incremental>, state: Option<Value>) -> Tracker {
    Tracker::new(incremental, state, chrono::DateTime::UNIX_EPOCH)
}

/// Lists an item; whether it is emitted.
fn list(tracker: &mut Tracker, hash: u64, at: Option<u64>) -> Result<bool, String> {
    let moment = at.map(|at| Moment::read(&at.into(), TimeFormat::Unix).unwrap());
    let item = Identified { item: Value::Null, hash, moment };
    let fresh = tracker.admit(&item).map_err(|error| error.code().to_owned())?;
    tracker.note(hash, item.moment, fresh);
    Ok(fresh)
}

#[test]
fn a_list_without_values_is_bounded() {
    let mut tracker = tracker(None, None);
    for hash in 0..SEEN as u64 {
        assert_eq!(list(&mut tracker, hash, None), Ok(true));
    }
    assert_eq!(list(&mut tracker, 0, None), Ok(false));
    assert_eq!(list(&mut tracker, u64::MAX, None), Err("too_many_items".to_owned()));
    let state = tracker.interrupted().unwrap();
    assert!(state.to_string().len() < 300_000);
}

#[test]
fn a_long_list_with_values_takes_no_more_than_its_overlap() {
    let mut tracker = tracker(incremental(5), None);
    for at in 0..3 * SEEN as u64 {
        assert_eq!(list(&mut tracker, at, Some(at)), Ok(true));
        assert!(tracker.window.len() <= SEEN && tracker.recent.len() <= SEEN);
    }
    let state = tracker.finish(End::Last);
    assert_eq!((state["cursor"].clone(), state["seen"].as_array().unwrap().len()), (json!(3 * SEEN - 1), 6));
}

#[test]
fn too_much_within_the_overlap_is_an_error() {
    let mut tracker = tracker(incremental(5), None);
    for hash in 0..SEEN as u64 {
        assert_eq!(list(&mut tracker, hash, Some(7)), Ok(true));
    }
    assert_eq!(list(&mut tracker, u64::MAX, Some(8)), Err("too_many_items".to_owned()));
    // Much later ones leave the others behind.
    assert_eq!(list(&mut tracker, u64::MAX, Some(50)), Ok(true));
}

#[test]
fn a_long_list_that_breaks_off_goes_on_only_if_it_is_sorted() {
    let many = 2 * SEEN as u64;
    let mut sorted = tracker(incremental(0), None);
    let mut mixed = tracker(incremental(0), None);
    for n in 0..many {
        list(&mut sorted, n, Some(n)).unwrap();
        list(&mut mixed, n, Some(n ^ 1)).unwrap();
    }
    assert_eq!(sorted.interrupted().unwrap()["cursor"], json!(many - 1));
    assert_eq!(mixed.interrupted(), None);
}

#[test]
fn what_was_known_within_the_overlap_stays_known_though_it_is_not_listed() {
    let mut first = tracker(incremental(10), None);
    for (hash, at) in [(1, 100), (2, 95), (3, 80)] {
        list(&mut first, hash, Some(at)).unwrap();
    }
    let mut second = tracker(incremental(10), Some(first.finish(End::Last)));
    assert_eq!(second.cursor(), 90);
    assert_eq!(list(&mut second, 4, Some(103)), Ok(true));
    let mut third = tracker(incremental(10), Some(second.finish(End::Last)));
    assert_eq!(list(&mut third, 2, Some(95)), Ok(false));
    assert_eq!(list(&mut third, 1, Some(100)), Ok(false));
    assert_eq!(list(&mut third, 3, Some(80)), Ok(false));
    assert_eq!(list(&mut third, 5, Some(94)), Ok(true));
}

#[test]
fn a_state_that_cannot_be_read_is_none() {
    for state in [json!(5), json!({ "cursor": [], "seen": ["?"] }), json!({})] {
        let mut tracker = tracker(incremental(0), Some(state));
        assert_eq!(tracker.cursor(), Value::Null);
        assert_eq!(list(&mut tracker, 1, Some(1)), Ok(true));
    }
}
