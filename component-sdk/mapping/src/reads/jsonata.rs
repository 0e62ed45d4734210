//! What a JSONata expression reads, found by walking its tree with a notion of where it stands.
//!
//! Each node is judged against the places its input may be: the root, `steps`, one step, or
//! somewhere below, which is accounted for already. A place that is used as a value rather than
//! stepped through is read whole. Three things count as reading everything because following them
//! is not worth the risk: parent (`%`), focus (`@`) and index (`#`) bindings; functions that fall
//! back to the input when handed around as values; and descendants of the root.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::value::with_stack;

use super::{Reads, StepRead};
use crate::jsonata::shape::each_child;
use crate::path::Segment;

/// Functions that take the input when called with fewer arguments than this.
const USES_INPUT: [(&str, usize); 10] = [
    ("boolean", 1),
    ("clone", 1),
    ("each", 2),
    ("keys", 1),
    ("lookup", 2),
    ("not", 1),
    ("number", 1),
    ("sift", 2),
    ("spread", 1),
    ("string", 1),
];

/// Functions that look at no input even when called without arguments.
const NO_INPUT: [&str; 3] = ["now", "millis", "random"];

/// Where a value of the evaluation comes from.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Root,
    Steps,
    Step(String),
    /// Computed, or part of something already marked.
    Below,
}

/// The reads of a tree evaluated on the root.
pub(crate) fn reads(tree: &AstNode) -> Reads {
    let mut walk = Walk { reads: Reads::default() };
    let place = walk.node(tree, &Place::Root);
    walk.whole(&place);
    walk.reads
}

/// The certain member names of each path from the root.
pub(crate) fn paths(tree: &AstNode) -> Vec<Vec<Segment>> {
    let mut found = Vec::new();
    collect(tree, &mut found);
    found
}

struct Walk {
    reads: Reads,
}

impl Walk {
    /// Marks a place as read with everything in it.
    fn whole(&mut self, place: &Place) {
        match place {
            Place::Root => self.reads = Reads::everything(),
            Place::Steps => self.reads.add_name("steps"),
            Place::Step(id) => self.reads.add_step(id, StepRead::WHOLE),
            Place::Below => {}
        }
    }

    fn used(&mut self, place: &Place) -> Place {
        self.whole(place);
        Place::Below
    }

    /// The place of a member, marked as far as it can be.
    fn member(&mut self, place: &Place, name: &str) -> Place {
        match place {
            Place::Root if name == "steps" => return Place::Steps,
            Place::Root => self.reads.add_name(name),
            Place::Steps => return Place::Step(name.to_owned()),
            Place::Step(id) => self.reads.add_step_member(id, name),
            Place::Below => {}
        }
        Place::Below
    }

