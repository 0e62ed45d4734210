//! The graph of a template: which step follows which, and what each can know.

use std::collections::BTreeMap;

use sluice_domain::{ErrorRoute, Schedule, Template, Timing};

/// How a message gets from one step to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// As an output.
    Output,
    /// By the error route.
    Error,
}

/// The edges of a template. Steps are numbered as they stand; edges to unknown steps and to a step itself are left out.
#[derive(Debug)]
pub(crate) struct Topology {
    /// Where each step's messages come from.
    pub(crate) before: Vec<Vec<(usize, Via)>>,
    /// Where each step's messages go.
    pub(crate) after: Vec<Vec<usize>>,
    index: BTreeMap<String, usize>,
}

impl Topology {
    pub(crate) fn of(template: &Template) -> Self {
        let steps = &template.steps;
        let mut index = BTreeMap::new();
        for (number, step) in steps.iter().enumerate() {
            index.entry(step.id.to_string()).or_insert(number);
        }
        let mut topology =
            Self { before: vec![Vec::new(); steps.len()], after: vec![Vec::new(); steps.len()], index };
        for (number, step) in steps.iter().enumerate() {
            for after in &step.after {
                topology.connect(topology.find(after.step.as_str()), Some(number), Via::Output);
            }
            if let ErrorRoute::To(target) = &step.on_error {
                topology.connect(Some(number), topology.find(target.as_str()), Via::Error);
            }
        }
        topology
    }

    fn connect(&mut self, from: Option<usize>, to: Option<usize>, via: Via) {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            self.before[to].push((from, via));
            self.after[from].push(to);
        }
    }

    /// The number of a step.
    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// For each step the steps whose outputs a message to it may know: those on some way to it. A step that fails into
    /// another has no output there.
    pub(crate) fn known(&self) -> Vec<Known> {
        let words = self.before.len().div_ceil(64);
        let mut known = vec![Known(vec![0; words]); self.before.len()];
        let mut again = true;
        while again {
            again = false;
            for step in 0..known.len() {
                let mut all = known[step].clone();
                for (from, via) in &self.before[step] {
                    all.join(&known[*from]);
                    if *via == Via::Output {
                        all.add(*from);
                    }
                }
                if all != known[step] {
                    known[step] = all;
                    again = true;
                }
            }
        }
        known
    }

    /// Which steps can be reached from these.
    pub(crate) fn reached(&self, from: impl IntoIterator<Item = usize>) -> Vec<bool> {
        let mut reached = vec![false; self.after.len()];
        let mut waiting: Vec<usize> = from.into_iter().collect();
        while let Some(step) = waiting.pop() {
            if !std::mem::replace(&mut reached[step], true) {
                waiting.extend(&self.after[step]);
            }
        }
        reached
    }
}

/// A set of step numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known(Vec<u64>);

impl Known {
    pub(crate) fn has(&self, step: usize) -> bool {
        self.0.get(step / 64).is_some_and(|word| word & (1 << (step % 64)) != 0)
    }

    fn add(&mut self, step: usize) {
        self.0[step / 64] |= 1 << (step % 64);
    }

    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }
}

/// A schedule in words.
pub(crate) fn describe(schedule: &Schedule) -> String {
    match &schedule.timing {
        Timing::Every { every } => format!("every {every}"),
        Timing::Cron { cron, timezone } => match timezone {
            Some(zone) => format!("cron `{cron}` in {zone}"),
            None => format!("cron `{cron}`"),
        },
    }
}
