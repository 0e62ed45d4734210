//! Manifests of webhooks, sound and with faults.

use serde_json::{Value, json};

use crate::{DeliveryId, Manifest, Preset, Trigger};

fn value(change: impl FnOnce(&mut Value)) -> Value {
    let mut value = json!({
        "sluice": 1, "kind": "connector", "name": "shop", "version": "1.0.0", "title": "Shop",
        "triggers": { "event": {
            "title": "Event", "kind": "webhook",
            "signature": { "header": "X-Sig", "signed": "{timestamp}.{body}", "timestamp": { "header": "X-Time" } },
            "delivery_id": { "header": "X-Id" }, "filter": "= request.body.live",
            "challenge": { "when": "= request.method = 'GET'", "body": "$.request.query.challenge" },
            "body": { "order": "$.request.body.order" }, "headers": ["X-Event"],
        } },
    });
    change(&mut value["triggers"]["event"]);
    value
}

#[test]
fn a_connector_with_nothing_but_webhooks_needs_no_api() {
    let manifest = Manifest::from_value(&value(|_| {})).unwrap();
    assert_eq!(manifest.check(), []);
    let descriptor = manifest.descriptor();
    assert_eq!(descriptor.secrets.unwrap()["required"], json!(["signing_secret"]));
    let text = serde_json::to_string(&manifest).unwrap();
    assert_eq!(Manifest::from_value(&serde_json::from_str(&text).unwrap()).unwrap(), manifest);
}

#[test]
fn the_secret_is_asked_for_only_where_it_is_needed() {
    let secrets = |change: fn(&mut Value)| {
        let mut value = value(|_| {});
        change(&mut value);
        Manifest::from_value(&value).unwrap().descriptor().secrets
    };
    assert_eq!(secrets(|m| m["triggers"]["event"]["signature"] = json!({ "preset": "none" })), None);
    let with_action = secrets(|m| {
        m["http"] = json!({ "base_url": "https://shop.example" });
        m["actions"] = json!({ "get": { "title": "Get", "request": { "path": "/" } } });
    });
    let with_action = with_action.unwrap();
    assert_eq!(with_action["required"], json!([]));
    assert!(with_action["properties"]["signing_secret"].is_object());
}

#[test]
fn an_action_needs_the_api() {
    let mut value = value(|_| {});
    value["actions"] = json!({ "get": { "title": "Get", "request": { "path": "/" } } });
    let found = Manifest::from_value(&value).unwrap().check();
    assert!(found.iter().any(|problem| problem.message.contains("need `http`")), "{found:?}");
}

#[test]
fn every_fault_is_found_at_its_place() {
    type Change = fn(&mut Value);
    let cases: &[(Change, &str, &str)] = &[
        (|t| t["signature"] = json!({}), "/signature", "needs the `header`"),
        (|t| t["signature"]["signed"] = json!("{timestamp}"), "/signature/signed", "the body is not signed"),
        (|t| t["signature"]["signed"] = json!("{body}"), "/signature/timestamp", "is not signed"),
        (|t| t["signature"]["signed"] = json!("{body}{timestamp}{x}"), "/signature/signed", "`x` is not"),
        (|t| t["signature"]["signed"] = json!("{body"), "/signature/signed", "counterpart"),
        (|t| t["signature"]["signed"] = json!("{id}{timestamp}{body}"), "/signature", "nothing says where"),
        (
            |t| t["signature"]["timestamp"] = json!({ "member": "t" }),
            "/signature/timestamp/member",
            "no list",
        ),
        (|t| t["signature"]["query"] = json!("q"), "/signature/query", "only a token"),
        (
            |t| (t["signature"]["prefix"], t["signature"]["member"]) = (json!("a"), json!("b")),
            "/signature",
            "exclude each other",
        ),
        (
            |t| t["signature"] = json!({ "preset": "github", "header": "X" }),
            "/signature/header",
            "the preset says",
        ),
        (
            |t| t["signature"] = json!({ "preset": "github", "tolerance_seconds": 5 }),
            "/signature/tolerance_seconds",
            "no time",
        ),
        (|t| t["signature"] = json!({ "preset": "token" }), "/signature", "either in a header"),
        (|t| t["delivery_id"] = json!({ "header": "a b" }), "/delivery_id/header", "no name of a header"),
        (|t| t["delivery_id"] = json!({ "value": "id" }), "/delivery_id/value", "no expression"),
        (|t| t["filter"] = json!("live"), "/filter", "no expression"),
        (|t| t["challenge"]["when"] = json!("yes"), "/challenge/when", "no expression"),
        (
            |t| t["challenge"]["content_type"] = json!("text/html"),
            "/challenge/content_type",
            "no content type",
        ),
        (|t| t["body"] = json!({ "a": "= 1 +" }), "/body/a", "expected"),
        (|t| t["subscribe"] = json!("begin"), "/subscribe", "not described"),
        (|t| t["subscribe"] = json!({ "script": "begin" }), "/subscribe", "needs `http`"),
        (|t| t["unsubscribe"] = json!("end"), "/unsubscribe", "never subscribed"),
        (|t| t["headers"] = json!(["Method"]), "/headers/0", "already"),
        (|t| t["headers"] = json!(["a:b"]), "/headers/0", "no name of a header"),
    ];
    for (change, place, text) in cases {
        let found = Manifest::from_value(&value(change)).unwrap().check();
        let pointer = format!("/triggers/event{place}");
        let hit = found.iter().any(|one| one.pointer == pointer && one.message.contains(text));
        assert!(hit, "{place} {text}: {found:?}");
    }
}

#[test]
fn presets_know_what_tells_deliveries_apart() {
    let delivery = |signature: Value| {
        let value = value(|t| {
            t["signature"] = signature;
            t.as_object_mut().unwrap().remove("delivery_id");
        });
        let manifest = Manifest::from_value(&value).unwrap();
        let Some(Trigger::Webhook(webhook)) = manifest.triggers.values().next().cloned() else { panic!() };
        webhook.delivery()
    };
    let github = DeliveryId::Header("X-GitHub-Delivery".to_owned());
    assert_eq!(delivery(json!({ "preset": "github" })), Some((github, true)));
    assert_eq!(delivery(json!({ "preset": "standard" })), None, "its id is signed");
    assert_eq!(delivery(json!({ "header": "X-Sig" })), None);
    assert!(serde_json::to_value(Preset::Standard).unwrap() == "standard");
}
