//! Tasks of elastic.io's first API: a list of nodes, one after the other, or nodes and connections.

use serde_json::{Map, Value};

use super::node::said;
use crate::finding::{FindingCode, Findings};
use crate::import::Read;
use crate::mapper::looks_like_handlebars;
use crate::model::{Credentials, Edge, Flow, Mapper, Node};
use crate::object::Object;

/// Reads a task.
pub(super) fn task(value: &Value, place: &str, read: &mut Read) {
    let findings = &mut read.findings;
    let Some(mut task) = Object::of(value, place, "the task", findings) else { return };
    let mut flow = Flow {
        place: place.to_owned(),
        title: task.text("name", findings).or_else(|| task.text("title", findings)),
        description: task.text("description", findings),
        cron: task.text("cron", findings),
        ..Flow::default()
    };
    match task.take("recipe") {
        Some(recipe) => {
            let at = task.at("recipe");
            if let Some(mut recipe) = Object::of(&recipe, &at, "the recipe", findings) {
                graph(&mut recipe, &mut flow, findings);
                recipe.finish(findings);
            }
        }
        None => graph(&mut task, &mut flow, findings),
    }
    task.take("default_mapper_type");
    task.facts(&super::FACTS, findings);
    task.finish(findings);
    read.flows.push(flow);
}

fn graph(object: &mut Object, flow: &mut Flow, findings: &mut Findings) {
    let at = object.at("nodes");
    for (number, value) in object.list("nodes", findings).iter().enumerate() {
        flow.nodes.extend(node(value, number, &format!("{at}/{number}"), findings));
    }
    let mut connected = false;
    for key in ["connections", "edges"] {
        let at = object.at(key);
        for (number, value) in object.list(key, findings).iter().enumerate() {
            connected = true;
            flow.edges.extend(connection(value, &format!("{at}/{number}"), findings));
        }
    }
    if connected {
        return;
    }
    for pair in flow.nodes.windows(2) {
        let [from, to] = pair else { continue };
        let place = to.place.clone();
        flow.edges.push(Edge { place, from: Some(from.id.clone()), to: to.id.clone(), ..Edge::default() });
    }
}

fn node(value: &Value, number: usize, place: &str, findings: &mut Findings) -> Option<Node> {
    let mut object = Object::of(value, place, "the node", findings)?;
    let id = object.text("id", findings).unwrap_or_else(|| format!("step_{}", number + 1));
    let command = ["command", "function", "action"].into_iter().find_map(|key| object.text(key, findings));
    let (mut component, function) = command.map(|text| said(&text, place, findings)).unwrap_or_default();
    if let Some(id) = object.text("compId", findings).or_else(|| object.text("component_id", findings)) {
        component.id = Some(id);
    }
    let at = object.at("config");
    let config = ["config", "data", "fields"].into_iter().find_map(|key| object.take(key));
    let mut fields = match config {
        None => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(_) => {
            findings.add(FindingCode::WrongForm, &at, "the node's config is not an object");
            Map::new()
        }
    };
    let account = fields.shift_remove("_account").and_then(|value| value.as_str().map(str::to_owned));
    let account = object.text("account", findings).or(account).filter(|account| !account.is_empty());
    object.facts(&["name", "description", "first"], findings);
    object.finish(findings);
    let Some(function) = function else {
        findings.add(FindingCode::NodeUnreadable, place, "the node says no function of a component");
        return None;
    };
    let named = component.name.as_deref().unwrap_or_default();
    let is_mapper = named == "mapper" && matches!(function.as_str(), "map" | "jsonataMap");
    let is_router = named == "router" && function == "route";
    let mapper = is_mapper.then(|| mapper(&mut fields, &function, &at, findings));
    let credentials = account.map(|id| Credentials { id, name: None });
    let place = place.to_owned();
    Some(Node { place, id, component, function, fields, credentials, mapper, is_router, ..Node::default() })
}

/// What a node of the mapper does. Nothing else of it is of use here.
fn mapper(fields: &mut Map<String, Value>, function: &str, at: &str, findings: &mut Findings) -> Mapper {
    let value = fields.shift_remove("mapper").unwrap_or_default();
    for key in ["lookup_tables", "lookupTables"] {
        if fields.shift_remove(key).is_some_and(|tables| !crate::object::is_empty(&tables)) {
            findings.add(FindingCode::LookupTable, &format!("{at}/{key}"), "the mapper uses lookup tables");
        }
    }
    let is_handlebars = function == "map" || looks_like_handlebars(&value);
    Mapper { place: format!("{at}/mapper"), value, is_handlebars }
}

fn connection(value: &Value, place: &str, findings: &mut Findings) -> Option<Edge> {
    let mut object = Object::of(value, place, "the connection", findings)?;
    let from = ["from", "source"].into_iter().find_map(|key| object.text(key, findings));
    let to = ["to", "target"].into_iter().find_map(|key| object.text(key, findings));
    let at = object.at("config");
    let config = object.take("config");
    object.take("id");
    let mut edge = Edge { place: place.to_owned(), from, ..Edge::default() };
    let mut config = config.and_then(|config| Object::of(&config, &at, "the connection", findings));
    let at = config.as_ref().map_or_else(|| object.at("mapper"), |config| config.at("mapper"));
    let inner = config.as_mut().and_then(|config| config.take("mapper"));
    edge.mapper = inner.or_else(|| object.take("mapper")).map(|value| Mapper {
        place: at,
        is_handlebars: looks_like_handlebars(&value),
        value,
    });
    if let Some(mut config) = config {
        edge.condition = config.text("condition", findings);
        config.take("mapper_type");
        config.finish(findings);
    }
    object.finish(findings);
    let Some(to) = to else {
        findings.add(FindingCode::EdgeUnreadable, place, "the connection leads nowhere");
        return None;
    };
    edge.to = to;
    Some(edge)
}
