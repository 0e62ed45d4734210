//! What goes into a step: under which condition, and in which shape.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::expression::{Scheme, Scope, translate};
use crate::finding::{FindingCode, Findings};
use crate::graph::Graph;
use crate::mapper;
use crate::model::{Edge, Node};
use crate::object::shown;

/// What goes into a step.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// The nodes whose messages it takes, by their ids there.
    pub(crate) after: Vec<String>,
    pub(crate) when: Option<String>,
    pub(crate) input: Option<Value>,
    /// The flow variables that it reads.
    pub(crate) variables: BTreeSet<String>,
}

/// What goes into a node that is not the entry.
pub(crate) fn gate(
    node: &Node,
    graph: &Graph,
    steps: &BTreeMap<String, String>,
    findings: &mut Findings,
) -> Gate {
    let mut gate = Gate::default();
    let into: Vec<&Edge> = graph.edges.iter().filter(|edge| edge.to == node.id).collect();
    let output = |edge: &Edge| {
        let from = graph.nodes.iter().find(|node| Some(&node.id) == edge.from.as_ref());
        from.and_then(|node| node.after.clone())
    };
    let shape = |edge: &Edge| {
        (edge.mapper.as_ref().map(|mapper| &mapper.value).cloned(), edge.condition.clone(), output(edge))
    };
    let Some(first) = into.first() else {
        own(node, steps, &mut gate, findings);
        return gate;
    };
    let wanted = shape(first);
    for edge in &into {
        if shape(edge) == wanted {
            gate.after.extend(edge.from.clone());
        } else {
            let from = edge.from.as_deref().unwrap_or_default();
            let message = format!(
                "the edge from `{}` shapes the input of `{}` in another way",
                shown(from),
                shown(&node.id)
            );
            findings.add(FindingCode::OneInput, &edge.place, message);
        }
    }
    let scope = Scope { scheme: Scheme::Body, steps };
    if let Some(condition) = &first.condition {
        let place = format!("{}/config/condition", first.place);
        if let Some((when, variables)) = mapper::condition(condition, &place, &scope, findings) {
            gate.when = Some(when);
            gate.variables.extend(variables);
        }
    }
    let shapes = [first.mapper.is_some(), wanted.2.is_some(), node.before.is_some()];
    if shapes.into_iter().filter(|there| *there).count() > 1 {
        let message =
            format!("the input of `{}` is shaped more than once; only one of them is kept", shown(&node.id));
        findings.add(FindingCode::TwoMappings, &node.place, message);
    }
    if node.before.is_some() {
        own(node, steps, &mut gate, findings);
    } else if let Some(after) = &wanted.2 {
        let place = format!("{}/nodeSettings", source_place(graph, first));
        transform(after, &place, steps, &mut gate, findings);
    } else if let Some(mapper) = &first.mapper {
        let made = mapper::input(mapper, &scope, findings);
        gate.input = made.input;
        gate.variables.extend(made.variables);
    }
    gate
}

fn source_place(graph: &Graph, edge: &Edge) -> String {
    let from = graph.nodes.iter().find(|node| Some(&node.id) == edge.from.as_ref());
    from.map_or_else(String::new, |node| node.place.clone())
}

/// The node's own transformation of what comes in.
fn own(node: &Node, steps: &BTreeMap<String, String>, gate: &mut Gate, findings: &mut Findings) {
    if let Some(before) = &node.before {
        let place = format!("{}/nodeSettings/transformFunction", node.place);
        transform(before, &place, steps, gate, findings);
    }
}

/// A transformation of a whole message: of what it makes, the data is the input here.
fn transform(
    source: &str,
    place: &str,
    steps: &BTreeMap<String, String>,
    gate: &mut Gate,
    findings: &mut Findings,
) {
    match translate(source, &Scope { scheme: Scheme::Message, steps }) {
        Ok(done) => {
            for (code, message) in done.remarks {
                findings.add(code, place, message);
            }
            let message =
                "the data that it makes is the input; what else it makes of the message is not kept";
            findings.add(FindingCode::Transform, place, message);
            gate.input = Some(Value::String(format!("= ({}).data", done.source)));
        }
        Err((code, message)) => findings.add(code, place, message),
    }
}
