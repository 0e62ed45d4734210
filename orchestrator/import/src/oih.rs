//! Documents of the Open Integration Hub: flows, templates of flows, records of components.

mod node;

use serde_json::Value;

use crate::component::Record;
use crate::finding::{FindingCode, Findings};
use crate::import::Read;
use crate::mapper::looks_like_handlebars;
use crate::model::{Edge, Flow, Mapper};
use crate::object::Object;

/// Facts of a record that say nothing about what a flow does.
const FACTS: [&str; 15] = [
    "id",
    "_id",
    "__v",
    "type",
    "tenant",
    "owners",
    "status",
    "createdAt",
    "updatedAt",
    "fromTemplate",
    "sourceTemplate",
    "startedBy",
    "dueExecution",
    "links",
    "title",
];

/// Reads one document, without what is around it.
pub(crate) fn document(value: &Value, place: &str, read: &mut Read) {
    let has = |key: &str| value.get(key).is_some_and(|value| !value.is_null());
    if has("graph") {
        let Some(object) = Object::of(value, place, "the flow", &mut read.findings) else { return };
        let flow = flow(object, &mut read.findings);
        read.flows.push(flow);
    } else if has("distribution") || has("descriptor") {
        read.records.extend(Record::of_oih(value, place, &mut read.findings));
    } else if has("triggers") || has("actions") || has("credentials") {
        read.records.push(Record::of_file(value, place));
    } else {
        let message = "it has neither a graph nor a distribution, triggers or actions";
        read.findings.add(FindingCode::NotKnown, place, message);
    }
}

fn flow(mut object: Object, findings: &mut Findings) -> Flow {
    let place = object.place.clone();
    let title = object.text("name", findings).or_else(|| object.text("title", findings));
    let description = object.text("description", findings);
    let cron = object.text("cron", findings);
    if let Some(settings) = object.take("flowSettings") {
        let message = match settings.get("webhooks") {
            Some(_) => "`flowSettings` has rules for the webhook: write them as the connector's `signature`",
            None => "`flowSettings` are not taken over",
        };
        findings.add(FindingCode::Setting, &object.at("flowSettings"), message);
    }
    let (graph, at) = (object.take("graph").unwrap_or_default(), object.at("graph"));
    object.facts(&FACTS, findings);
    object.finish(findings);
    let mut flow = Flow { place, title, description, cron, ..Flow::default() };
    let Some(mut graph) = Object::of(&graph, &at, "the graph", findings) else { return flow };
    for (number, value) in graph.list("nodes", findings).iter().enumerate() {
        let at = format!("{at}/nodes/{number}");
        // An example of the platform's own documentation has a list in the list.
        match value {
            Value::Array(inner) => {
                for (number, value) in inner.iter().enumerate() {
                    flow.nodes.extend(node::node(value, &format!("{at}/{number}"), findings));
                }
            }
            value => flow.nodes.extend(node::node(value, &at, findings)),
        }
    }
    for (number, value) in graph.list("edges", findings).iter().enumerate() {
        flow.edges.extend(edge(value, &format!("{at}/edges/{number}"), findings));
    }
    graph.finish(findings);
    flow
}

fn edge(value: &Value, place: &str, findings: &mut Findings) -> Option<Edge> {
    let mut object = Object::of(value, place, "the edge", findings)?;
    let from = object.text("source", findings);
    let to = object.text("target", findings);
    object.take("id");
    let mut edge = Edge { place: place.to_owned(), from, ..Edge::default() };
    if let Some(config) = object.take("config")
        && let Some(mut config) = Object::of(&config, &object.at("config"), "the edge", findings)
    {
        let never = |what: &str| format!("the {what} of an edge is written down there, and never evaluated");
        let at = config.at("mapper");
        if let Some(value) = config.take("mapper") {
            findings.add(FindingCode::NeverEvaluated, &at, never("mapper"));
            edge.mapper = Some(Mapper { place: at, is_handlebars: looks_like_handlebars(&value), value });
        }
        edge.condition = config.text("condition", findings);
        if edge.condition.is_some() {
            findings.add(FindingCode::NeverEvaluated, &config.at("condition"), never("condition"));
        }
        config.finish(findings);
    }
    object.finish(findings);
    let (Some(_), Some(to)) = (&edge.from, to) else {
        findings.add(FindingCode::EdgeUnreadable, place, "the edge does not say its source and its target");
        return None;
    };
    edge.to = to;
    Some(edge)
}
