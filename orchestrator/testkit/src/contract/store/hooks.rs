//! The keys of webhooks, and deliveries.

use sluice_domain::{Flow, FlowVersion};
use sluice_ports::store::{HookKey, NewVersion, Subscription};
use sluice_ports::{Fault, SealedSecret};
use sluice_protocol::MessageId;

use super::StoreHarness;
use crate::contract::{fault_of, ok};
use crate::fixtures::{at, compiled, flow, step};

pub(super) async fn suite(harness: &dyn StoreHarness) {
    keys_are_rotated_and_revoked(harness).await;
    keys_are_pruned_but_never_the_newest(harness).await;
    a_delivery_is_noted_once(harness).await;
    everything_goes_with_the_flow(harness).await;
    subscriptions_outlive_their_flow(harness).await;
}

fn key(flow: &Flow, name: &str, byte: u8) -> HookKey {
    HookKey {
        flow: flow.id,
        step: step(name),
        hash: [byte; 32],
        sealed: SealedSecret { key_id: "k".to_owned(), sealed: vec![byte, 1, 2] },
        created_at: at(i64::from(byte)),
        retires_at: None,
    }
}

async fn with_flow(harness: &dyn StoreHarness) -> (std::sync::Arc<dyn sluice_ports::store::Store>, Flow) {
    let (store, flow) = (harness.store().await, flow(1, "a", 1));
    let new = NewVersion { flow: flow.clone(), compiled: compiled(&flow), replaces: None::<FlowVersion> };
    ok(store.put_version(&new).await);
    (store, flow)
}

async fn keys_are_rotated_and_revoked(harness: &dyn StoreHarness) {
    let (store, known) = with_flow(harness).await;
    let (first, second, other) = (key(&known, "hook", 1), key(&known, "hook", 2), key(&known, "another", 3));
    assert!(ok(store.put_first_hook_key(&first).await));
    assert!(!ok(store.put_first_hook_key(&second).await), "a step has one first key");
    assert!(ok(store.hook_key(&second.hash).await).is_none(), "what was not kept is not found");
    assert!(ok(store.put_first_hook_key(&other).await));
    let stranger = flow(9, "z", 1);
    assert_eq!(fault_of(store.put_first_hook_key(&key(&stranger, "hook", 8)).await), Fault::NotFound);
    assert_eq!(fault_of(store.rotate_hook_key(&key(&stranger, "hook", 8), at(0)).await), Fault::NotFound);

    assert_eq!(
        fault_of(store.rotate_hook_key(&first, at(50)).await),
        Fault::Conflict,
        "a hash is there once"
    );
    ok(store.rotate_hook_key(&second, at(100)).await);
    let retired = HookKey { retires_at: Some(at(100)), ..first.clone() };
    assert!(ok(store.hook_keys(known.id).await) == [other.clone(), second.clone(), retired.clone()]);
    assert!(retired.works(at(99)) && !retired.works(at(100)) && second.works(at(1000)));

    let third = key(&known, "hook", 4);
    ok(store.rotate_hook_key(&third, at(200)).await);
    assert!(ok(store.hook_key(&first.hash).await) == Some(retired), "an earlier end stays");
    ok(store.revoke_hook_keys(known.id, &step("hook"), at(60)).await);
    ok(store.revoke_hook_keys(known.id, &step("hook"), at(70)).await);
    for hash in [first.hash, second.hash, third.hash] {
        let key = ok(store.hook_key(&hash).await);
        assert!(
            key.is_some_and(|key| key.retires_at == Some(at(60))),
            "all keys of the step end, and stay ended"
        );
    }
    assert!(ok(store.hook_key(&other.hash).await) == Some(other), "the keys of other steps go on");
    assert!(
        !ok(store.put_first_hook_key(&key(&known, "hook", 5)).await),
        "what was revoked is not made again"
    );
    assert_eq!(fault_of(store.revoke_hook_keys(known.id, &step("none"), at(1)).await), Fault::NotFound);
}

