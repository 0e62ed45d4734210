//! Nodes of the Open Integration Hub.

use serde_json::{Map, Value};

use crate::finding::{FindingCode, Findings};
use crate::model::{Carries, Component, Credentials, Node};
use crate::object::{Object, shown};

/// Settings of a node that have no equal, with what they are.
const SETTINGS: [(&str, FindingCode, &str); 16] = [
    ("storeRawRecord", FindingCode::RawRecords, "raw records are stored"),
    ("storeRawData", FindingCode::RawRecords, "raw records are stored"),
    ("idLinking", FindingCode::DataHub, "ids are linked in the data hub"),
    ("applicationUid", FindingCode::DataHub, "the node has an application of the data hub"),
    ("alternateAppUid", FindingCode::DataHub, "the node has an application of the data hub"),
    ("governance", FindingCode::Governance, "provenance is recorded"),
    ("applyPolicy", FindingCode::Governance, "policies are applied"),
    ("policyAction", FindingCode::Governance, "policies are applied"),
    ("flowPolicy", FindingCode::Governance, "policies are applied"),
    ("autoSaveSnapshots", FindingCode::LogicGateway, "outputs are kept for logic gateways"),
    ("devMode", FindingCode::Setting, "`devMode`: components log at their own level"),
    (
        "businessReferences",
        FindingCode::Setting,
        "`businessReferences`: executions are found by their messages",
    ),
    ("doohickey", FindingCode::Setting, "`doohickey` belongs to an extension of the library"),
    ("configId", FindingCode::Setting, "`configId` belongs to an extension of the library"),
    ("templateId", FindingCode::Setting, "`templateId` belongs to an extension of the library"),
    ("basaltTemplateId", FindingCode::Setting, "`basaltTemplateId` belongs to an extension of the library"),
];

/// Reads a node; nothing when it says neither its id nor its function.
pub(super) fn node(value: &Value, place: &str, findings: &mut Findings) -> Option<Node> {
    let mut object = Object::of(value, place, "the node", findings)?;
    let id = object.text("id", findings);
    let function = object.text("function", findings);
    let reference = object.text("componentId", findings);
    let ids = ["credentials_id", "credentialsId", "credentialId", "secretId", "secret_id"];
    let credentials = ids.into_iter().find_map(|key| object.text(key, findings));
    let fields = match object.take("fields") {
        None => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(_) => {
            findings.add(FindingCode::WrongForm, &object.at("fields"), "`fields` is not an object");
            Map::new()
        }
    };
    let mut node = Node { place: place.to_owned(), fields, ..Node::default() };
    if let Some(value) = object.take("nodeSettings") {
        settings(&value, &object.at("nodeSettings"), &mut node, findings);
    }
    if object.take("authorization").is_some() {
        let message = "the node names an OAuth client";
        findings.add(FindingCode::OAuth, &object.at("authorization"), message);
    }
    object.facts(&["name", "description", "tenant", "type", "_id"], findings);
    object.finish(findings);
    let (Some(id), Some(function)) = (id, function) else {
        findings.add(FindingCode::NodeUnreadable, place, "the node says no id, or no function");
        return None;
    };
    // People write names where ids belong: the platform's own tools replace them.
    let is_id = |text: &str| text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (is, name): (Vec<String>, Vec<String>) = reference.into_iter().partition(|text| is_id(text));
    let component = Component { id: is.into_iter().next(), name: name.into_iter().next() };
    if component == Component::default() {
        findings.add(
            FindingCode::NodeUnreadable,
            place,
            format!("the node `{}` names no component", shown(&id)),
        );
        return None;
    }
    let credentials = credentials.map(|id| Credentials { id, name: None });
    Some(Node { id, function, component, credentials, ..node })
}

fn settings(value: &Value, place: &str, node: &mut Node, findings: &mut Findings) {
    let Some(mut settings) = Object::of(value, place, "the node's settings", findings) else { return };
    match settings.take("passthrough") {
        Some(Value::Bool(true)) => node.carries = Carries::Yes,
        Some(Value::Bool(false)) => node.carries = Carries::No,
        _ => {}
    }
    let when = settings.text("applyTransform", findings);
    let first = settings.text("transformFunction", findings);
    let second = settings.text("secondTransformFunction", findings);
    match when.as_deref() {
        None => {
            if first.is_some() || second.is_some() {
                let message = "`transformFunction` without `applyTransform` has no effect";
                findings.add(FindingCode::Setting, place, message);
            }
        }
        Some("before") => node.before = first,
        Some("after") => node.after = second.or(first),
        Some("both") => {
            node.before.clone_from(&first);
            node.after = second.or(first);
        }
        Some(other) => {
            let message = format!("`applyTransform` is `{}`, which is nothing", shown(other));
            findings.add(FindingCode::WrongForm, &settings.at("applyTransform"), message);
        }
    }
    for (key, code, what) in SETTINGS {
        if settings.take(key).is_some_and(|value| value != Value::Bool(false)) {
            findings.add(code, &settings.at(key), what);
        }
    }
    settings.finish(findings);
}
