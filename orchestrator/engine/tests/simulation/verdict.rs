//! What is wrong after everything has drained, worked out from what was seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;
use sluice_domain::{DeadReason, StepAddress};
use sluice_protocol::{ErrorInfo, MessageId, Port};

use crate::observer::Seen;
use crate::plan::Kind;
use crate::reference::{Fate, Message, Reference};
use crate::shape::TRIGGER;
use crate::world::World;

/// Deaths of its consumer that a message survives.
const SUSPICIONS: u32 = 3;

/// What may and must have happened.
struct Expected<'a> {
    world: &'a World,
    seen: &'a Seen,
    reference: &'a Reference,
    /// Every message that there may have been, with the bodies that it may have had.
    allowed: BTreeMap<MessageId, Vec<Message>>,
    faults: Vec<String>,
}

/// Everything that is wrong.
pub(crate) fn judge(world: &World) -> Vec<String> {
    let seen = world.observer.seen();
    let mut expected = Expected {
        world,
        seen: &seen,
        reference: &world.reference,
        allowed: BTreeMap::new(),
        faults: seen.violations.clone(),
    };
    expected.follow();
    expected.check_runs();
    expected.check_letters();
    if world.plan.kind == Kind::Calm {
        expected.check_order();
    }
    if world.plan.kind != Kind::Troubled {
        expected.faults.extend(seen.repeated.iter().cloned());
    }
    expected.faults
}

