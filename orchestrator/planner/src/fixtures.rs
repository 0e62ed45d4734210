//! A small catalogue and helpers for the tests of this crate.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use sluice_domain::compiled::CompiledFlow;
use sluice_domain::{Connector, FlowId, FlowVersion};

use crate::{
    Catalogue, Demand, Documents, InstanceFacts, Report, SourceFile, TemplateDoc, check_instance,
    check_template, compile, read,
};

/// Reads one file.
pub(crate) fn read_text(text: &str) -> (Documents, Report) {
    read(&[SourceFile { name: "t.yaml".to_owned(), text: text.to_owned() }])
}

/// Everything that is said about a file: reading, then the checks of its documents.
pub(crate) fn all(text: &str) -> Report {
    let (documents, mut report) = read_text(text);
    for doc in &documents.templates {
        report.merge(check_template(doc, &catalogue()));
    }
    for doc in &documents.instances {
        report.merge(check_instance(doc, &catalogue()));
    }
    report.sorted()
}

/// One line per diagnostic: code, line, message.
pub(crate) fn lines(report: &Report) -> String {
    let mut text = String::new();
    for found in report {
        writeln!(text, "{} {}: {}", found.code, found.line, found.message).unwrap();
    }
    text
}

/// Checks the lines of everything that is said about a file.
#[track_caller]
pub(crate) fn check(text: &str, expect: &str) {
    let got = lines(&all(text));
    let trim = |text: &str| {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(trim(&got), trim(expect), "\n{got}");
}

/// A template around steps.
pub(crate) fn template(rest: &str) -> String {
    format!("sluice: 1\nkind: template\nname: t\nversion: 1.0.0\n{rest}")
}

/// The template of a text that holds nothing else.
#[track_caller]
pub(crate) fn doc(text: &str) -> TemplateDoc {
    let (documents, report) = read_text(text);
    assert!(!report.has_errors(), "{report}");
    documents.templates.into_iter().next().unwrap()
}

/// Compiles the template of a text with parameters and instances.
pub(crate) fn compile_text(
    text: &str,
    params: Value,
    instances: &[(&str, &str)],
) -> (Option<CompiledFlow>, Report) {
    let doc = doc(text);
    let instances: BTreeMap<_, _> =
        instances.iter().map(|(alias, name)| (alias.parse().unwrap(), name.parse().unwrap())).collect();
    let demand = Demand {
        doc: &doc,
        flow: FlowId::from_bits(7),
        name: "f".parse().unwrap(),
        version: FlowVersion(1),
        params,
        instances,
    };
    compile(&demand, &catalogue())
}

pub(crate) fn connector(descriptor: Value) -> Connector {
    serde_json::from_value(json!({
        "descriptor": descriptor,
        "image": "sluice/x:1",
        "digest": format!("sha256:{}", "0".repeat(64)),
        "installed_at": "2026-01-01T00:00:00Z"
    }))
    .unwrap()
}

/// timer (polling), forge (webhook), rabbitmq (listener and action, needs an instance), rest-crm (needs an instance), log, router
/// (two ports), http.
pub(crate) fn catalogue() -> Catalogue {
    let order = json!({
        "type": "object",
        "properties": {
            "total": {"type": "number"},
            "customer": {"type": "object", "properties": {"email": {"type": "string"}, "first": {}, "last": {}}},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}}
        }
    });
    let connectors = vec![
        connector(json!({"name": "timer", "version": "1.0.0", "title": "Timer", "triggers": {"tick": {
            "title": "Tick", "kind": "polling",
            "output": {"type": "object", "properties": {"at": {"type": "string"}}, "additionalProperties": false}}}})),
        connector(json!({"name": "rabbitmq", "version": "1.2.0", "title": "RabbitMQ",
            "settings": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}, "additionalProperties": false},
            "secrets": {"type": "object", "required": ["password"], "properties": {"username": {}, "password": {}}},
            "triggers": {"listen": {"title": "Listen", "kind": "listener", "output": order,
                "config": {"type": "object", "required": ["exchange"], "additionalProperties": false,
                    "properties": {"exchange": {"type": "string"}, "routing_key": {"type": "string"}, "prefetch": {"type": "integer", "minimum": 1}}}}},
            "actions": {"publish": {"title": "Publish"}}})),
        connector(json!({"name": "rabbitmq", "version": "0.9.0", "title": "RabbitMQ",
            "triggers": {"listen": {"title": "Listen", "kind": "listener"}}})),
        connector(json!({"name": "rest-crm", "version": "2.0.0", "title": "CRM",
            "settings": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}},
            "actions": {"create_contact": {"title": "Create", "output": {"type": "object", "properties": {"id": {"type": "string"}}}}}})),
        connector(json!({"name": "forge", "version": "1.0.0", "title": "Forge",
            "triggers": {"pushed": {"title": "Pushed", "kind": "webhook"}}})),
        connector(
            json!({"name": "log", "version": "1.0.0", "title": "Log", "actions": {"write": {"title": "Write",
            "config": {"type": "object", "properties": {"level": {"enum": ["info", "warn"]}}, "additionalProperties": false}}}}),
        ),
        connector(
            json!({"name": "router", "version": "1.0.0", "title": "Router", "actions": {"sort": {"title": "Sort",
            "ports": ["accepted", "rejected"]}}}),
        ),
        connector(
            json!({"name": "http", "version": "1.0.0", "title": "HTTP", "actions": {"request": {"title": "Request",
            "config": {"type": "object", "required": ["url"], "additionalProperties": false, "properties": {
                "url": {"type": "string"}, "method": {"enum": ["GET", "POST"]}, "headers": {"type": "object"}}},
            "output": {"type": "object", "properties": {"status": {"type": "integer"}, "body": {}}, "additionalProperties": false}}}}),
        ),
    ];
    let instance = |connector: &str, settings: Value, secrets: &[&str]| InstanceFacts {
        connector: connector.parse().unwrap(),
        settings: settings.as_object().unwrap().clone(),
        secret_fields: secrets.iter().map(|name| (*name).to_owned()).collect(),
        uses: std::collections::BTreeMap::new(),
        granted: None,
    };
    let instances = [
        ("shop-eu", instance("rabbitmq", json!({"url": "amqp://x"}), &["username", "password"])),
        ("shop-bare", instance("rabbitmq", json!({}), &[])),
        ("crm-main", instance("rest-crm", json!({"url": "https://x"}), &[])),
    ];
    Catalogue {
        connectors,
        instances: instances.into_iter().map(|(name, facts)| (name.parse().unwrap(), facts)).collect(),
        ..Catalogue::default()
    }
}
