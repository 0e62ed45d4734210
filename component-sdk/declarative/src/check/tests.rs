//! Manifests with faults.

use serde_json::{Value, json};

use crate::{Manifest, schema};

fn manifest(change: impl FnOnce(&mut Value)) -> Manifest {
    let mut value = json!({
        "sluice": 1, "kind": "connector", "name": "crm", "version": "1.0.0", "title": "CRM",
        "http": { "base_url": "= vars.url" },
        "auth": { "type": "basic" },
        "datatypes": { "contact": { "type": "object" } },
        "actions": { "get": {
            "title": "Get", "input": { "type": "object", "properties": { "id": { "type": "string" } } },
            "output": { "$ref": "#/datatypes/contact" },
            "request": { "path": "/contacts/{id}" },
        } },
        "triggers": { "changed": {
            "title": "Changed", "kind": "polling", "request": { "path": "/contacts", "query": { "since": "$.cursor" } },
            "response": { "result": "$.response.body.items" }, "key": "$.item.id",
            "incremental": { "value": "$.item.updated_at" },
            "pagination": { "type": "page", "param": "page" },
        } },
    });
    change(&mut value);
    Manifest::from_value(&value).unwrap()
}

#[test]
fn every_fault_is_found_at_its_place() {
    type Change = fn(&mut Value);
    let cases: &[(Change, &str, &str)] = &[
        (|m| m["http"]["base_url"] = json!("crm.example"), "/http/base_url", "neither a URL"),
        (|m| m["http"]["headers"] = json!({ "Host": "x" }), "/http/headers/Host", "cannot be set"),
        (|m| m["http"]["headers"] = json!({ "a b": "x" }), "/http/headers/a b", "cannot be set"),
        (|m| m["http"]["errors"] = json!([{ "then": "retry" }]), "/http/errors/0", "every answer"),
        (|m| m["http"]["rate_limit"] = json!({}), "/http/rate_limit", "says nothing"),
        (|m| m["http"]["rate_limit"] = json!({ "requests": 5 }), "/http/rate_limit", "belong together"),
        (
            |m| m["http"]["rate_limit"] = json!({ "concurrency": 1001 }),
            "/http/rate_limit/concurrency",
            "not between",
        ),
        (|m| m["auth"] = json!({ "type": "api_key" }), "/auth", "needs the `name`"),
        (|m| m["auth"]["name"] = json!("x"), "/auth/name", "only an API key"),
        (|m| m["actions"]["get"]["scopes"] = json!(["a"]), "/actions/get/scopes/0", "does not ask for `a`"),
        (|m| m["test"] = json!("none"), "/test", "not described"),
        (
            |m| m["actions"]["get"]["request"]["path"] = json!("contacts"),
            "/actions/get/request/path",
            "begin with",
        ),
        (
            |m| m["actions"]["get"]["request"]["path"] = json!("/{x}"),
            "/actions/get/request/path",
            "nothing gives",
        ),
        (
            |m| m["actions"]["get"]["request"]["path"] = json!("/{id"),
            "/actions/get/request/path",
            "counterpart",
        ),
        (
            |m| m["actions"]["get"]["request"]["method"] = json!("get"),
            "/actions/get/request/method",
            "no method",
        ),
        (
            |m| m["actions"]["get"]["request"]["query"] = json!({ "q": "= 1 +" }),
            "/actions/get/request/query/q",
            "",
        ),
        (
            |m| m["actions"]["get"]["request"]["body"] = json!({ "value": 1 }),
            "/actions/get/request/body",
            "no body",
        ),
        (
            |m| m["actions"]["get"]["output"] = json!({ "$ref": "#/datatypes/x" }),
            "/actions/get/output/$ref",
            "no datatype",
        ),
        (|m| m["triggers"]["changed"]["key"] = json!("id"), "/triggers/changed/key", "no expression"),
        (
            |m| {
                m["triggers"]["changed"]["incremental"] =
                    json!({ "value": "$.item.n", "format": "number", "initial": "now" })
            },
            "/triggers/changed/incremental/initial",
            "only times",
        ),
        (
            |m| m["triggers"]["changed"]["pagination"] = json!({ "type": "cursor", "param": "after" }),
            "/triggers/changed/pagination",
            "needs `next`",
        ),
        (
            |m| m["triggers"]["changed"]["pagination"] = json!({ "type": "offset" }),
            "/triggers/changed/pagination",
            "needs `param`",
        ),
        (
            |m| m["triggers"]["changed"]["pagination"] = json!({ "type": "custom" }),
            "/triggers/changed/pagination",
            "needs `next`",
        ),
        (
            |m| {
                m["triggers"]["changed"]["pagination"] =
                    json!({ "type": "custom", "next": "$.response.body.next", "param": "page" })
            },
            "/triggers/changed/pagination",
            "no `param`",
        ),
    ];
    assert_eq!(manifest(|_| {}).check(), []);
    for (change, pointer, text) in cases {
        let problems = manifest(change).check();
        assert_eq!(problems.len(), 1, "{pointer}: {problems:?}");
        assert_eq!(problems[0].pointer, *pointer);
        assert!(problems[0].message.contains(text), "{}", problems[0].message);
    }
    let all = manifest(|m| cases.iter().take(4).for_each(|(change, ..)| change(m)));
    assert_eq!(all.check().len(), 3, "the third case replaces the second one's headers");
}

#[test]
fn references_to_datatypes_stand_on_their_own_in_the_descriptor() {
    let descriptor = manifest(|_| {}).descriptor();
    let output = descriptor.actions.values().next().unwrap().output.clone().unwrap();
    assert_eq!(output, json!({ "$ref": "#/$defs/contact", "$defs": { "contact": { "type": "object" } } }));
    assert!(descriptor.needs_instance());
}

#[test]
fn a_call_holds_what_the_function_needs_and_nothing_else() {
    let manifest = manifest(|_| {});
    let call = manifest.call(&"get".parse().unwrap(), json!({})).unwrap();
    assert_eq!(call.connector, "crm@1.0.0");
    let text = serde_json::to_string(&call).unwrap();
    assert!(!text.contains("datatypes") && !text.contains("changed"), "{text}");
    assert_eq!(serde_json::from_str::<crate::Call>(&text).unwrap(), call);
    assert!(manifest.call(&"none".parse().unwrap(), json!({})).is_none());
}

#[test]
fn the_schema_refuses_unknown_fields() {
    let text = schema().to_string();
    assert!(text.contains(r#""additionalProperties":false"#), "{text}");
}
