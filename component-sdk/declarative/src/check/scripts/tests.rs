//! Scripts with faults, and what a call takes of them.

use serde_json::{Value, json};

use crate::{Manifest, schema};

fn manifest(change: impl FnOnce(&mut Value)) -> Manifest {
    let mut value = json!({
        "sluice": 1, "kind": "connector", "name": "crm", "version": "1.0.0", "title": "CRM",
        "http": { "base_url": "= vars.url" },
        "auth": { "type": "script", "script": "sign", "secrets": ["key", "id"] },
        "scripts": {
            "sign": { "description": "Signs", "code": "(request, secrets) => ({ headers: {} })" },
            "trim": { "code": "(it) => scripts.clean(it)" },
            "clean": { "code": "(it) => it" },
            "merge": { "code": "() => [invoke('one'), invoke(\"both\")]" },
            "idle": { "code": "(it) => it" },
        },
        "actions": {
            "one": { "title": "One", "request": { "path": "/{any}" }, "input": { "type": "object" }, "before": "trim" },
            "two": { "title": "Two", "request": { "path": "/two" } },
            "both": { "title": "Both", "description": "Long", "script": "merge" },
        },
        "triggers": { "seen": {
            "title": "Seen", "kind": "polling", "request": { "path": "/all" }, "after": "clean",
        } },
    });
    change(&mut value);
    Manifest::from_value(&value).unwrap()
}

#[test]
fn every_fault_is_found_at_its_place() {
    type Change = fn(&mut Value);
    let cases: &[(Change, &str, &str)] = &[
        (|m| m["actions"]["one"]["before"] = json!("none"), "/actions/one/before", "no script `none`"),
        (|m| m["actions"]["one"]["after"] = json!("none"), "/actions/one/after", "no script `none`"),
        (|m| m["actions"]["both"]["script"] = json!("none"), "/actions/both/script", "no script `none`"),
        (|m| m["triggers"]["seen"]["after"] = json!("none"), "/triggers/seen/after", "no script `none`"),
        (|m| m["auth"]["script"] = json!("none"), "/auth/script", "no script `none`"),
        (|m| m["auth"] = json!({ "type": "script" }), "/auth", "needs `script`"),
        (|m| m["auth"] = json!({ "type": "basic", "script": "sign" }), "/auth/script", "another type"),
        (|m| m["auth"] = json!({ "type": "basic", "secrets": ["a"] }), "/auth/secrets", "fixed names"),
        (|m| m["auth"]["secrets"] = json!(["a", "a"]), "/auth/secrets/1", "twice"),
        (|m| m["auth"]["secrets"] = json!(["a b"]), "/auth/secrets/0", "letters"),
        (|m| m["auth"]["name"] = json!("x"), "/auth/name", "only an API key"),
        (|m| m["actions"]["two"] = json!({ "title": "T" }), "/actions/two", "neither a request nor"),
        (|m| m["actions"]["two"]["script"] = json!("idle"), "/actions/two/script", "both a request and"),
        (|m| m["actions"]["both"]["before"] = json!("idle"), "/actions/both/before", "belongs to a request"),
        (
            |m| m["actions"]["both"]["response"] = json!({ "format": "xml" }),
            "/actions/both/response",
            "belongs to a request",
        ),
        (|m| m["scripts"]["idle"]["code"] = json!(" "), "/scripts/idle/code", "no code"),
        (|m| m["scripts"]["idle"]["code"] = json!("x".repeat(65_537)), "/scripts/idle/code", "65536"),
        (
            |m| {
                for name in ["a", "b", "c", "d"] {
                    m["scripts"][name] = json!({ "code": "x".repeat(65_536) });
                }
            },
            "/scripts",
            "together",
        ),
    ];
    assert_eq!(manifest(|_| {}).check(), []);
    for (change, pointer, text) in cases {
        let problems = manifest(change).check();
        assert_eq!(problems.len(), 1, "{pointer}: {problems:?}");
        assert_eq!(problems[0].pointer, *pointer);
        assert!(problems[0].message.contains(text), "{}", problems[0].message);
    }
}

#[test]
fn a_call_has_the_scripts_and_actions_that_it_needs() {
    let manifest = manifest(|_| {});
    let call = |name: &str| {
        let call = manifest.call(&name.parse().unwrap(), json!({})).unwrap();
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<crate::Call>(&text).unwrap(), call);
        let scripts: Vec<String> = call.scripts.keys().map(ToString::to_string).collect();
        let actions: Vec<String> = call.actions.keys().map(ToString::to_string).collect();
        assert!(!text.contains("Signs") && !text.contains("Long"), "{text}");
        (scripts.join(" "), actions.join(" "))
    };
    let expect = |scripts: &str, actions: &str| (scripts.to_owned(), actions.to_owned());
    assert_eq!(call("two"), expect("sign", ""));
    assert_eq!(call("one"), expect("clean sign trim", ""));
    assert_eq!(call("seen"), expect("clean sign", ""));
    assert_eq!(call("both"), expect("clean merge sign trim", "both one"));
}

#[test]
fn the_secrets_are_those_that_signing_names() {
    let secrets = manifest(|_| {}).descriptor().secrets.unwrap();
    assert_eq!(secrets["required"], json!(["key", "id"]));
    assert_eq!(secrets["properties"]["id"]["minLength"], 1);
    assert!(schema()["properties"]["scripts"].is_object());
}
