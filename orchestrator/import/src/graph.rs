//! The graph of a flow, made sound: no node twice, no edge into nothing, no circle, one entry.

use std::collections::{BTreeMap, BTreeSet};

use crate::bounds::MAX_EDGES;
use crate::finding::{FindingCode, Findings};
use crate::model::{Edge, Flow, Node};
use crate::object::shown;
use crate::router;

/// A sound graph.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The nodes that can be reached, each behind those that lead to it. The first is the entry.
    pub(crate) nodes: Vec<Node>,
    /// The edges between them, without those of errors.
    pub(crate) edges: Vec<Edge>,
    /// Which node gets what fails in a node.
    pub(crate) handlers: BTreeMap<String, String>,
    /// Nodes that were taken out, and whose output is that of another.
    pub(crate) stand_ins: BTreeMap<String, String>,
}

/// Makes the graph of a flow; nothing when there is no node to begin with.
pub(crate) fn graph(flow: &Flow, findings: &mut Findings) -> Option<Graph> {
    let mut nodes: Vec<Node> = Vec::with_capacity(flow.nodes.len());
    let mut ids = BTreeSet::new();
    for node in &flow.nodes {
        if ids.insert(node.id.clone()) {
            nodes.push(node.clone());
        } else {
            let message = format!("there is another node `{}`; this one is left out", shown(&node.id));
            findings.add(FindingCode::SameNode, &node.place, message);
        }
    }
    let (mut edges, for_all) = edges(flow, &ids, findings);
    let mut stand_ins = BTreeMap::new();
    fold_mappers(&mut nodes, &mut edges, &mut stand_ins, findings);
    router::fold(&mut nodes, &mut edges, &mut stand_ins, findings);
    let (errors, mut edges): (Vec<Edge>, Vec<Edge>) = edges.into_iter().partition(|edge| edge.is_error);
    let handler_of_all = handler(&nodes, for_all, findings);
    let handles = |node: &Node| {
        Some(&node.id) == handler_of_all.as_ref()
            || node.is_error_handler
            || errors.iter().any(|edge| edge.to == node.id)
    };
    let entry = entry(&nodes, &edges, &handles, &flow.place, findings)?;
    drop_circles(&mut edges, findings);
    let after = |from: &str| -> BTreeSet<String> { reached(from, &edges) };
    let mut there = after(&entry);
    let mut handlers = BTreeMap::new();
    for edge in &errors {
        let from = edge.from.as_deref().unwrap_or_default();
        if after(&edge.to).contains(from) {
            findings.add(FindingCode::Circle, &edge.place, "the error handler leads back to the node");
        } else if there.contains(from) && from != entry {
            handlers.insert(from.to_owned(), edge.to.clone());
            there.extend(after(&edge.to));
        }
    }
    if let Some(handler) = handler_of_all {
        let behind = after(&handler);
        for node in &nodes {
            let may = there.contains(&node.id) && node.id != entry && !behind.contains(&node.id);
            let has_its_own = handlers.contains_key(&node.id);
            if may && !has_its_own {
                handlers.insert(node.id.clone(), handler.clone());
            }
        }
        if handlers.values().any(|to| *to == handler) {
            there.extend(behind);
        }
    }
    Some(sound(nodes, edges, (entry, there), (handlers, stand_ins), findings))
}

/// The edges that lead from a node to another, and the ids of handlers of all errors.
fn edges(flow: &Flow, ids: &BTreeSet<String>, findings: &mut Findings) -> (Vec<Edge>, Vec<Edge>) {
    let (mut edges, mut for_all): (Vec<Edge>, Vec<Edge>) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for edge in &flow.edges {
        let missing =
            [edge.from.as_ref(), Some(&edge.to)].into_iter().flatten().find(|id| !ids.contains(*id));
        if let Some(id) = missing {
            let message = format!("the edge names `{}`, which is no node", shown(id));
            findings.add(FindingCode::EdgeUnreadable, &edge.place, message);
        } else if edge.from.is_none() {
            for_all.push(edge.clone());
        } else if edge.from.as_ref() == Some(&edge.to) {
            let message = format!("the edge leads from `{}` to itself", shown(&edge.to));
            findings.add(FindingCode::Circle, &edge.place, message);
        } else if seen.insert((edge.from.clone(), edge.to.clone(), edge.is_error)) {
            edges.push(edge.clone());
        } else {
            let message = format!("there is another edge to `{}` from the same node", shown(&edge.to));
            findings.add(FindingCode::OneInput, &edge.place, message);
        }
    }
    (edges, for_all)
}

/// The handler of all errors: the target of an edge without a source, or the node that says so.
fn handler(nodes: &[Node], for_all: Vec<Edge>, findings: &mut Findings) -> Option<String> {
    let mut found = for_all.into_iter().map(|edge| (edge.place, edge.to));
    let first = found.next().map(|(_, to)| to);
    for (place, to) in found.filter(|(_, to)| Some(to) != first.as_ref()) {
        let message = format!("`{}` is another handler of all errors, and is left out", shown(&to));
        findings.add(FindingCode::NeverRuns, &place, message);
    }
    first.or_else(|| nodes.iter().find(|node| node.is_error_handler).map(|node| node.id.clone()))
}

