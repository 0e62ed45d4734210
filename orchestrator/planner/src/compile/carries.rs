//! Which earlier outputs each message carries along.
//!
//! A message to B carries what any gate behind B reads, except B's own output: on B's outgoing edges that is at hand.
//! Nothing is carried that nobody reads, which is why any step may read any earlier one at no cost to the others.

use std::collections::{BTreeMap, BTreeSet};

use sluice_domain::StepId;
use sluice_domain::compiled::Carry;
use sluice_mapping::StepReads;

use crate::check::Context;

/// What a message to each step carries. The graph must have no cycle.
pub(super) fn of(context: &Context<'_>) -> BTreeMap<StepId, Carry> {
    let steps = &context.doc.template.steps;
    let reads: Vec<Carry> = context.gates.iter().map(|gate| carry(&gate.reads().steps)).collect();
    let mut found: Vec<Option<Carry>> = vec![None; steps.len()];
    let mut waiting: Vec<usize> = (0..steps.len()).collect();
    while let Some(step) = waiting.pop() {
        if found[step].is_some() {
            continue;
        }
        let behind = &context.topology.after[step];
        let open: Vec<usize> = behind.iter().copied().filter(|next| found[*next].is_none()).collect();
        if !open.is_empty() {
            waiting.push(step);
            waiting.extend(open);
            continue;
        }
        let mut carried = Carry::nothing();
        for next in behind {
            carried = carried.union(&reads[*next]);
            carried = carried.union(found[*next].as_ref().unwrap_or(&Carry::All));
        }
        if let Carry::Only(ids) = &mut carried {
            ids.remove(&steps[step].id);
        }
        found[step] = Some(carried);
    }
    steps.iter().zip(found).map(|(step, carry)| (step.id.clone(), carry.unwrap_or(Carry::All))).collect()
}

/// The steps that an expression reads. A name that is no step id is never there, so need not be carried.
fn carry(reads: &StepReads) -> Carry {
    match reads {
        StepReads::None => Carry::nothing(),
        StepReads::All => Carry::All,
        StepReads::Some(steps) => {
            Carry::Only(steps.keys().filter_map(|id| id.parse::<StepId>().ok()).collect::<BTreeSet<_>>())
        }
    }
}
