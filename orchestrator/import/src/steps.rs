//! Nodes as steps.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value, json};
use sluice_families::FunctionKind;

use crate::component::Known;
use crate::fields;
use crate::finding::{FindingCode, Findings};
use crate::graph::Graph;
use crate::inputs::{Gate, gate};
use crate::model::{Carries, Node};
use crate::names;
use crate::object::shown;

/// A node, and what is known of its function.
pub(crate) struct Use {
    pub(crate) known: Rc<Known>,
    pub(crate) function: String,
    pub(crate) kind: Option<FunctionKind>,
}

/// The ids of the steps, by those of their nodes; also of nodes that are no steps any more.
pub(crate) fn ids(graph: &Graph, reserved: &str, findings: &mut Findings) -> BTreeMap<String, String> {
    let mut taken = BTreeSet::from([reserved.to_owned()]);
    let mut ids = BTreeMap::new();
    for node in &graph.nodes {
        let base = names::id(&node.id).unwrap_or_else(|| "step".to_owned());
        let id = names::free(&base, &mut taken);
        if id != node.id {
            let message = format!("the node `{}` is the step `{id}`", shown(&node.id));
            findings.add(FindingCode::Renamed, &node.place, message);
        }
        ids.insert(node.id.clone(), id);
    }
    for gone in graph.stand_ins.keys() {
        // A node that was taken out may stand for another one that was.
        let mut stands = gone;
        for _ in 0..=graph.stand_ins.len() {
            match graph.stand_ins.get(stands) {
                Some(next) => stands = next,
                None => break,
            }
        }
        if let Some(id) = ids.get(stands).cloned() {
            ids.insert(gone.clone(), id);
        }
    }
    ids
}

/// All that steps are made of.
pub(crate) struct Steps<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) ids: &'g BTreeMap<String, String>,
    /// For each node, in order.
    pub(crate) uses: Vec<Use>,
    /// What a step names: an alias or a connector.
    pub(crate) sources: Vec<String>,
    /// The flow variables that steps read.
    pub(crate) variables: BTreeSet<String>,
}

impl Steps<'_> {
    /// The steps, behind those that are there already. Says whether a component reads earlier steps by itself.
    pub(crate) fn build(&mut self, steps: &mut Vec<Value>, findings: &mut Findings) -> bool {
        let config: Vec<_> = self
            .graph
            .nodes
            .iter()
            .map(|node| fields::config(&node.fields, &format!("{}/fields", node.place), findings))
            .collect();
        let mut reads = false;
        for ((_, told), node) in
            config.iter().zip(&self.graph.nodes).filter(|((_, told), _)| told.passthrough)
        {
            let message = format!("the component of `{}` reads earlier steps by itself", shown(&node.id));
            findings.add(FindingCode::Passthrough, &node.place, message);
            reads |= told.passthrough;
        }
        let has_front = !steps.is_empty();
        for (number, (mut config, _)) in config.into_iter().enumerate() {
            let node = &self.graph.nodes[number];
            let carries = node.carries == Carries::Yes || (reads && node.carries == Carries::Default);
            if carries {
                config.insert("_passthrough".to_owned(), true.into());
            }
            let begins = number == 0 && !has_front;
            let mut gate = match begins {
                true => Gate::default(),
                false => gate(node, self.graph, self.ids, findings),
            };
            self.variables.append(&mut gate.variables);
            self.unheard(node, begins, findings);
            let step = self.step(number, config, gate, steps.last());
            steps.push(step);
        }
        reads
    }

    fn step(&self, number: usize, config: Map<String, Value>, gate: Gate, above: Option<&Value>) -> Value {
        let node = &self.graph.nodes[number];
        let id = &self.ids[&node.id];
        let mut step = Map::new();
        step.insert("id".to_owned(), id.as_str().into());
        let uses = format!("{}/{}", self.sources[number], self.uses[number].function);
        step.insert("use".to_owned(), uses.into());
        if fields::any(&config) {
            step.insert("config".to_owned(), config.into());
        }
        let after: Vec<&String> = gate.after.iter().filter_map(|from| self.ids.get(from)).collect();
        let above = above.and_then(|step| step["id"].as_str());
        match after.as_slice() {
            [] if number == 0 => {}
            [one] if Some(one.as_str()) == above => {}
            [one] => drop(step.insert("after".to_owned(), one.as_str().into())),
            many => {
                let many: Vec<Value> = many.iter().map(|id| id.as_str().into()).collect();
                step.insert("after".to_owned(), many.into());
            }
        }
        if let Some(when) = gate.when {
            step.insert("when".to_owned(), format!("= {when}").into());
        }
        if let Some(input) = gate.input {
            step.insert("input".to_owned(), input);
        }
        if let Some(concurrency) = node.concurrency.filter(|many| *many > 1) {
            step.insert("concurrency".to_owned(), concurrency.min(256).into());
        }
        if let Some(to) = self.graph.handlers.get(&node.id).and_then(|to| self.ids.get(to)) {
            step.insert("on_error".to_owned(), json!({ "to": to }));
        }
        Value::Object(step)
    }

    /// Names transformations that nothing ever goes through.
    fn unheard(&self, node: &Node, begins: bool, findings: &mut Findings) {
        if begins && node.before.is_some() {
            let message = "the first step takes no input, so the transformation before it has no effect";
            findings.add(FindingCode::Setting, &node.place, message);
        }
        if node.after.is_some() && !self.graph.edges.iter().any(|edge| edge.from.as_ref() == Some(&node.id)) {
            let message = "nothing follows the node, so the transformation after it has no effect";
            findings.add(FindingCode::Setting, &node.place, message);
        }
    }
}
