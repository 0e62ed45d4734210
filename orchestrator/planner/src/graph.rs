//! A flow's graph as text, for a terminal.
//!
//! ```text
//! orders  shop/listen, a listener
//!   └─> push
//! push  crm/create_contact [when, split, input]
//!   └─! alert
//! alert  log/write [input]
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use sluice_domain::compiled::{CompiledFlow, CompiledStep};
use sluice_domain::{ErrorRoute, StepId};
use sluice_protocol::gateway::Role;

/// Draws the graph: each step once, in the order in which messages reach it, with the edges that leave it. `─>` is an
/// output, with its port unless that is `out`; `─!` is the error route.
#[must_use]
pub fn graph(flow: &CompiledFlow) -> String {
    let mut text = String::new();
    for id in order(&flow.steps) {
        if let Some(step) = flow.steps.get(id) {
            draw(&mut text, id, step).expect("writing to a string cannot fail");
        }
    }
    text
}

fn draw(text: &mut String, id: &StepId, step: &CompiledStep) -> std::fmt::Result {
    write!(text, "{id}  {}/{}", step.deployment.component, step.function)?;
    match step.role {
        Role::Action => {}
        Role::Polling => match &step.schedule {
            Some(schedule) => write!(text, ", {}", crate::topology::describe(schedule))?,
            None => text.push_str(", polling"),
        },
        Role::Listener => text.push_str(", a listener"),
        Role::Webhook => text.push_str(", a webhook"),
        Role::Respond => text.push_str(", answers the webhook"),
    }
    if let Some(instance) = &step.instance {
        write!(text, " ({instance})")?;
    }
    let marks = [
        ("when", step.gate.when.is_some()),
        ("split", step.gate.split.is_some()),
        ("input", step.gate.input.is_some()),
    ];
    let marks: Vec<&str> = marks.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
    if !marks.is_empty() {
        write!(text, " [{}]", marks.join(", "))?;
    }
    text.push('\n');
    let mut edges = Vec::new();
    for (port, targets) in &step.next {
        let port = if port.is_default() { String::new() } else { format!(" {port}") };
        edges.extend(targets.iter().map(|to| format!("─{port}> {to}")));
    }
    match &step.on_error {
        ErrorRoute::To(to) => edges.push(format!("─! {to}")),
        ErrorRoute::Continue => edges.push("─! continues with its input".to_owned()),
        ErrorRoute::DeadLetter => {}
    }
    let last = edges.len().saturating_sub(1);
    for (index, edge) in edges.iter().enumerate() {
        writeln!(text, "  {}{edge}", if index == last { "└" } else { "├" })?;
    }
    Ok(())
}

/// The steps by their distance from the triggers, then by their ids.
fn order(steps: &BTreeMap<StepId, Box<CompiledStep>>) -> Vec<&StepId> {
    let triggers = steps.iter().filter(|(_, step)| step.role != Role::Action).map(|(id, _)| id);
    let mut waiting: VecDeque<&StepId> = triggers.collect();
    let mut seen: BTreeSet<&StepId> = waiting.iter().copied().collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(id) = waiting.pop_front() {
        order.push(id);
        let Some(step) = steps.get(id) else { continue };
        let error = match &step.on_error {
            ErrorRoute::To(to) => Some(to),
            ErrorRoute::Continue | ErrorRoute::DeadLetter => None,
        };
        for next in step.next.values().flatten().chain(error) {
            if seen.insert(next) {
                waiting.push_back(next);
            }
        }
    }
    order.extend(steps.keys().filter(|id| !seen.contains(id)));
    order
}
