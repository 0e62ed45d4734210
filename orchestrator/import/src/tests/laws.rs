//! Whatever a document holds, it gives files that can be read, or findings, or an error.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{Options, Platform, Severity, import};

/// Any JSON.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((words(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Words that documents are made of, and others.
fn words() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "data",
        "attributes",
        "graph",
        "nodes",
        "edges",
        "id",
        "source",
        "target",
        "config",
        "mapper",
        "condition",
        "fields",
        "command",
        "componentId",
        "function",
        "credentials_id",
        "nodeSettings",
        "applyTransform",
        "before",
        "after",
        "transformFunction",
        "flow_templates",
        "declarations",
        "variables",
        "error",
        "a/b:c@d",
        "cron",
        "* * * * *",
        "name",
        "triggers",
        "actions",
        "descriptor",
        "distribution",
        "recipe",
        "connections",
        "nodes_config",
        "prefetch",
        "x",
        "y",
        "$getPassthrough().x.body",
        "elasticio.y.body.z",
        "{{x}}",
        "= x",
        "$.x",
        "router",
        "a/router:route",
        "passthrough",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

/// Something like a flow of either platform, with whatever in the places of its values.
fn any_flow() -> impl Strategy<Value = Value> {
    let ids = || prop::sample::select(vec!["a", "b", "c", "Ä", "d e", "start"]);
    let command =
        prop::sample::select(vec!["t/x:f", "t/router:route", "t/webhook:receive", "t/mapper:map", ":", "x"]);
    let node = (ids(), command, any_value(), any_value(), any::<bool>()).prop_map(|(id, command, fields, odd, error)| {
        json!({ "id": id, "command": command, "componentId": command, "function": "f", "fields": fields, "odd": odd,
            "error": error, "credentials_id": odd, "nodeSettings": odd })
    });
    let edge = (ids(), ids(), any_value(), words(), any::<bool>()).prop_map(|(from, to, mapper, condition, error)| {
        json!({ "source": from, "target": to, "config": { "mapper": mapper, "condition": condition, "error": error } })
    });
    let parts = (prop::collection::vec(node, 0..6), prop::collection::vec(edge, 0..9), words(), any_value());
    parts.prop_map(|(nodes, edges, cron, config)| {
        json!({ "name": cron, "cron": cron, "graph": { "nodes": nodes, "edges": edges }, "nodes_config": config })
    })
}

fn holds(value: &Value) {
    for platform in [Platform::Elasticio, Platform::Oih] {
        if let Ok(imported) = import(platform, &value.to_string(), &Options::default()) {
            assert!(!imported.files.is_empty() || !imported.findings.is_empty(), "{value}");
            // What nobody is told of has to be right.
            let is_complete = imported.findings.iter().all(|one| one.severity != Severity::Error);
            let faults = super::found(&imported);
            assert!(!is_complete || faults.is_empty(), "{value}: {faults:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_document_gives_files_or_findings_or_an_error(value in any_value()) {
        holds(&value);
    }

    #[test]
    fn any_flow_gives_files_or_findings_or_an_error(value in any_flow()) {
        holds(&value);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        for platform in [Platform::Elasticio, Platform::Oih] {
            drop(import(platform, &text, &Options::default()));
        }
    }
}
