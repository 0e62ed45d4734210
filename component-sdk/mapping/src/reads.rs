//! What of the root document an expression reads, so that nothing else need be carried along.
//!
//! The answer may be too large, never too small: whatever is not understood counts as reading
//! everything. Dropping from the root what is not named here does not change any result.

pub(crate) mod jsonata;
pub(crate) mod jsonpath;

use std::collections::BTreeMap;

/// The names of the root that are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// The message itself.
    pub body: bool,
    /// The message's headers.
    pub headers: bool,
    /// The item of a split.
    pub item: bool,
    /// The flow's parameters.
    pub params: bool,
    /// Facts about the flow.
    pub flow: bool,
    /// Facts about the execution.
    pub execution: bool,
    /// The number of the attempt.
    pub attempt: bool,
    /// The outputs of earlier steps.
    pub steps: StepReads,
    /// The root as a whole, so that members other than the eight names count too. Set together with
    /// everything else.
    pub all: bool,
}

/// Which earlier steps' outputs are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StepReads {
    /// None.
    #[default]
    None,
    /// These, by step id.
    Some(BTreeMap<String, StepRead>),
    /// Any of them, or their ids.
    All,
}

/// Which part of one step's output is read. Neither means that only the step's presence matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepRead {
    /// Its body.
    pub body: bool,
    /// Its headers.
    pub headers: bool,
}

impl Reads {
    /// Reads of everything.
    pub fn everything() -> Self {
        Reads {
            body: true,
            headers: true,
            item: true,
            params: true,
            flow: true,
            execution: true,
            attempt: true,
            steps: StepReads::All,
            all: true,
        }
    }

    /// Adds what another expression reads.
    pub fn merge(&mut self, other: &Reads) {
        self.body |= other.body;
        self.headers |= other.headers;
        self.item |= other.item;
        self.params |= other.params;
        self.flow |= other.flow;
        self.execution |= other.execution;
        self.attempt |= other.attempt;
        self.all |= other.all;
        match &other.steps {
            StepReads::None => {}
            StepReads::All => self.steps = StepReads::All,
            StepReads::Some(steps) => {
                steps.iter().for_each(|(id, read)| self.add_step(id, *read));
            }
        }
    }

    /// Whether the root's member of this name is read at all.
    pub fn reads(&self, name: &str) -> bool {
        match name {
            "body" => self.body,
            "headers" => self.headers,
            "item" => self.item,
            "params" => self.params,
            "flow" => self.flow,
            "execution" => self.execution,
            "attempt" => self.attempt,
            "steps" => self.steps != StepReads::None,
            _ => self.all,
        }
    }

    /// Marks a member of the root as read whole. Other names are no part of the root.
    pub(crate) fn add_name(&mut self, name: &str) {
        match name {
            "body" => self.body = true,
            "headers" => self.headers = true,
            "item" => self.item = true,
            "params" => self.params = true,
            "flow" => self.flow = true,
            "execution" => self.execution = true,
            "attempt" => self.attempt = true,
            "steps" => self.steps = StepReads::All,
            // A document of another shape, as `sluice map` may be given.
            _ => *self = Reads::everything(),
        }
    }

    pub(crate) fn add_step(&mut self, id: &str, read: StepRead) {
        match &mut self.steps {
            StepReads::All => {}
            StepReads::None => {
                self.steps = StepReads::Some(BTreeMap::from([(id.to_owned(), read)]));
            }
            StepReads::Some(steps) => {
                let known = steps.entry(id.to_owned()).or_default();
                known.body |= read.body;
                known.headers |= read.headers;
            }
        }
    }

    /// A step read by one of its members; an unknown member counts as both known ones.
    pub(crate) fn add_step_member(&mut self, id: &str, member: &str) {
        let read = match member {
            "body" => StepRead { body: true, headers: false },
            "headers" => StepRead { body: false, headers: true },
            _ => StepRead::WHOLE,
        };
        self.add_step(id, read);
    }
}

impl StepRead {
    pub(crate) const WHOLE: StepRead = StepRead { body: true, headers: true };
}

#[cfg(test)]
mod tests;
