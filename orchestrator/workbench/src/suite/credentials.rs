//! The connector's own test, with good secrets and with bad ones.

use serde_json::{Map, Value};
use sluice_engine::Trial;

use super::Suite;
use super::call::{BAD, Call, GOOD, describe};
use crate::recording::scope;
use crate::{Check, CheckName};

impl Suite<'_> {
    pub(super) async fn credentials(&mut self) {
        let Some(function) = self.descriptor.test.clone() else {
            for check in [CheckName::CredentialsAccepted, CheckName::CredentialsRefused] {
                self.add(Check::skipped(check, "the connector names no test"));
            }
            return;
        };
        let call = |instance| Call {
            scope: scope(&["test", instance]),
            instance,
            function: function.clone(),
            config: Value::Object(Map::new()),
            input: Value::Object(Map::new()),
            trial: Trial::default(),
        };
        if self.wants(CheckName::CredentialsAccepted, None) {
            let answer = self.call(call(GOOD)).await;
            let works = answer.as_ref().is_ok_and(|invoked| invoked.error.is_none());
            let result =
                if works { Ok(format!("`{function}` succeeds")) } else { Err(self.explain(&answer)) };
            self.add(Check::of(CheckName::CredentialsAccepted, result));
        }
        if !self.wants(CheckName::CredentialsRefused, None) {
            return;
        }
        if self.bad_secrets.is_empty() {
            let reason = "the acceptance file has no secrets";
            return self.add(Check::skipped(CheckName::CredentialsRefused, reason));
        }
        if let Err(error) = self.bad_instance().await {
            let reason = format!("no instance can be made with bad secrets: {}", describe(&error));
            return self.add(Check::skipped(CheckName::CredentialsRefused, reason));
        }
        let answer = self.call(call(BAD)).await;
        let result = match &answer {
            Ok(invoked) => match &invoked.error {
                None => Err("bad secrets were accepted".to_owned()),
                Some(error) if error.retryable => Err(format!(
                    "bad secrets end with `{}`, which is worth another attempt: it would be tried again for nothing",
                    error.code
                )),
                Some(error) if error.code == "component_died" => Err(self.explain(&answer)),
                Some(error) => Ok(format!("`{}`", error.code)),
            },
            Err(_) => Err(self.explain(&answer)),
        };
        self.add(Check::of(CheckName::CredentialsRefused, result));
    }
}