    /// Walks a node whose input is at `input`; returns where its value is.
    fn node(&mut self, node: &AstNode, input: &Place) -> Place {
        with_stack(|| match node {
            AstNode::Name(name) => self.member(input, name),
            AstNode::Variable(name) if name.is_empty() => input.clone(),
            AstNode::Variable(name) => {
                // `$k := $keys; $k()` reads the input of the call, wherever that is.
                if USES_INPUT.iter().any(|(function, _)| function == name) {
                    self.whole(&Place::Root);
                }
                Place::Below
            }
            AstNode::ParentVariable(_) => Place::Root,
            AstNode::Path { steps } => self.path(steps, input),
            AstNode::Wildcard | AstNode::Descendant => self.used(input),
            AstNode::Parent(_) => self.used(&Place::Root),
            AstNode::Function { name, args, .. } => {
                self.call(name, args.len(), input);
                args.iter().for_each(|arg| self.value(arg, input));
                Place::Below
            }
            AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs } => {
                self.value(lhs, input);
                self.chained(rhs, input);
                Place::Below
            }
            AstNode::Lambda { body, .. } => {
                // Bare names mean the input where the function was made; assuming the root as well
                // costs little and does not depend on how calls are implemented.
                self.value(body, input);
                self.value(body, &Place::Root);
                Place::Below
            }
            AstNode::ObjectTransform { input: from, pattern } => {
                let parts = pattern.iter().flat_map(|(key, value)| [key, value]);
                self.each_of(from, parts, input)
            }
            AstNode::Sort { input: from, terms } => {
                self.each_of(from, terms.iter().map(|(term, _)| term), input)
            }
            AstNode::Block(items) => self.block(items, input),
            AstNode::FunctionApplication(inner) => self.node(inner, input),
            other => {
                each_child(other, &mut |child| self.value(child, input));
                Place::Below
            }
        })
    }

    /// Walks what is evaluated on the value of `from`, which is used whole.
    fn each_of<'a>(
        &mut self,
        from: &AstNode,
        parts: impl Iterator<Item = &'a AstNode>,
        input: &Place,
    ) -> Place {
        let place = self.node(from, input);
        self.whole(&place);
        parts.for_each(|part| self.value(part, &place));
        Place::Below
    }

    /// Walks a node whose value is used whole.
    fn value(&mut self, node: &AstNode, input: &Place) {
        let place = self.node(node, input);
        self.whole(&place);
    }

    fn block(&mut self, items: &[AstNode], input: &Place) -> Place {
        let Some((last, before)) = items.split_last() else { return Place::Below };
        before.iter().for_each(|item| self.value(item, input));
        self.node(last, input)
    }

    fn path(&mut self, steps: &[PathStep], input: &Place) -> Place {
        let mut place = input.clone();
        for step in steps {
            let bound = step.is_tuple
                || step.inner_tuple
                || step.focus.is_some()
                || step.index_var.is_some()
                || step.ancestor_label.is_some();
            if bound {
                self.whole(&Place::Root);
            }
            place = self.node(&step.node, &place);
            for stage in &step.stages {
                match stage {
                    Stage::Filter(filter) => {
                        // A filter decides on presence, so the place itself counts.
                        self.whole(&place);
                        self.value(filter, &place);
                    }
                    Stage::KeepArray => {}
                    Stage::Index(_) => self.whole(&Place::Root),
                }
            }
        }
        place
    }

    fn call(&mut self, name: &str, given: usize, input: &Place) {
        let takes_input = USES_INPUT.iter().any(|(known, full)| *known == name && given < *full);
        if takes_input || (given == 0 && !NO_INPUT.contains(&name)) {
            self.whole(input);
        }
    }

    /// The right of `~>`, which gets one argument more than it shows.
    fn chained(&mut self, node: &AstNode, input: &Place) {
        match node {
            AstNode::Function { name, args, .. } => {
                self.call(name, args.len() + 1, input);
                args.iter().for_each(|arg| self.value(arg, input));
            }
            AstNode::Variable(name) => self.call(name, 1, input),
            other => self.value(other, input),
        }
    }
}

/// Paths from the input, outside anything that changes what the input is.
fn collect(node: &AstNode, found: &mut Vec<Vec<Segment>>) {
    with_stack(|| match node {
        AstNode::Path { steps } => {
            let from_root = matches!(steps.first(), Some(first)
                if matches!(&first.node, AstNode::Name(_) | AstNode::ParentVariable(_))
                    || matches!(&first.node, AstNode::Variable(name) if name.is_empty()));
            if !from_root {
                steps.iter().take(1).for_each(|step| collect(&step.node, found));
                return;
            }
            let mut names = Vec::new();
            for step in steps {
                match &step.node {
                    AstNode::Name(name) => names.push(Segment::Name(name.clone())),
                    AstNode::ParentVariable(_) | AstNode::Variable(_) if names.is_empty() => {}
                    _ => break,
                }
            }
            if !names.is_empty() {
                found.push(names);
            }
        }
        // Inside these the input is another, or may be.
        AstNode::Lambda { .. } | AstNode::Transform { .. } => {}
        AstNode::Sort { input, .. } | AstNode::ObjectTransform { input, .. } => {
            collect(input, found);
        }
        other => each_child(other, &mut |child| collect(child, found)),
    });
}
