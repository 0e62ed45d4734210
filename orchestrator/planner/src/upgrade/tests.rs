//! Versions of a connector beside each other.

use serde_json::json;
use sluice_domain::{Connector, PinnedImage, Source};
use sluice_protocol::Descriptor;

use super::*;

fn connector(descriptor: &Value, digest: char) -> Connector {
    Connector {
        descriptor: Descriptor::from_json(&descriptor.to_string()).unwrap(),
        source: Source::Image(PinnedImage {
            image: "sluice/crm:1".parse().unwrap(),
            digest: format!("sha256:{}", digest.to_string().repeat(64)).parse().unwrap(),
        }),
        installed_at: chrono::DateTime::UNIX_EPOCH,
    }
}

fn before() -> Value {
    json!({
        "name": "crm", "version": "1.0.0", "title": "CRM",
        "settings": { "type": "object", "properties": { "url": { "type": "string" } } },
        "triggers": { "changed": { "title": "Changed", "kind": "polling" } },
        "actions": {
            "push": { "title": "Push", "ports": ["out", "rejected"] },
            "find": { "title": "Find", "output": { "properties": { "id": {} } } },
        },
    })
}

#[test]
fn the_same_version_changes_nothing() {
    assert_eq!(connector_changes(&connector(&before(), '0'), &connector(&before(), '0')), []);
}

#[test]
fn what_breaks_comes_first() {
    let mut after = before();
    after["settings"]["required"] = json!(["url"]);
    after["triggers"] = json!({ "pushed": { "title": "Pushed", "kind": "listener" } });
    after["actions"]["push"]["ports"] = json!(["out"]);
    after["actions"]["find"]["output"] = json!({ "properties": { "id": {}, "name": {} } });
    let found = connector_changes(&connector(&before(), '0'), &connector(&after, '1'));
    let told: Vec<_> = found
        .iter()
        .map(|found| {
            format!("{} {}: {}", if found.breaking { "!" } else { "-" }, found.subject, found.reason)
        })
        .collect();
    assert_eq!(
        told,
        [
            "! settings: `url`: it is demanded now",
            "! triggers.changed: it is gone",
            "! actions.push.ports: port `rejected` is gone",
            "- runner: another image runs it",
            "- triggers.pushed: it is new",
            "- actions.find.output: `name`: it is new",
        ]
    );
}

#[test]
fn an_instance_is_held_against_another_version() {
    let mut after = before();
    after["settings"]["required"] = json!(["url", "region"]);
    let instance = Instance {
        name: "crm-1".parse().unwrap(),
        connector: "crm".parse().unwrap(),
        settings: serde_json::from_value(json!({ "url": "x" })).unwrap(),
        secret_fields: std::collections::BTreeSet::new(),
        secret_revisions: BTreeMap::new(),
        uses: std::collections::BTreeMap::new(),
        revision: 1,
        created_at: chrono::DateTime::UNIX_EPOCH,
        updated_at: chrono::DateTime::UNIX_EPOCH,
    };
    assert_eq!(instance_faults(&instance, &connector(&before(), '0')), [""; 0]);
    let faults = instance_faults(&instance, &connector(&after, '0'));
    assert!(faults.len() == 1 && faults[0].contains("region"), "{faults:?}");
}
