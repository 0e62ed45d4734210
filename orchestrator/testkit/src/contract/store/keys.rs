//! Data keys, and which keys seal what.

use std::collections::BTreeMap;

use sluice_ports::store::{HookKey, NewVersion, Slot, Store, StoredAuthorization, StoredInstance};
use sluice_ports::{DataKey, Fault, SealedSecret};

use super::StoreHarness;
use super::authorizations::authorization;
use crate::contract::{fault_of, ok};
use crate::fixtures::{at, compiled, flow, instance, step};

pub(super) async fn suite(harness: &dyn StoreHarness) {
    data_keys_keep_their_order_and_can_be_sealed_anew(harness).await;
    each_lasting_secret_is_found_and_moved(harness).await;
    a_secret_that_changed_meanwhile_is_left_alone(harness).await;
    a_key_goes_only_when_it_seals_nothing(harness).await;
}

fn sealed(key: &str, byte: u8) -> SealedSecret {
    SealedSecret { key_id: key.to_owned(), sealed: vec![byte, 0, 255] }
}

fn data_key(id: &str, master: &str) -> DataKey {
    DataKey { id: id.to_owned(), tenant: "default".to_owned(), sealed: sealed(master, 7) }
}

async fn data_keys_keep_their_order_and_can_be_sealed_anew(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    for id in ["d2", "d1"] {
        ok(store.put_data_key(&data_key(id, "k1")).await);
    }
    ok(store.put_data_key(&data_key("d2", "k2")).await);
    assert!(ok(store.data_keys().await) == [data_key("d2", "k2"), data_key("d1", "k1")]);
    assert!(ok(store.sealing_keys().await).is_empty(), "data keys are no secrets");
}

/// Seals one secret of each kind with `d1`.
async fn fill(store: &dyn Store) -> Vec<Slot> {
    let crm = instance("crm");
    let secrets = BTreeMap::from([("password".to_owned(), sealed("d1", 1))]);
    ok(store.put_instance(&StoredInstance { instance: crm.clone(), secrets }).await);
    let authorization = StoredAuthorization {
        access: Some(sealed("d1", 2)),
        refresh: Some(sealed("d1", 3)),
        ..authorization(1)
    };
    ok(store.put_authorization(&authorization).await);
    let flow = flow(1, "a", 1);
    ok(store
        .put_version(&NewVersion { flow: flow.clone(), compiled: compiled(&flow), replaces: None })
        .await);
    let key = HookKey {
        flow: flow.id,
        step: step("hook"),
        hash: [9; 32],
        sealed: sealed("d1", 4),
        created_at: at(0),
        retires_at: None,
    };
    assert!(ok(store.put_first_hook_key(&key).await));
    vec![
        Slot::Instance { instance: crm.name.clone(), field: "password".to_owned() },
        Slot::Access(crm.name.clone()),
        Slot::Refresh(crm.name),
        Slot::Hook { flow: flow.id, step: step("hook"), hash: [9; 32] },
    ]
}

async fn each_lasting_secret_is_found_and_moved(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let slots = fill(&*store).await;
    assert_eq!(ok(store.sealing_keys().await), BTreeMap::from([("d1".to_owned(), 4)]));
    assert!(ok(store.sealed_otherwise(&["d1".to_owned()], 10).await).is_empty());
    let both = ["d2".to_owned(), "d1".to_owned()];
    assert!(ok(store.sealed_otherwise(&both, 10).await).is_empty());
    assert_eq!(ok(store.sealed_otherwise(&["d2".to_owned()], 3).await).len(), 3, "no more than asked for");
    let found = ok(store.sealed_otherwise(&["d2".to_owned()], 10).await);
    let mut of_slots: Vec<Slot> = found.iter().map(|(slot, _)| slot.clone()).collect();
    of_slots.sort();
    let mut expect = slots;
    expect.sort();
    assert_eq!(of_slots, expect);
    for (slot, old) in &found {
        let new = SealedSecret { key_id: "d2".to_owned(), sealed: old.sealed.clone() };
        assert!(ok(store.reseal(slot, old, &new).await), "{slot:?}");
    }
    assert_eq!(ok(store.sealing_keys().await), BTreeMap::from([("d2".to_owned(), 4)]));
    let kept = ok(store.instance(&instance("crm").name).await).expect("it is there");
    assert!(kept.secrets["password"] == sealed("d2", 1));
    let kept = ok(store.authorization(&instance("crm").name).await).expect("it is there");
    assert!(kept.access == Some(sealed("d2", 2)) && kept.refresh == Some(sealed("d2", 3)));
    assert_eq!(kept.version, 1, "whoever changes it meanwhile is not disturbed");
}

async fn a_secret_that_changed_meanwhile_is_left_alone(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    for slot in fill(&*store).await {
        assert!(!ok(store.reseal(&slot, &sealed("d1", 99), &sealed("d2", 1)).await), "{slot:?}");
        assert!(!ok(store.reseal(&slot, &sealed("d0", 1), &sealed("d2", 1)).await), "{slot:?}");
    }
    assert_eq!(ok(store.sealing_keys().await), BTreeMap::from([("d1".to_owned(), 4)]));
}

async fn a_key_goes_only_when_it_seals_nothing(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    for id in ["d1", "d2"] {
        ok(store.put_data_key(&data_key(id, "k1")).await);
    }
    fill(&*store).await;
    assert_eq!(fault_of(store.remove_data_key("d1").await), Fault::Conflict);
    ok(store.remove_data_key("d2").await);
    assert_eq!(fault_of(store.remove_data_key("d2").await), Fault::NotFound);
    assert!(ok(store.data_keys().await) == [data_key("d1", "k1")]);
}
