//! The largest input, and one that is larger.

use serde_json::{Map, Value};
use sluice_engine::{Invoked, Trial};
use sluice_protocol::{FunctionName, limits};

use super::Suite;
use super::call::{Broken, Call, GOOD};
use crate::acceptance::{Case, FunctionCases};
use crate::recording::scope;
use crate::{Check, CheckName};

/// What a record holds besides input, config and declaration.
const AROUND: usize = 16 * 1024;

impl Suite<'_> {
    pub(super) async fn input_size(&mut self) {
        if !self.wants(CheckName::InputSize, None) {
            return;
        }
        let Some((name, function, case)) = self.plain_case() else {
            let reason = "no action has a case that is to succeed";
            return self.add(Check::skipped(CheckName::InputSize, reason));
        };
        let config = case.config.clone().unwrap_or_else(|| function.config.clone());
        let declaration = self
            .subject
            .manifest()
            .map_or(0, |manifest| serde_json::to_string(manifest).map_or(0, |text| text.len()));
        let room = limits::RECORD_BYTES.saturating_sub(AROUND + config.to_string().len() + declaration);
        let call = |number: &str, bytes: usize| Call {
            scope: scope(&["input-size", number]),
            instance: GOOD,
            function: name.clone(),
            config: config.clone(),
            input: padded(case.input.as_ref(), bytes),
            trial: Trial { as_it_is: true, run_for: None },
        };
        let starts = self.bench.witness.starts();
        let largest = self.call(call("1", room)).await;
        let larger = self.call(call("2", limits::RECORD_BYTES)).await;
        let again = self.bench.witness.starts() > starts && starts > 0;
        let result = self.sized((&largest, &larger), again);
        self.add(Check::of(CheckName::InputSize, result).about(&name));
    }

    fn sized(
        &self,
        (largest, larger): (&Result<Invoked, Broken>, &Result<Invoked, Broken>),
        again: bool,
    ) -> Result<String, String> {
        let answered = match largest {
            Ok(invoked) => match &invoked.error {
                Some(error) if error.code == "component_died" => return Err(self.explain(largest)),
                Some(error) => format!("the largest input ends with `{}`", error.code),
                None => "the largest input succeeds".to_owned(),
            },
            Err(_) => return Err(format!("the largest input: {}", self.explain(largest))),
        };
        match larger {
            Err(Broken { code: Some("input_too_large"), .. }) => {}
            other => return Err(format!("a larger input is not refused: {}", self.explain(other))),
        }
        if again {
            let ends = self.bench.witness.ends();
            return Err(format!(
                "the process ended at the largest input (containers ended with code {ends})"
            ));
        }
        Ok(format!("{answered}, a larger one is refused"))
    }

    /// A case of an action that is to succeed.
    fn plain_case(&self) -> Option<(FunctionName, FunctionCases, Case)> {
        let actions = self.acceptance.functions.iter();
        let mut actions = actions.filter(|(name, _)| self.descriptor.actions.contains_key(*name));
        actions.find_map(|(name, function)| {
            let plain = |case: &&Case| case.error.is_none() && case.timeout.is_none();
            let case = function.cases.iter().find(plain)?;
            Some((name.clone(), function.clone(), case.clone()))
        })
    }
}

/// An input with so many bytes more.
fn padded(input: Option<&Value>, bytes: usize) -> Value {
    let known = input.map_or(0, |input| input.to_string().len());
    let padding = Value::from("x".repeat(bytes.saturating_sub(known)));
    match input {
        Some(Value::Object(members)) => {
            let mut members = members.clone();
            members.insert("padding".to_owned(), padding);
            Value::Object(members)
        }
        None => Value::Object(Map::from_iter([("padding".to_owned(), padding)])),
        Some(_) => padding,
    }
}
