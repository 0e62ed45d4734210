//! Connectors, instances and templates.

use std::collections::BTreeMap;

use sluice_ports::store::{Release, StoredInstance};
use sluice_ports::{Fault, SealedSecret};

use super::StoreHarness;
use crate::contract::{fault_of, ok};
use crate::fixtures::{at, connector, instance, template};

pub(super) async fn suite(harness: &dyn StoreHarness) {
    connectors_are_listed_by_name_then_newest_first(harness).await;
    a_connector_is_replaced_and_removed(harness).await;
    the_first_version_is_in_use_until_another_is_released(harness).await;
    releases_go_with_their_versions(harness).await;
    an_instance_keeps_its_secrets(harness).await;
    a_published_template_never_changes(harness).await;
}

async fn connectors_are_listed_by_name_then_newest_first(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    for (name, version) in [("b", "1.0.0"), ("a", "1.9.0"), ("a", "1.10.0"), ("a", "2.0.0-rc.1")] {
        ok(store.put_connector(&connector(name, version)).await);
    }
    let listed: Vec<_> = ok(store.connectors().await);
    let listed: Vec<_> =
        listed.iter().map(|connector| format!("{} {}", connector.name(), connector.version())).collect();
    assert_eq!(listed, ["a 2.0.0-rc.1", "a 1.10.0", "a 1.9.0", "b 1.0.0"]);
}

async fn a_connector_is_replaced_and_removed(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let (one, two) = (connector("a", "1.0.0"), connector("a", "2.0.0"));
    ok(store.put_connector(&connector("a", "1.0.0")).await);
    ok(store.put_connector(&two).await);
    let mut changed = one;
    changed.source = sluice_domain::Source::Image(sluice_domain::PinnedImage {
        image: "sluice/a:1.0.0".parse().expect("an image"),
        digest: format!("sha256:{}", "1".repeat(64)).parse().expect("a digest"),
    });
    ok(store.put_connector(&changed).await);
    assert_eq!(ok(store.connectors().await), [two, changed.clone()]);
    ok(store.remove_connector(changed.name(), Some(changed.version())).await);
    let again = store.remove_connector(changed.name(), Some(changed.version())).await;
    assert_eq!(fault_of(again), Fault::NotFound);
    ok(store.remove_connector(changed.name(), None).await);
    assert_eq!(fault_of(store.remove_connector(changed.name(), None).await), Fault::NotFound);
}

fn release(version: &str, seconds: i64) -> Release {
    let connector = connector("a", version);
    Release { connector: connector.name().clone(), version: connector.version().clone(), at: at(seconds) }
}

async fn the_first_version_is_in_use_until_another_is_released(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    for version in ["1.0.0", "1.1.0", "1.0.0"] {
        ok(store.put_connector(&connector("a", version)).await);
    }
    ok(store.put_connector(&connector("b", "1.0.0")).await);
    let of_a = async || -> Vec<Release> {
        let all = ok(store.releases().await);
        all.into_iter().filter(|release| release.connector.as_str() == "a").collect()
    };
    assert_eq!(of_a().await, [release("1.0.0", 0)]);
    ok(store.release_connector(&release("1.1.0", 1)).await);
    ok(store.release_connector(&release("1.1.0", 2)).await);
    assert_eq!(of_a().await, [release("1.0.0", 0), release("1.1.0", 1)], "one in use is not released again");
    ok(store.release_connector(&release("1.0.0", 3)).await);
    assert_eq!(of_a().await.last(), Some(&release("1.0.0", 3)));
    assert_eq!(fault_of(store.release_connector(&release("9.0.0", 4)).await), Fault::NotFound);
}

async fn releases_go_with_their_versions(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    for version in ["1.0.0", "1.1.0"] {
        ok(store.put_connector(&connector("a", version)).await);
    }
    ok(store.release_connector(&release("1.1.0", 1)).await);
    let newer = connector("a", "1.1.0");
    ok(store.remove_connector(newer.name(), Some(newer.version())).await);
    assert_eq!(ok(store.releases().await), [release("1.0.0", 0)]);
    ok(store.remove_connector(newer.name(), None).await);
    assert_eq!(ok(store.releases().await), []);
    ok(store.put_connector(&newer).await);
    assert_eq!(ok(store.releases().await), [release("1.1.0", 0)]);
}

async fn an_instance_keeps_its_secrets(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let sealed = |byte: u8| SealedSecret { key_id: "k1".to_owned(), sealed: vec![byte, 0, 255] };
    let secrets = BTreeMap::from([("password".to_owned(), sealed(1)), ("token".to_owned(), sealed(2))]);
    let stored = StoredInstance { instance: instance("crm-1"), secrets };
    ok(store.put_instance(&stored).await);
    ok(store.put_instance(&StoredInstance { instance: instance("a"), secrets: BTreeMap::new() }).await);
    let name = &stored.instance.name;
    assert!(ok(store.instance(name).await) == Some(stored.clone()), "an instance is kept whole");

    let secrets = BTreeMap::from([("token".to_owned(), sealed(3))]);
    let replaced = StoredInstance { secrets, ..stored.clone() };
    ok(store.put_instance(&replaced).await);
    assert!(ok(store.instance(name).await) == Some(replaced), "replacing it forgets the secrets it had");
    assert_eq!(ok(store.instances().await), [instance("a"), instance("crm-1")]);

    ok(store.remove_instance(name).await);
    assert!(ok(store.instance(name).await).is_none());
    assert_eq!(fault_of(store.remove_instance(name).await), Fault::NotFound);
    let bare = StoredInstance { secrets: BTreeMap::new(), ..stored };
    ok(store.put_instance(&bare).await);
    assert!(ok(store.instance(&bare.instance.name).await) == Some(bare), "its secrets went with it");
}

async fn a_published_template_never_changes(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let first = template("orders", "1.9.0");
    ok(store.put_template(&first, "source 1").await);
    ok(store.put_template(&first, "source 1").await);
    let mut other = first.clone();
    other.title = "Another".to_owned();
    assert_eq!(fault_of(store.put_template(&other, "source 2").await), Fault::Conflict);
    let second = template("orders", "1.10.0");
    let foreign = template("invoices", "1.0.0");
    ok(store.put_template(&second, "source 3").await);
    ok(store.put_template(&foreign, "source 4").await);
    assert_eq!(ok(store.templates().await), [foreign, second.clone(), first.clone()]);
    let versions = ok(store.template_versions(&first.name).await);
    let expect = [(second.clone(), "source 3".to_owned()), (first.clone(), "source 1".to_owned())];
    assert_eq!(versions, expect);
    ok(store.remove_template(&first.name, &first.version).await);
    assert_eq!(fault_of(store.remove_template(&first.name, &first.version).await), Fault::NotFound);
    assert_eq!(ok(store.template_versions(&first.name).await).len(), 1);
}
