//! Paths that the data, by what the steps before say of their outputs, does not have.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sluice_domain::ErrorRoute;
use sluice_mapping::Segment;

use super::Context;
use super::context::Parsed;
use crate::near::{nearest, quote};
use crate::schema::{Verdict, judge};
use crate::topology::Via;
use crate::{Code, Report};

const ROOT: [&str; 8] = ["body", "headers", "item", "steps", "params", "flow", "execution", "attempt"];

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let failure = failure();
    for (index, step) in context.steps() {
        // Of a trigger's gate something else is wrong.
        if context.is_trigger(index) {
            continue;
        }
        for parsed in &context.gates[index].good {
            let mut said = BTreeSet::new();
            for path in &parsed.paths {
                if let Some((segment, meant)) = fault(context, index, parsed, path, &failure)
                    && said.insert(segment.clone())
                {
                    let message =
                        format!("`{}` reads {}, which is probably never there", step.id, quote(&segment));
                    let found = context.at(Code::ImpossiblePath, &parsed.pointer, message);
                    report.push(match meant {
                        Some(meant) => found.help(format!("did you mean `{meant}`?")),
                        None => found,
                    });
                }
            }
        }
    }
}

/// The segment that fails, and what it was probably meant to be.
fn fault(
    context: &Context<'_>,
    step: usize,
    parsed: &Parsed,
    path: &[Segment],
    failure: &Value,
) -> Option<(String, Option<String>)> {
    let (Segment::Name(first), rest) = path.split_first()? else { return None };
    let schemas: Vec<&Value> = match (first.as_str(), rest) {
        ("body", _) => bodies(context, step, failure)?,
        ("steps", [Segment::Name(id), Segment::Name(part), ..]) => {
            if !matches!(part.as_str(), "body" | "headers") {
                let meant = nearest(part, ["body", "headers"]).unwrap_or("body");
                return Some((part.clone(), Some(format!("steps.{id}.{meant}"))));
            }
            let number = context.topology.find(id)?;
            vec![output(context, number).filter(|_| part == "body")?]
        }
        (name, _) if !ROOT.contains(&name) => {
            return Some((name.to_owned(), nearest(name, ROOT).map(str::to_owned)));
        }
        _ => return None,
    };
    let below = if first == "steps" { rest.get(2..)? } else { rest };
    let verdicts: Option<Vec<(String, Option<String>)>> = schemas
        .into_iter()
        .map(|schema| match judge(schema, below, parsed.exact) {
            Verdict::Possible => None,
            Verdict::Impossible { segment, meant } => Some((segment, meant)),
        })
        .collect();
    verdicts?.into_iter().next()
}

/// The schemas of the bodies that come to a step; nothing when one of them is not known.
fn bodies<'c>(context: &Context<'c>, step: usize, failure: &'c Value) -> Option<Vec<&'c Value>> {
    let before = &context.topology.before[step];
    if before.is_empty() {
        return None;
    }
    before
        .iter()
        .map(|(from, via)| match via {
            Via::Output => output(context, *from),
            Via::Error => Some(failure),
        })
        .collect()
}

/// The schema of a step's output. A step that continues after errors passes on its input as well.
fn output<'c>(context: &Context<'c>, step: usize) -> Option<&'c Value> {
    if context.doc.template.steps[step].on_error == ErrorRoute::Continue {
        return None;
    }
    context.resolved[step]?.function.output()
}

/// What an error route delivers.
fn failure() -> Value {
    let error = json!({
        "type": "object",
        "properties": { "code": {}, "message": {}, "step": {}, "attempts": {} },
        "additionalProperties": false
    });
    json!({ "type": "object", "properties": { "error": error, "input": {} }, "additionalProperties": false })
}