async fn keys_are_pruned_but_never_the_newest(harness: &dyn StoreHarness) {
    let (store, known) = with_flow(harness).await;
    ok(store.put_first_hook_key(&key(&known, "hook", 1)).await);
    ok(store.rotate_hook_key(&key(&known, "hook", 2), at(10)).await);
    ok(store.rotate_hook_key(&key(&known, "hook", 3), at(20)).await);
    ok(store.revoke_hook_keys(known.id, &step("hook"), at(30)).await);
    ok(store.prune_hooks(at(20)).await);
    let left = |keys: Vec<HookKey>| keys.iter().map(|key| key.hash[0]).collect::<Vec<_>>();
    assert_eq!(left(ok(store.hook_keys(known.id).await)), [3, 2]);
    ok(store.prune_hooks(at(1000)).await);
    assert_eq!(left(ok(store.hook_keys(known.id).await)), [3]);
}

async fn a_delivery_is_noted_once(harness: &dyn StoreHarness) {
    let (store, known) = with_flow(harness).await;
    let (one, two) = (MessageId::from_bits(1), MessageId::from_bits(2));
    let hook = step("hook");
    assert!(!ok(store.has_delivery(known.id, &hook, one).await));
    assert!(ok(store.note_delivery(known.id, &hook, one, at(1)).await));
    assert!(!ok(store.note_delivery(known.id, &hook, one, at(2)).await));
    assert!(ok(store.has_delivery(known.id, &hook, one).await));
    assert!(!ok(store.has_delivery(known.id, &hook, two).await));
    assert!(
        ok(store.note_delivery(known.id, &step("other"), one, at(3)).await),
        "steps do not share deliveries"
    );
    let (a, b) = tokio::join!(
        store.note_delivery(known.id, &hook, two, at(4)),
        store.note_delivery(known.id, &hook, two, at(4))
    );
    assert_ne!(ok(a), ok(b), "of two at the same time one is the first");
    let nobody = store.note_delivery(flow(9, "z", 1).id, &hook, one, at(1)).await;
    assert_eq!(fault_of(nobody), Fault::NotFound);

    assert_eq!(ok(store.prune_hooks(at(3)).await), 1, "its time is that of the first note");
    assert!(!ok(store.has_delivery(known.id, &hook, one).await));
    assert!(ok(store.has_delivery(known.id, &hook, two).await));
    assert!(ok(store.note_delivery(known.id, &hook, one, at(9)).await), "what is forgotten is new again");
}

async fn everything_goes_with_the_flow(harness: &dyn StoreHarness) {
    let (store, known) = with_flow(harness).await;
    let (hook, one) = (key(&known, "hook", 1), MessageId::from_bits(1));
    ok(store.put_first_hook_key(&hook).await);
    ok(store.note_delivery(known.id, &hook.step, one, at(1)).await);
    ok(store.remove_flow(known.id).await);
    assert!(ok(store.hook_key(&hook.hash).await).is_none());
    assert!(!ok(store.has_delivery(known.id, &hook.step, one).await));
}

async fn subscriptions_outlive_their_flow(harness: &dyn StoreHarness) {
    let (store, known) = with_flow(harness).await;
    let subscription = |name: &str, fingerprint: &str| Subscription {
        flow: known.id,
        step: step(name),
        fingerprint: fingerprint.to_owned(),
        instance: crate::fixtures::instance("crm").name,
        unsubscribe: Some("\"end\"".to_owned()),
        confirmed: false,
        sealed: SealedSecret { key_id: "k".to_owned(), sealed: vec![1, 2, 3] },
        created_at: at(0),
    };
    let (first, second) = (subscription("a", "1"), subscription("a", "2"));
    let other = Subscription { unsubscribe: None, ..subscription("b", "1") };
    for one in [&other, &second, &first] {
        ok(store.put_subscription(one).await);
    }
    let confirmed = Subscription { confirmed: true, ..first.clone() };
    ok(store.put_subscription(&confirmed).await);
    let foreign = Subscription { flow: flow(9, "z", 1).id, ..other.clone() };
    ok(store.put_subscription(&foreign).await);
    let of_flow = [confirmed.clone(), second, other.clone()];
    assert!(ok(store.subscriptions_of(known.id).await) == of_flow);
    assert_eq!(ok(store.subscriptions().await).len(), 4);
    ok(store.remove_subscription(foreign.flow, &foreign.step, &foreign.fingerprint).await);
    assert!(ok(store.subscriptions().await) == of_flow);
    assert_eq!(ok(store.sealing_keys().await)["k"], 3, "what they hold is sealed, and counted");
    ok(store.remove_subscription(known.id, &step("a"), "2").await);
    ok(store.remove_subscription(known.id, &step("a"), "2").await);
    ok(store.remove_flow(known.id).await);
    assert!(ok(store.subscriptions().await) == [confirmed, other]);
}
