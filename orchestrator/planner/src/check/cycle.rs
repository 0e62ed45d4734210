//! Steps that form a cycle, through error routes too.

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let steps = &context.doc.template.steps;
    let mut search =
        Search { after: &context.topology.after, state: vec![State::New; steps.len()], path: Vec::new() };
    let mut reported = vec![false; steps.len()];
    for start in 0..steps.len() {
        let mut cycles = Vec::new();
        search.visit(start, &mut cycles);
        for mut cycle in cycles {
            // Another way round through the same steps would say nothing new.
            if cycle.iter().any(|step| reported[*step]) {
                continue;
            }
            cycle.iter().for_each(|step| reported[*step] = true);
            // Begin with the step that stands first, whichever edge was found.
            let first = cycle.iter().enumerate().min_by_key(|(_, step)| **step).map_or(0, |(at, _)| at);
            cycle.rotate_left(first);
            cycle.push(cycle[0]);
            let names: Vec<String> = cycle.iter().map(|step| format!("`{}`", steps[*step].id)).collect();
            let message = format!("the steps {} form a cycle", shorten(&names).join(" -> "));
            report.push(context.at_step(Code::Cycle, cycle[0], "/id", message));
        }
    }
}

fn shorten(names: &[String]) -> Vec<&str> {
    const SHOWN: usize = 12;
    if names.len() <= SHOWN {
        return names.iter().map(String::as_str).collect();
    }
    let (head, tail) = (&names[..SHOWN - 2], &names[names.len() - 1..]);
    head.iter().map(String::as_str).chain(["…"]).chain(tail.iter().map(String::as_str)).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnPath,
    Done,
}

struct Search<'t> {
    after: &'t [Vec<usize>],
    state: Vec<State>,
    path: Vec<usize>,
}

impl Search<'_> {
    /// Walks on from a step; a template's 500 steps are no danger to the stack.
    fn visit(&mut self, step: usize, cycles: &mut Vec<Vec<usize>>) {
        match self.state[step] {
            State::Done => {}
            State::OnPath => {
                let begin = self.path.iter().position(|other| *other == step).unwrap_or(0);
                cycles.push(self.path[begin..].to_vec());
            }
            State::New => {
                self.state[step] = State::OnPath;
                self.path.push(step);
                for next in &self.after[step] {
                    self.visit(*next, cycles);
                }
                self.path.pop();
                self.state[step] = State::Done;
            }
        }
    }
}
