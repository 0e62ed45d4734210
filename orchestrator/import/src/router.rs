//! Routers, which run no code of their own: each becomes conditions of the nodes behind it.

use std::collections::BTreeMap;

use crate::bounds::{EXPRESSION_BYTES, MAX_EDGES};
use crate::finding::{FindingCode, Findings};
use crate::model::{Edge, Node};
use crate::object::shown;

/// Takes routers out of a graph. Each node behind one follows what was before it, under a condition; the one without a
/// condition gets what no other takes.
pub(crate) fn fold(
    nodes: &mut Vec<Node>,
    edges: &mut Vec<Edge>,
    stand_ins: &mut BTreeMap<String, String>,
    findings: &mut Findings,
) {
    let routers: Vec<Node> = nodes.iter().filter(|node| node.is_router).cloned().collect();
    for router in routers {
        let into: Vec<Edge> = edges.iter().filter(|edge| edge.to == router.id).cloned().collect();
        let from_itself = |edge: &&Edge| edge.from.as_ref() == Some(&router.id);
        let out: Vec<Edge> = edges.iter().filter(from_itself).cloned().collect();
        let Some(before) = into.first().and_then(|edge| edge.from.clone()) else { continue };
        // Two routers that lead to each other are a circle, which is found later.
        if out.iter().any(|edge| into.iter().any(|other| other.from.as_ref() == Some(&edge.to))) {
            continue;
        }
        if edges.len() + into.len() * out.len() > MAX_EDGES {
            findings.add(
                FindingCode::TooManySteps,
                &router.place,
                "the flow has too many ways through this router",
            );
            continue;
        }
        if let Some(edge) = into.iter().find(|edge| edge.mapper.is_some()) {
            let message = format!("what goes into the router `{}` is mapped", shown(&router.id));
            findings.add(FindingCode::TwoMappings, &edge.place, message);
        }
        let message = format!("`{}` became `when` of the steps behind it", shown(&router.id));
        findings.add(FindingCode::Router, &router.place, message);
        nodes.retain(|node| node.id != router.id);
        edges.retain(|edge| edge.to != router.id && edge.from.as_ref() != Some(&router.id));
        let conditions: Vec<&str> = out.iter().filter_map(|edge| edge.condition.as_deref()).collect();
        let otherwise = (!conditions.is_empty()).then(|| format!("$not({})", any_of(&conditions)));
        for edge in &into {
            for next in &out {
                let own = next.condition.clone().or_else(|| otherwise.clone());
                let condition = both(edge.condition.clone(), own);
                add(edges, Edge { from: edge.from.clone(), condition, ..next.clone() }, findings);
            }
        }
        stand_ins.insert(router.id, before);
    }
}

/// Adds an edge, or joins it with the one that is there between the same nodes.
fn add(edges: &mut Vec<Edge>, edge: Edge, findings: &mut Findings) {
    let same = edges.iter_mut().find(|other| (&other.from, &other.to) == (&edge.from, &edge.to));
    let long = |condition: &Option<String>| condition.as_ref().map_or(0, String::len) > EXPRESSION_BYTES;
    match same {
        _ if long(&edge.condition) => {
            findings.add(
                FindingCode::NotHere,
                &edge.place,
                "the conditions of routers in a row are too long",
            );
        }
        Some(other) if other.mapper != edge.mapper || long(&other.condition) => {
            let message = format!("routers lead to `{}` in different ways", shown(&edge.to));
            findings.add(FindingCode::OneInput, &edge.place, message);
        }
        Some(other) => {
            other.condition = match (other.condition.take(), edge.condition) {
                (Some(first), Some(second)) => Some(any_of(&[&first, &second])),
                _ => None,
            };
        }
        None => edges.push(edge),
    }
}

fn any_of(conditions: &[&str]) -> String {
    match conditions {
        [one] => (*one).to_owned(),
        many => many.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" or "),
    }
}

fn both(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("({first}) and ({second})")),
        (first, second) => first.or(second),
    }
}