impl Expected<'_> {
    /// Follows every message from what was accepted to its end. What is accepted twice is required once.
    fn follow(&mut self) {
        let mut todo: VecDeque<(Message, bool)> = VecDeque::new();
        let mut begun = BTreeSet::new();
        for outcome in &self.seen.emitted {
            let address = StepAddress::try_from(&outcome.step).expect("the gateway gives addresses");
            let Some(flow) = self.reference.flow(&address) else { continue };
            let is_first = begun.insert(outcome.input);
            for (output, number) in outcome.outputs.iter().zip(outcome.offset..) {
                let body = crate::reference::parsed(output.body.get());
                let at = (outcome.input, number, None);
                let children = self.reference.behind((&flow, &address.step), at, (&output.port, &body));
                todo.extend(children.into_iter().map(|message| (message, is_first)));
            }
        }
        for (message, gated) in &self.seen.replayed {
            if *gated {
                self.faults
                    .push(format!("{} was replayed through its gate, but no mapping fails", message.id));
            }
            todo.push_back((message.clone(), begun.insert(message.id)));
        }
        let mut followed = BTreeSet::new();
        while let Some((message, required)) = todo.pop_front() {
            let known = self.allowed.entry(message.id).or_default();
            let is_new = !known.contains(&message);
            if is_new {
                known.push(message.clone());
            }
            let required = required && followed.insert(message.id);
            if is_new || required {
                todo.extend(self.end(&message, required));
            }
        }
    }

    /// Checks how a message ended, if it had to; and what comes of it.
    fn end(&mut self, message: &Message, required: bool) -> Vec<(Message, bool)> {
        let Some(flow) = self.reference.flow(&message.step) else { return Vec::new() };
        let Some(step) = flow.steps.get(&message.step.step) else { return Vec::new() };
        let (fate, attempts) = self.reference.fate(step, message.id);
        let letters = self.world.store.letters_of(message.id);
        let crashed = letters.iter().any(|letter| letter.reason == DeadReason::Crashed);
        let mut then = Vec::new();
        match &fate {
            Fate::Done(outputs) => {
                let done = self.seen.succeeded.contains(&message.id);
                let died = self.may_die(message.id);
                if required
                    && !done
                    && !(died && (crashed || step.on_error != sluice_domain::ErrorRoute::DeadLetter))
                {
                    self.faults.push(format!("{message:?} was lost: it never succeeded"));
                }
                for ((port, body), number) in outputs.iter().zip(0..) {
                    let port: Port = port.parse().expect("a port");
                    let at = (message.id, number, message.root);
                    let children = self.reference.behind((&flow, &message.step.step), at, (&port, body));
                    then.extend(children.into_iter().map(|child| (child, required && done && !crashed)));
                }
                if died {
                    then.extend(self.after_death(message).into_iter().map(|child| (child, false)));
                }
            }
            Fate::Failed { reason, error } => {
                match self.reference.given_up(&flow, message, (error, attempts)) {
                    None if required
                        && !letters.iter().any(|letter| letter.reason == *reason)
                        && !crashed =>
                    {
                        self.faults.push(format!("{message:?} was lost: it is no dead letter ({reason:?})"));
                    }
                    None => {}
                    // The text says how the container ended, which is checked by its code alone.
                    Some(_) if *reason == DeadReason::Crashed => {
                        then.extend(self.after_death(message).into_iter().map(|child| (child, required)));
                    }
                    Some(children) => {
                        let died = self.may_die(message.id);
                        then.extend(children.into_iter().map(|child| (child, required && !died)));
                        if died {
                            then.extend(self.after_death(message).into_iter().map(|child| (child, false)));
                        }
                    }
                }
            }
        }
        then
    }

    /// Whether a message came back so often that it may have been taken for a killer.
    fn may_die(&self, id: MessageId) -> bool {
        self.seen.returned.get(&id).is_some_and(|count| *count > SUSPICIONS)
    }

    /// What comes of a message whose consumers died. Its error is whatever was seen, if it is about that.
    fn after_death(&self, message: &Message) -> Vec<Message> {
        let Some(flow) = self.reference.flow(&message.step) else { return Vec::new() };
        let error = ErrorInfo::new("container_died", "", false);
        let children = self.reference.given_up(&flow, message, (&error, 0)).unwrap_or_default();
        let seen = |child: &Message| {
            let run = self.seen.runs.iter().find(|run| {
                run.id == child.id
                    && run.body["error"]["code"] == "container_died"
                    && run.body["input"] == message.body
            });
            run.map(|run| run.body.clone())
        };
        children
            .into_iter()
            .map(|child| match seen(&child) {
                Some(body) => Message { body, ..child },
                None => child,
            })
            .collect()
    }

    /// Every run is of a message that there may be, with its body, in the order of its attempts and not beyond the last.
    fn check_runs(&mut self) {
        let mut attempts: BTreeMap<MessageId, u32> = BTreeMap::new();
        for run in &self.seen.runs {
            let Some(messages) = self.allowed.get(&run.id) else {
                self.faults.push(format!("{run:?} was invented"));
                continue;
            };
            let same = messages.iter().find(|message| message.step == run.step && message.body == run.body);
            let Some(message) = same else {
                self.faults.push(format!("{run:?} is another message than {messages:?}"));
                continue;
            };
            let flow = self.reference.flow(&message.step);
            let step = flow.as_ref().and_then(|flow| flow.steps.get(&message.step.step));
            let last = step.map_or(0, |step| self.reference.fate(step, run.id).1);
            let before = attempts.get(&run.id).copied().unwrap_or(0);
            if run.attempt > last || run.suspected > SUSPICIONS {
                self.faults.push(format!("{run:?} was tried too often: {last} attempts are enough"));
            }
            if run.attempt > before + 1 {
                self.faults.push(format!("{run:?} left out an attempt after {before}"));
            }
            attempts.insert(run.id, before.max(run.attempt));
        }
    }

    /// Every dead letter is of a message that there may be, for a reason that there is.
    fn check_letters(&mut self) {
        for letter in self.world.store.letters() {
            let messages = self.allowed.get(&letter.message).cloned().unwrap_or_default();
            let accident = letter.reason == DeadReason::Crashed && self.may_die(letter.message);
            let fits = |message: &Message| {
                let flow = self.reference.flow(&message.step);
                let step = flow.as_ref().and_then(|flow| flow.steps.get(&message.step.step));
                let fate = step.map(|step| self.reference.fate(step, message.id).0);
                matches!(fate, Some(Fate::Failed { reason, .. }) if reason == letter.reason) || accident
            };
            let body: Value = crate::reference::parsed(&letter.body);
            if !messages.iter().any(|message| message.body == body && fits(message)) {
                self.faults.push(format!("{letter:?} has no reason to be there"));
            }
            let one = self.world.plan.kind == Kind::Poisoned && self.killers() == 1;
            if one && accident && self.is_innocent(&messages) {
                self.faults.push(format!("{letter:?} died of another message's poison"));
            }
        }
    }

    /// How many messages killed a container.
    fn killers(&self) -> usize {
        let temper = &self.world.plan.temper;
        let kills =
            |run: &&crate::observer::Run| temper.deed(run.id, run.attempt) == crate::deeds::Deed::Crash;
        self.seen.runs.iter().filter(kills).map(|run| run.id).collect::<BTreeSet<_>>().len()
    }

    fn is_innocent(&self, messages: &[Message]) -> bool {
        let crash = crate::deeds::Deed::Crash;
        messages.iter().any(|message| self.world.plan.temper.deed(message.id, 1) != crash)
    }

    /// What the router sent to a lane, and what ran of a step, is in the order in which the outcomes before it reached the
    /// router.
    fn check_order(&mut self) {
        let order: BTreeMap<MessageId, usize> =
            self.seen.emitted.iter().zip(0..).map(|(outcome, index)| (outcome.input, index)).collect();
        let mut sequences = self.seen.arrived.clone();
        for run in &self.seen.runs {
            sequences.entry(format!("step {}", run.step.step)).or_default().push(run.id);
        }
        for (place, sequence) in &sequences {
            let mut last = 0;
            let parents = |id: &MessageId| {
                let messages = self.allowed.get(id)?;
                let step = &messages.first()?.step;
                let flow = self.reference.flow(step)?;
                self.seen.emitted.iter().find_map(|outcome| {
                    let output = outcome.outputs.first()?;
                    let body = crate::reference::parsed(output.body.get());
                    let at = (outcome.input, 0, None);
                    let trigger = TRIGGER.parse().expect("a step");
                    let children = self.reference.behind((&flow, &trigger), at, (&output.port, &body));
                    children.iter().any(|child| child.id == *id).then_some(outcome.input)
                })
            };
            for id in sequence {
                let Some(index) = parents(id).and_then(|parent| order.get(&parent)) else { continue };
                if *index < last {
                    self.faults.push(format!("{id} came to {place} out of order"));
                }
                last = last.max(*index);
            }
        }
    }
}
