//! All checks of one function.

use serde_json::{Value, json};
use sluice_declarative::Trigger;
use sluice_engine::{Invoked, Trial};
use sluice_planner::schema_violations;
use sluice_protocol::{FunctionName, TriggerKind};

use super::call::{Call, GOOD};
use super::{Ran, Suite};
use crate::acceptance::FunctionCases;
use crate::expect::{bodies, brief};
use crate::recording::scope;
use crate::{Check, CheckName};

impl Suite<'_> {
    pub(super) async fn function(&mut self, name: &FunctionName) {
        let kind = self.descriptor.triggers.get(name).map(|trigger| trigger.kind);
        let acceptance = self.acceptance;
        let Some(function) = acceptance.functions.get(name).filter(|function| !function.cases.is_empty())
        else {
            let reason = match kind {
                Some(TriggerKind::Listener) => "a listener waits for others and cannot be asked",
                Some(TriggerKind::Webhook) => "a webhook is served by the orchestrator",
                Some(TriggerKind::Polling) | None => "the acceptance file has no case for it",
            };
            return self.add(Check::skipped(CheckName::Case, reason).about(name));
        };
        let mut runs = Vec::new();
        for case in &function.cases {
            runs.push(self.case(name, function, case).await);
        }
        self.output(name, &runs);
        match kind {
            None => self.wrong_input(name, function, &runs).await,
            Some(TriggerKind::Polling) => self.cursor(name, function).await,
            Some(TriggerKind::Listener | TriggerKind::Webhook) => {}
        }
        self.pagination(name, &runs);
    }

    /// A wrong input is refused for good: by a case that says so, or one that is made up.
    async fn wrong_input(&mut self, name: &FunctionName, function: &FunctionCases, runs: &[Ran<'_>]) {
        if !self.wants(CheckName::WrongInput, Some(name)) {
            return;
        }
        let told = runs.iter().find(|ran| ran.case.error.is_some() && ran.case.timeout.is_none());
        if let Some(ran) = told {
            let result = self.refused(&ran.answer, ran.passed);
            return self.add(Check::of(CheckName::WrongInput, result).about(name).case(&ran.case.name));
        }
        let schema = self.descriptor.actions.get(name).and_then(|action| action.input.as_ref());
        let misfit = |value: &Value| {
            schema.is_some_and(|schema| schema_violations(schema, value).is_ok_and(|found| !found.is_empty()))
        };
        let candidates = [json!("wrong"), json!([]), json!({}), Value::Null];
        let wrong = candidates.into_iter().find(misfit).filter(|_| self.subject.manifest().is_none());
        let Some(input) = wrong else {
            let reason = match (schema, self.subject.manifest()) {
                (Some(_), Some(_)) => {
                    "no case ends with an `error`; what an API refuses only its author knows"
                }
                _ => "no case ends with an `error`, and its schema takes any input",
            };
            return self.add(Check::skipped(CheckName::WrongInput, reason).about(name));
        };
        let call = Call {
            scope: scope(&["wrong-input", name.as_str()]),
            instance: GOOD,
            function: name.clone(),
            config: function.config.clone(),
            input: input.clone(),
            trial: Trial { as_it_is: true, run_for: None },
        };
        let answer = self.call(call).await;
        let result = self.refused(&answer, true).map(|how| format!("{} {how}", brief(&input)));
        self.add(Check::of(CheckName::WrongInput, result).about(name));
    }

    fn refused(&self, answer: &Result<Invoked, super::Broken>, passed: bool) -> Result<String, String> {
        let error = answer.as_ref().ok().and_then(|invoked| invoked.error.as_ref());
        match error {
            Some(error) if error.code == "component_died" => Err(self.explain(answer)),
            Some(error) if error.retryable => {
                Err(format!("`{}` is worth another attempt, and the input stays wrong", error.code))
            }
            Some(error) if passed => Ok(format!("ends with `{}`", error.code)),
            Some(_) => Err("the case failed".to_owned()),
            None => Err(self.explain(answer)),
        }
    }

    /// Two polls in a row: the second goes on where the first one stopped.
    async fn cursor(&mut self, name: &FunctionName, function: &FunctionCases) {
        if !self.wants(CheckName::Cursor, Some(name)) {
            return;
        }
        let poll = |number: &str, cursor: Value| Call {
            scope: scope(&["cursor", name.as_str(), number]),
            instance: GOOD,
            function: name.clone(),
            config: function.config.clone(),
            input: cursor,
            trial: Trial::default(),
        };
        let first = self.call(poll("1", Value::Null)).await;
        let Some(one) = succeeded(&first) else {
            let reason = format!("the first poll: {}", self.explain(&first));
            return self.add(Check::of(CheckName::Cursor, Err(reason)).about(name));
        };
        let second = self.call(poll("2", one.state.clone().unwrap_or_default())).await;
        let result = match succeeded(&second) {
            Some(two) => goes_on(one, two),
            None => Err(format!("the second poll: {}", self.explain(&second))),
        };
        let check = match result {
            Ok(Some(reason)) => Check::of(CheckName::Cursor, Ok(reason)),
            Ok(None) => Check::skipped(CheckName::Cursor, "there was nothing new to emit in either poll"),
            Err(reason) => Check::of(CheckName::Cursor, Err(reason)),
        };
        self.add(check.about(name));
    }

    /// A function that asks for pages comes to an end.
    fn pagination(&mut self, name: &FunctionName, runs: &[Ran<'_>]) {
        let pages = self.subject.manifest().is_some_and(|manifest| {
            let action = manifest.actions.get(name).is_some_and(|action| action.pagination.is_some());
            let trigger = manifest.triggers.get(name);
            action
                || trigger.is_some_and(|one| matches!(one, Trigger::Polling(one) if one.pagination.is_some()))
        });
        if !pages || !self.wants(CheckName::Pagination, Some(name)) {
            return;
        }
        let ended = runs.iter().filter_map(|ran| succeeded(&ran.answer));
        let outputs: Vec<usize> = ended.map(|invoked| invoked.outputs.len()).collect();
        let endless = runs.iter().find(|ran| match &ran.answer {
            Ok(invoked) => invoked.error.as_ref().is_some_and(|error| error.code.starts_with("pagination")),
            Err(_) => true,
        });
        let check = match (endless, outputs.is_empty()) {
            (Some(ran), _) => Check::of(CheckName::Pagination, Err(self.explain(&ran.answer))),
            (None, true) => Check::skipped(CheckName::Pagination, "no case succeeded"),
            (None, false) => {
                let reason = format!("{} outputs at most", outputs.iter().max().copied().unwrap_or_default());
                Check::of(CheckName::Pagination, Ok(reason))
            }
        };
        self.add(check.about(name));
    }
}

fn succeeded<E>(answer: &Result<Invoked, E>) -> Option<&Invoked> {
    answer.as_ref().ok().filter(|invoked| invoked.error.is_none())
}

/// Whether a poll goes on where the one before stopped; nothing when neither emitted anything.
fn goes_on(one: &Invoked, two: &Invoked) -> Result<Option<String>, String> {
    let (before, after) = (bodies(one), bodies(two));
    if before.is_empty() && after.is_empty() {
        return Ok(None);
    }
    if !before.is_empty() && one.state.is_none() {
        return Err(
            "the first poll emitted something and returned no cursor, so it would come again".to_owned()
        );
    }
    if let Some(body) = after.iter().find(|body| before.contains(body)) {
        return Err(format!("the second poll repeats {}", brief(body)));
    }
    if !after.is_empty() && two.state == one.state {
        return Err("the second poll emitted something and left the cursor where it was".to_owned());
    }
    Ok(Some(format!("{} outputs, then {}", before.len(), after.len())))
}

#[cfg(test)]
mod tests {
    use sluice_protocol::{Headers, Output, Port};

    use super::*;

    fn polled(outputs: &[u64], state: Option<u64>) -> Invoked {
        let output = |body: &u64| Output {
            port: Port::default(),
            body: serde_json::value::to_raw_value(body).unwrap(),
            headers: Headers::new(),
        };
        Invoked {
            outputs: outputs.iter().map(output).collect(),
            state: state.map(Value::from),
            ..Invoked::default()
        }
    }

    #[test]
    fn a_second_poll_repeats_nothing_and_moves_the_cursor() {
        for (one, two, expect) in [
            (polled(&[1, 2], Some(2)), polled(&[], Some(2)), Ok(true)),
            (polled(&[1], Some(1)), polled(&[2], Some(2)), Ok(true)),
            (polled(&[], None), polled(&[], None), Ok(false)),
            (polled(&[1], None), polled(&[1], None), Err("no cursor")),
            (polled(&[1], Some(1)), polled(&[1], Some(2)), Err("repeats 1")),
            (polled(&[1], Some(1)), polled(&[2], Some(1)), Err("left the cursor")),
        ] {
            match (goes_on(&one, &two), expect) {
                (Ok(told), Ok(expect)) => assert_eq!(told.is_some(), expect),
                (Err(reason), Err(expect)) => assert!(reason.contains(expect), "{reason}"),
                (got, expect) => panic!("{got:?} is not {expect:?}"),
            }
        }
    }
}
