//! Configs with their expressions evaluated.
//!
//! An expression in a config sees `params` and `flow` (`id`, `name`), and is evaluated once, here.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_mapping::{EvalErrorKind, Evaluator, Limits, Mapping, Root};

use super::Demand;
use crate::check::{Context, misfits};
use crate::{Code, Report};

/// Tighter than for messages: a config is small, and up to 500 of them are evaluated while somebody waits.
fn limits() -> Limits {
    Limits { timeout: Duration::from_millis(200), work: 4 * 1024 * 1024, ..Limits::default() }
}

/// The config of each step, in the order of the template.
pub(super) fn evaluate(
    demand: &Demand<'_>,
    context: &Context<'_>,
    params: &Value,
    report: &mut Report,
) -> Vec<Value> {
    let flow = json!({ "id": demand.flow.to_string(), "name": demand.name.as_str() });
    let root = Root::from(json!({ "params": params, "flow": flow }));
    let mut evaluator = Evaluator::new(limits());
    let mut configs = Vec::new();
    let mut endless = false;
    for (index, step) in context.steps() {
        let result = Mapping::parse(&step.config, &Limits::default())
            .map_err(|errors| errors.into_iter().map(|error| (error.place, error.reason)).collect::<Vec<_>>())
            .and_then(|mapping| {
                evaluator.map(&mapping, &root).map_err(|error| {
                    endless |= matches!(error.kind, EvalErrorKind::Timeout | EvalErrorKind::Work);
                    vec![(error.place, format!("`{}`: {}", error.expression.trim(), error.reason))]
                })
            });
        let config = match result {
            Ok(config) => config,
            Err(faults) => {
                for (place, reason) in faults {
                    let field = format!("/config{place}");
                    report.push(context.at_step(
                        Code::ConfigExpression,
                        index,
                        &field,
                        crate::read::clean(&reason),
                    ));
                }
                if endless {
                    // The others may be as bad, and each costs as much time.
                    break;
                }
                continue;
            }
        };
        // What holds no expression was checked with the template.
        if let Some(resolved) = context.resolved[index].filter(|_| !context.configs[index].good.is_empty()) {
            for violation in misfits(resolved.function, &config) {
                let field = format!("/config{}", violation.pointer);
                let message = format!("with these parameters: {}", violation.message);
                report.push(context.at_step(Code::Config, index, &field, message));
            }
        }
        configs.push(config);
    }
    configs
}
