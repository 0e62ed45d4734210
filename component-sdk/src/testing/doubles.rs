//! What stands in for the gateway.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value};
use sluice_protocol::StepKey;
use sluice_protocol::gateway::{self, InvokeRequest};

use crate::Error;
use crate::credentials::CredentialSource;
use crate::orchestrator::Orchestrator;

/// An orchestrator that knows what a test told it.
#[derive(Default)]
pub(super) struct Told(Mutex<Known>);

/// What it knows.
#[derive(Default)]
pub(super) struct Known {
    /// What actions of other instances give, by `alias.action`.
    pub(super) others: BTreeMap<String, Result<Value, Error>>,
    /// What the step keeps.
    pub(super) state: Option<Value>,
}

impl Told {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Orchestrator for Told {
    async fn invoke(&self, _: &str, request: &InvokeRequest) -> Result<Value, Error> {
        let name = format!("{}.{}", request.alias, request.function);
        let unknown = || Err(Error::fatal("not_bound", format_args!("the test knows no `{name}`")));
        let mut result = self.known().others.get(&name).cloned().unwrap_or_else(unknown)?;
        if let Value::Object(members) = &mut result {
            members.insert("input".to_owned(), request.input.clone());
        }
        Ok(result)
    }

    async fn state(&self, _: &StepKey) -> Result<Option<Value>, Error> {
        Ok(self.known().state.clone())
    }

    async fn put_state(&self, _: &StepKey, value: &Value) -> Result<bool, Error> {
        self.known().state = Some(value.clone());
        Ok(true)
    }
}

/// What a refresh leads to.
#[derive(Clone)]
pub(super) enum Refresh {
    Nothing,
    NeedsReauth,
    Secrets(Map<String, Value>),
}

/// Credentials that change by refreshes only.
pub(super) struct Fixed {
    pub(super) current: Mutex<gateway::Credentials>,
    pub(super) refresh: Refresh,
}

#[async_trait]
impl CredentialSource for Fixed {
    async fn fetch(&self, _: &str) -> Result<gateway::Credentials, Error> {
        Ok(self.current.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn refresh(&self, _: &str, _: u64) -> Result<Option<gateway::Credentials>, Error> {
        let secrets = match &self.refresh {
            Refresh::Nothing => return Ok(None),
            Refresh::NeedsReauth => {
                return Err(Error::parked(gateway::NEEDS_REAUTH, "the instance has to be authorised again"));
            }
            Refresh::Secrets(secrets) => secrets.clone(),
        };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.version += 1;
        current.secrets = secrets;
        Ok(Some(current.clone()))
    }
}
