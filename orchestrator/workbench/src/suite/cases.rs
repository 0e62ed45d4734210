//! The cases of a function.

use serde_json::{Map, Value};
use sluice_engine::{Invoked, Trial};
use sluice_planner::schema_violations;
use sluice_protocol::FunctionName;

use super::call::{Broken, Call, GOOD};
use super::timeouts::is_late;
use super::{Ran, Slow, Suite};
use crate::acceptance::{Case, ExpectedError, FunctionCases};
use crate::expect::{bodies, differs};
use crate::recording::scope;
use crate::{Check, CheckName};

/// The code of a run that took longer than its step allows.
const TIMEOUT: &str = "timeout";

impl Suite<'_> {
    /// Runs a case.
    pub(super) async fn case<'c>(
        &mut self,
        name: &FunctionName,
        function: &FunctionCases,
        case: &'c Case,
    ) -> Ran<'c> {
        let config = case.config.clone().unwrap_or_else(|| function.config.clone());
        let is_action = self.descriptor.actions.contains_key(name);
        let input = match (is_action, &case.input) {
            (true, Some(input)) => input.clone(),
            (true, None) => Value::Object(Map::new()),
            (false, _) => case.cursor.clone().unwrap_or_default(),
        };
        // What is to be refused goes to the component, as it would in a flow.
        let trial =
            Trial { as_it_is: case.error.is_some(), run_for: case.timeout.map(|timeout| timeout.get()) };
        let call = Call {
            scope: scope(&["case", name.as_str(), &case.name]),
            instance: GOOD,
            function: name.clone(),
            config: config.clone(),
            input,
            trial,
        };
        let container = if case.timeout.is_some() { self.container().await } else { None };
        let answer = self.call(call).await;
        let wrong = wrong(case, &answer).map(|wrong| match wrong {
            Wrong::Answer => self.explain(&answer),
            Wrong::Outputs(text) => text,
        });
        if case.timeout.is_some() {
            // The first run of all starts its container.
            let container = match container {
                None => self.container().await,
                known => known,
            };
            let stuck = match container.filter(|_| is_late(case, &answer)) {
                Some(start) => self.stuck(start).await,
                None => None,
            };
            let answer = in_time(&answer).map_err(|()| self.explain(&answer));
            let answer = stuck.map_or(answer, Err);
            self.slow.push(Slow { function: name.clone(), case: case.clone(), config, answer });
        }
        let passed = wrong.is_none();
        let result = wrong.map_or_else(|| Ok(summary(&answer)), Err);
        self.add(Check::of(CheckName::Case, result).about(name).case(&case.name));
        Ran { case, passed, answer }
    }

    /// What the cases of a function emitted, against its schema.
    pub(super) fn output(&mut self, name: &FunctionName, runs: &[Ran<'_>]) {
        if !self.wants(CheckName::Output, Some(name)) {
            return;
        }
        let action = self.descriptor.actions.get(name).map(|action| &action.output);
        let trigger = self.descriptor.triggers.get(name).map(|trigger| &trigger.output);
        let Some(schema) = action.or(trigger).and_then(Option::as_ref) else {
            return self
                .add(Check::skipped(CheckName::Output, "the function has no output schema").about(name));
        };
        let succeeded = runs.iter().filter_map(|ran| Some((ran.case, ran.answer.as_ref().ok()?)));
        let mut count = 0;
        let mut faults = Vec::new();
        for (case, invoked) in succeeded {
            for body in bodies(invoked) {
                count += 1;
                match schema_violations(schema, &body) {
                    Ok(found) => faults.extend(found.into_iter().map(|fault| {
                        let place = if fault.pointer.is_empty() { "the body" } else { &fault.pointer };
                        format!("case `{}`: {place}: {}", case.name, fault.message)
                    })),
                    Err(reason) => faults.push(format!("the schema is wrong: {reason}")),
                }
            }
        }
        faults.truncate(5);
        let check = match (count, faults.is_empty()) {
            (0, _) => Check::skipped(CheckName::Output, "no case emitted anything"),
            (count, true) => Check::of(CheckName::Output, Ok(format!("{count} outputs"))),
            (_, false) => Check::of(CheckName::Output, Err(faults.join("; "))),
        };
        self.add(check.about(name));
    }
}

/// How a run is not what its case says.
enum Wrong {
    /// It ended otherwise.
    Answer,
    /// It emitted something else.
    Outputs(String),
}

fn wrong(case: &Case, answer: &Result<Invoked, Broken>) -> Option<Wrong> {
    let Ok(invoked) = answer else { return Some(Wrong::Answer) };
    let timeout = || case.timeout.is_some().then(|| ExpectedError::Code(TIMEOUT.to_owned()));
    match (case.error.clone().or_else(timeout), &invoked.error) {
        (None, None) => differs(case.expect.as_ref()?, invoked).map(Wrong::Outputs),
        (Some(expected), Some(error)) => {
            let differs = expected.differs(&error.code, error.retryable);
            differs.map(|text| Wrong::Outputs(format!("{text}: {}", error.message)))
        }
        (Some(_), None) | (None, Some(_)) => Some(Wrong::Answer),
    }
}

/// Whether a run whose time was up was answered.
fn in_time(answer: &Result<Invoked, Broken>) -> Result<String, ()> {
    match answer {
        Ok(invoked) if invoked.error.as_ref().is_some_and(|error| error.code == TIMEOUT) => {
            Ok(format!("answered after {} ms", invoked.micros / 1000))
        }
        _ => Err(()),
    }
}

fn summary(answer: &Result<Invoked, Broken>) -> String {
    match answer {
        Ok(Invoked { error: Some(error), .. }) => format!("`{}`", error.code),
        Ok(invoked) => format!("{} outputs in {} ms", invoked.outputs.len(), invoked.micros / 1000),
        Err(_) => String::new(),
    }
}
