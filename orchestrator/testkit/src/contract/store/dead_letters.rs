//! Dead letters.

use sluice_domain::{DeadLetter, DeadLetterState, FlowId};
use sluice_ports::Fault;
use sluice_ports::store::DeadLetterFilter;

use super::StoreHarness;
use crate::contract::{fault_of, ok};
use crate::fixtures::{at, dead_letter};

pub(super) async fn suite(harness: &dyn StoreHarness) {
    a_dead_letter_is_kept_once_and_whole(harness).await;
    dead_letters_are_paged_newest_first(harness).await;
    only_a_waiting_one_is_edited(harness).await;
    one_is_moved_on_once(harness).await;
}

async fn a_dead_letter_is_kept_once_and_whole(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let full = dead_letter(1);
    let bare = DeadLetter { execution: None, step: None, exit: None, context: None, ..dead_letter(2) };
    ok(store.put_dead_letters(&[full.clone(), bare.clone()]).await);
    let changed = DeadLetter { body: "other".to_owned(), ..full.clone() };
    ok(store.put_dead_letters(&[changed]).await);
    ok(store.put_dead_letters(&[]).await);
    assert_eq!(ok(store.dead_letter(full.id).await), Some(full));
    assert_eq!(ok(store.dead_letter(bare.id).await), Some(bare));
    assert_eq!(ok(store.dead_letter(dead_letter(9).id).await), None);
    assert_eq!(ok(store.count_waiting().await), 2);
}

async fn dead_letters_are_paged_newest_first(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let mut letters: Vec<_> = (1..=5).map(dead_letter).collect();
    letters[1].step = None;
    // The id decides between those of the same time.
    letters[4].created_at = letters[3].created_at;
    ok(store.put_dead_letters(&letters).await);
    ok(store.move_dead_letter(letters[2].id, DeadLetterState::Discarded, at(100)).await);
    let list = async |filter: DeadLetterFilter| -> Vec<u128> {
        ok(store.dead_letters(&filter).await).iter().map(|letter| letter.id.bits()).collect()
    };
    let all = DeadLetterFilter { limit: 100, ..DeadLetterFilter::default() };
    assert_eq!(list(all.clone()).await, [5, 4, 3, 2, 1]);
    let before = Some((letters[3].created_at, letters[3].id));
    assert_eq!(list(DeadLetterFilter { before, limit: 2, ..all.clone() }).await, [3, 2]);
    let of = |flows: &[u128]| Some(flows.iter().map(|bits| FlowId::from_bits(*bits)).collect());
    assert_eq!(list(DeadLetterFilter { flows: of(&[1]), ..all.clone() }).await, [5, 4, 3, 1]);
    assert_eq!(list(DeadLetterFilter { flows: of(&[1, 77]), ..all.clone() }).await, [5, 4, 3, 1]);
    assert!(list(DeadLetterFilter { flows: of(&[]), ..all.clone() }).await.is_empty());
    let state = Some(DeadLetterState::Waiting);
    assert_eq!(list(DeadLetterFilter { flows: of(&[1]), state, ..all.clone() }).await, [5, 4, 1]);
    let state = Some(DeadLetterState::Discarded);
    assert_eq!(list(DeadLetterFilter { state, ..all }).await, [3]);
    assert_eq!(ok(store.count_waiting().await), 4);
}

async fn only_a_waiting_one_is_edited(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let letter = dead_letter(1);
    assert_eq!(fault_of(store.edit_dead_letter(letter.id, "{}", at(9)).await), Fault::NotFound);
    ok(store.put_dead_letters(std::slice::from_ref(&letter)).await);
    let edited = ok(store.edit_dead_letter(letter.id, "{}", at(9)).await);
    assert_eq!(edited, DeadLetter { body: "{}".to_owned(), updated_at: at(9), ..letter.clone() });
    assert_eq!(ok(store.dead_letter(letter.id).await), Some(edited));
    ok(store.move_dead_letter(letter.id, DeadLetterState::Redriven, at(10)).await);
    assert_eq!(fault_of(store.edit_dead_letter(letter.id, "[]", at(11)).await), Fault::Conflict);
}

async fn one_is_moved_on_once(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let letter = dead_letter(1);
    let redriven = DeadLetterState::Redriven;
    assert_eq!(fault_of(store.move_dead_letter(letter.id, redriven, at(9)).await), Fault::NotFound);
    ok(store.put_dead_letters(&[letter.clone(), dead_letter(2)]).await);
    let moved = ok(store.move_dead_letter(letter.id, redriven, at(9)).await);
    let expect = DeadLetter { state: redriven, redrives: 1, updated_at: at(9), ..letter.clone() };
    assert_eq!(moved.as_ref(), Some(&expect), "a redrive is counted");
    for state in [redriven, DeadLetterState::Discarded] {
        assert_eq!(ok(store.move_dead_letter(letter.id, state, at(10)).await), None, "pressing twice");
    }
    assert_eq!(ok(store.dead_letter(letter.id).await), Some(expect));
    ok(store.put_dead_letters(&[letter]).await);
    assert_eq!(ok(store.count_waiting().await), 1, "the same death does not wait again");
    let backwards = store.move_dead_letter(dead_letter(2).id, DeadLetterState::Waiting, at(9)).await;
    assert_eq!(fault_of(backwards), Fault::Permanent);
}
