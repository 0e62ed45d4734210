//! Events, and how far they were told.

use sluice_domain::oauth::AuthorizationState;
use sluice_domain::{Event, Happened};
use sluice_ports::store::{Release, Store, StoredInstance};

use super::StoreHarness;
use super::authorizations::authorization;
use crate::contract::ok;
use crate::fixtures::{at, connector, instance};

pub(super) async fn suite(harness: &dyn StoreHarness) {
    a_change_of_state_is_an_event(harness).await;
    another_version_in_use_is_an_event(harness).await;
    old_events_go_and_numbers_stay(harness).await;
    it_is_known_who_was_told(harness).await;
    what_changes_nothing_may_be_an_event(harness).await;
}

async fn what_changes_nothing_may_be_an_event(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let what = Happened::Undelivered { dead: 2, restored: 1 };
    ok(store.put_event(at(5), &what).await);
    let found = all(&*store).await;
    assert_eq!(found.iter().map(|event| (event.at, &event.what)).collect::<Vec<_>>(), [(at(5), &what)]);
    assert_eq!(ok(store.last_event().await), found[0].id);
}

async fn all(store: &dyn Store) -> Vec<Event> {
    ok(store.events(0, 1000).await)
}

async fn a_change_of_state_is_an_event(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let crm = instance("crm");
    let secrets = std::collections::BTreeMap::new();
    ok(store.put_instance(&StoredInstance { instance: crm.clone(), secrets }).await);
    let mut now = authorization(1);
    now.instance = crm.name.clone();
    ok(store.put_authorization(&now).await);
    now.version = 2;
    ok(store.put_authorization(&now).await);
    now.version = 3;
    now.state = AuthorizationState::NeedsReauth;
    now.detail = Some("it says no".to_owned());
    ok(store.put_authorization(&now).await);
    assert!(store.put_authorization(&now).await.is_err(), "an older version is refused, and no event");
    let found = all(&*store).await;
    let changed = |before, state, detail: Option<&str>| Happened::InstanceState {
        instance: crm.name.clone(),
        before,
        state,
        detail: detail.map(str::to_owned),
    };
    let expect = [
        changed(None, AuthorizationState::Ok, Some("said")),
        changed(Some(AuthorizationState::Ok), AuthorizationState::NeedsReauth, Some("it says no")),
    ];
    assert_eq!(found.iter().map(|event| event.what.clone()).collect::<Vec<_>>(), expect);
    assert_eq!(found[1].at, now.updated_at);
    assert_eq!(ok(store.events(found[0].id, 1000).await), found[1..]);
    assert_eq!(ok(store.last_event().await), found[1].id);
}

async fn another_version_in_use_is_an_event(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let (one, two) = (connector("a", "1.0.0"), connector("a", "2.0.0"));
    ok(store.put_connector(&one).await);
    ok(store.put_connector(&two).await);
    let release = Release { connector: two.name().clone(), version: two.version().clone(), at: at(5) };
    ok(store.release_connector(&release).await);
    ok(store.release_connector(&release).await);
    let found: Vec<_> = all(&*store).await.into_iter().map(|event| event.what).collect();
    let changed = |before: Option<&semver::Version>, version: &semver::Version| Happened::ConnectorVersion {
        connector: one.name().clone(),
        before: before.cloned(),
        version: version.clone(),
    };
    assert_eq!(found, [changed(None, one.version()), changed(Some(one.version()), two.version())]);
}

async fn old_events_go_and_numbers_stay(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    assert_eq!(ok(store.last_event().await), 0);
    for name in ["a", "b", "c", "d"] {
        ok(store.put_connector(&connector(name, "1.0.0")).await);
    }
    let before = all(&*store).await;
    assert_eq!((before.len(), ok(store.events(0, 2).await).len()), (4, 2));
    assert_eq!(ok(store.prune_events(4).await), 0);
    assert_eq!(ok(store.prune_events(1).await), 3);
    assert_eq!(all(&*store).await, before[3..]);
    assert_eq!(ok(store.prune_events(0).await), 1);
    assert_eq!(ok(store.last_event().await), before[3].id);
    ok(store.put_connector(&connector("e", "1.0.0")).await);
    assert!(all(&*store).await[0].id > before[3].id, "no number is given again");
}

async fn it_is_known_who_was_told(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    assert_eq!(ok(store.told("webhook").await), None);
    for event in [3, 7] {
        ok(store.put_told("webhook", event).await);
        assert_eq!(ok(store.told("webhook").await), Some(event));
    }
    assert_eq!(ok(store.told("another").await), None);
}