/// Mappers that are nodes become mappers of the edges behind them.
fn fold_mappers(
    nodes: &mut Vec<Node>,
    edges: &mut Vec<Edge>,
    stand_ins: &mut BTreeMap<String, String>,
    findings: &mut Findings,
) {
    let mappers: Vec<Node> = nodes.iter().filter(|node| node.mapper.is_some()).cloned().collect();
    for node in mappers {
        let into: Vec<Edge> = edges.iter().filter(|edge| edge.to == node.id).cloned().collect();
        let Some(before) = into.first().and_then(|edge| edge.from.clone()) else { continue };
        let out: Vec<Edge> =
            edges.iter().filter(|edge| edge.from.as_ref() == Some(&node.id)).cloned().collect();
        if edges.len() + into.len() * out.len() > MAX_EDGES {
            findings.add(
                FindingCode::TooManySteps,
                &node.place,
                "the flow has too many ways through this mapper",
            );
            continue;
        }
        edges.retain(|edge| edge.to != node.id && edge.from.as_ref() != Some(&node.id));
        nodes.retain(|other| other.id != node.id);
        if let Some(edge) = into.iter().chain(&out).find(|edge| edge.mapper.is_some()) {
            let message = format!("the edge and `{}` both map; only one counts here", shown(&node.id));
            findings.add(FindingCode::TwoMappings, &edge.place, message);
        }
        for edge in &into {
            edges.extend(out.iter().map(|next| Edge {
                from: edge.from.clone(),
                mapper: node.mapper.clone(),
                condition: edge.condition.clone(),
                ..next.clone()
            }));
        }
        stand_ins.insert(node.id, before);
    }
}

/// The node that no edge leads to. There only the first of several ever runs.
fn entry(
    nodes: &[Node],
    edges: &[Edge],
    handles: &dyn Fn(&Node) -> bool,
    place: &str,
    findings: &mut Findings,
) -> Option<String> {
    let led_to: BTreeSet<&str> = edges.iter().map(|edge| edge.to.as_str()).collect();
    let entry = nodes.iter().find(|node| !led_to.contains(node.id.as_str()) && !handles(node));
    if entry.is_none() {
        findings.add(FindingCode::NoEntry, place, "no node can be the first; the flow is left out");
    }
    entry.map(|node| node.id.clone())
}

/// What can be reached from a node, itself included.
fn reached(from: &str, edges: &[Edge]) -> BTreeSet<String> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in edges {
        next.entry(edge.from.as_deref().unwrap_or_default()).or_default().push(&edge.to);
    }
    let mut found = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for to in next.get(id).into_iter().flatten() {
            if found.insert(to) {
                open.push(to);
            }
        }
    }
    found.into_iter().map(str::to_owned).collect()
}

/// Leaves out edges until there is no circle any more: each whose target leads to its source already.
fn drop_circles(edges: &mut Vec<Edge>, findings: &mut Findings) {
    let mut kept: Vec<Edge> = Vec::with_capacity(edges.len());
    for edge in edges.drain(..) {
        let from = edge.from.clone().unwrap_or_default();
        if !reached(&edge.to, &kept).contains(&from) {
            kept.push(edge);
        } else {
            let message = format!("the edge back to `{}` closes a circle, and is left out", shown(&edge.to));
            findings.add(FindingCode::Circle, &edge.place, message);
        }
    }
    *edges = kept;
}

/// Leaves out what never runs, and puts the rest into an order.
fn sound(
    nodes: Vec<Node>,
    mut edges: Vec<Edge>,
    (entry, there): (String, BTreeSet<String>),
    (handlers, stand_ins): (BTreeMap<String, String>, BTreeMap<String, String>),
    findings: &mut Findings,
) -> Graph {
    let (mut open, never): (Vec<Node>, Vec<Node>) =
        nodes.into_iter().partition(|node| there.contains(&node.id));
    for node in never {
        let message =
            format!("`{}` is not reached from `{}`, and is left out", shown(&node.id), shown(&entry));
        findings.add(FindingCode::NeverRuns, &node.place, message);
    }
    edges.retain(|edge| {
        there.contains(&edge.to) && edge.from.as_ref().is_some_and(|from| there.contains(from))
    });
    let mut graph = Graph { edges, handlers, stand_ins, ..Graph::default() };
    let mut placed: BTreeSet<String> = BTreeSet::new();
    if let Some(at) = open.iter().position(|node| node.id == entry) {
        placed.insert(entry);
        graph.nodes.push(open.remove(at));
    }
    while !open.is_empty() {
        let ready = open.iter().position(|node| {
            let mut into = graph.edges.iter().filter(|edge| edge.to == node.id);
            into.all(|edge| edge.from.as_ref().is_some_and(|from| placed.contains(from)))
        });
        // Without circles there always is one.
        let node = open.remove(ready.unwrap_or(0));
        placed.insert(node.id.clone());
        graph.nodes.push(node);
    }
    graph
}
