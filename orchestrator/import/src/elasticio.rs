//! Documents of elastic.io: flows and recipes of its second API, tasks of its first, records of components.

mod node;
mod recipe;
mod task;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::component::Record;
use crate::finding::{FindingCode, Findings};
use crate::import::Read;
use crate::mapper::looks_like_handlebars;
use crate::model::{Edge, Flow, Mapper};
use crate::object::Object;

/// Facts of a record that say nothing about what a flow does.
const FACTS: [&str; 22] = [
    "id",
    "type",
    "links",
    "relationships",
    "visibility",
    "status",
    "current_status",
    "created_at",
    "updated_at",
    "last_modified",
    "last_start",
    "last_stop",
    "api_version",
    "stats_enabled",
    "has_draft",
    "user_id",
    "workspace_id",
    "user",
    "taskOwner",
    "icon",
    "tags",
    "folder_id",
];

/// Reads one document, without what is around it.
pub(crate) fn document(value: &Value, place: &str, read: &mut Read) {
    let has = |key: &str| value.get(key).is_some_and(|value| !value.is_null());
    let attributes = value.get("attributes").filter(|attributes| attributes.is_object());
    if let Some(attributes) = attributes {
        if let Some(mut around) = Object::of(value, place, "the document", &mut read.findings) {
            around.take("attributes");
            around.facts(&FACTS, &mut read.findings);
            around.finish(&mut read.findings);
        }
        return document(attributes, &format!("{place}/attributes"), read);
    }
    if has("flow_templates") || has("flow_config") || has("declarations") {
        recipe::recipe(value, place, read);
    } else if has("graph") {
        let Some(object) = Object::of(value, place, "the flow", &mut read.findings) else { return };
        let flow = flow(object, BTreeMap::new(), &mut read.findings);
        read.flows.push(flow);
    } else if has("recipe") || has("nodes") {
        task::task(value, place, read);
    } else if has("triggers") || has("actions") || has("credentials") {
        read.records.push(Record::of_file(value, place));
    } else {
        let message = "it has neither a graph nor nodes, flow templates, triggers or actions";
        read.findings.add(FindingCode::NotKnown, place, message);
    }
}

/// A flow, or one of the flows of a recipe.
fn flow(
    mut object: Object,
    variables: BTreeMap<String, (Option<String>, Option<String>)>,
    findings: &mut Findings,
) -> Flow {
    let place = object.place.clone();
    let title = object.text("name", findings).or_else(|| object.text("title", findings));
    let description = object.text("description", findings);
    let cron = object.text("cron", findings);
    let handlebars = object.text("default_mapper_type", findings).as_deref() == Some("handlebars");
    object.text("type", findings).filter(|kind| kind == "long_running").inspect(|_| {
        let message =
            "the flow is long-running: a container without work ends here, and starts again with work";
        findings.add(FindingCode::Setting, &place, message);
    });
    let mut config = node::Config::of(object.take("nodes_config"), &object.at("nodes_config"), findings);
    let (graph, at) = (object.take("graph").unwrap_or_default(), object.at("graph"));
    object.facts(&FACTS, findings);
    object.finish(findings);
    let mut flow = Flow { place, title, description, cron, variables, nodes: Vec::new(), edges: Vec::new() };
    let Some(mut graph) = Object::of(&graph, &at, "the graph", findings) else { return flow };
    for (number, node) in graph.list("nodes", findings).iter().enumerate() {
        let at = format!("{at}/nodes/{number}");
        flow.nodes.extend(node::node(node, &at, &mut config, findings));
    }
    for (number, edge) in graph.list("edges", findings).iter().enumerate() {
        flow.edges.extend(self::edge(edge, &format!("{at}/edges/{number}"), handlebars, findings));
    }
    config.finish(findings);
    graph.finish(findings);
    flow
}

fn edge(value: &Value, place: &str, handlebars: bool, findings: &mut Findings) -> Option<Edge> {
    let mut object = Object::of(value, place, "the edge", findings)?;
    let from = object.text("source", findings);
    let to = object.text("target", findings);
    object.take("id");
    let mut edge = Edge { place: place.to_owned(), from, ..Edge::default() };
    if let Some(config) = object.take("config")
        && let Some(mut config) = Object::of(&config, &object.at("config"), "the edge", findings)
    {
        let kind = config.text("mapper_type", findings);
        let at = config.at("mapper");
        edge.mapper = config.take("mapper").map(|value| {
            let by_look = kind.is_none() && looks_like_handlebars(&value);
            let is_handlebars = kind.as_deref().map_or(handlebars, |kind| kind == "handlebars") || by_look;
            Mapper { place: at, value, is_handlebars }
        });
        edge.condition = config.text("condition", findings);
        edge.is_error = config.take("error") == Some(Value::Bool(true));
        config.finish(findings);
    }
    object.finish(findings);
    let Some(to) = to else {
        findings.add(FindingCode::EdgeUnreadable, place, "the edge has no target");
        return None;
    };
    edge.to = to;
    Some(edge)
}
