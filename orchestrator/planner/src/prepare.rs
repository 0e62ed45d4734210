//! From a function and an input to a run outside any flow.

use serde_json::Value;
use sluice_domain::{Connector, DeploymentSpec, Limits, PinnedImage, Scope, TenantName};
use sluice_protocol::FunctionName;
use sluice_protocol::gateway::Role;

use crate::Catalogue;
use crate::check::misfits;
use crate::compile::{callee, runner, script_callee};
use crate::near::nearest;
use crate::resolve::{Function, Resolved};
use crate::schema::{Violation, violations};

/// A function that is to run once.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Whose instance it is.
    pub tenant: Option<&'a TenantName>,
    /// The connector.
    pub connector: &'a Connector,
    /// Its function.
    pub function: &'a FunctionName,
    /// What a step's config would be.
    pub config: &'a Value,
    /// What the function gets, where that is to fit its schema; a trigger gets none.
    pub input: Option<&'a Value>,
}

/// A run, ready to be sent to a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Where it runs: the deployment that steps without limits of their own share.
    pub deployment: DeploymentSpec,
    /// The component's function.
    pub function: FunctionName,
    /// How it gets its work.
    pub role: Role,
    /// The component's config.
    pub config: Value,
}

/// Why a function cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The connector has no such function.
    #[error("connector {connector} has no action or trigger `{function}`{}", hint(nearest.as_deref()))]
    UnknownFunction {
        /// The connector's name.
        connector: String,
        /// The name as given.
        function: FunctionName,
        /// The most similar name that there is.
        nearest: Option<String>,
    },
    /// The connector has no such script, or is not declarative.
    #[error("connector {connector} has no script `{script}`")]
    UnknownScript {
        /// The connector's name.
        connector: String,
        /// The name as given.
        script: FunctionName,
    },
    /// The function waits for what comes from outside, so it cannot be asked.
    #[error("`{0}` listens for what comes and cannot be asked")]
    Listens(FunctionName),
    /// The connector is declarative, and the component that executes those is not installed.
    #[error("the component `rest`, which executes declarative connectors, is not installed")]
    NoRunner,
    /// The config or the input does not fit the function's schema.
    #[error("{}", .0.join("; "))]
    Misfit(Vec<String>),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

impl Run<'_> {
    /// Checks config and input and finds out where the function runs.
    ///
    /// # Errors
    /// See [`PrepareError`]; every misfit, not just the first.
    pub fn prepare(&self, catalogue: &Catalogue) -> Result<Prepared, PrepareError> {
        let function =
            Function::find(self.connector, self.function).ok_or_else(|| self.unknown_function())?;
        let role = Resolved { connector: self.connector, function }.role();
        if matches!(role, Role::Listener | Role::Webhook | Role::Respond) {
            return Err(PrepareError::Listens(self.function.clone()));
        }
        let mut faults = lines("config", misfits(function, self.config));
        if let Function::Action(action) = function
            && let (Some(schema), Some(input)) = (&action.input, self.input)
        {
            match violations(schema, input) {
                Ok(found) => faults.extend(lines("input", found)),
                Err(reason) => {
                    faults.push(format!("the input cannot be checked, its own schema is wrong: {reason}"))
                }
            }
        }
        if !faults.is_empty() {
            return Err(PrepareError::Misfit(faults));
        }
        let (runner, pinned) = runner(self.connector, catalogue).ok_or(PrepareError::NoRunner)?;
        let (name, config) = callee(self.connector, self.function, function, self.config.clone())
            .ok_or_else(|| self.unknown_function())?;
        Ok(Prepared { deployment: shared(runner, pinned, self.tenant), function: name, role, config })
    }

    fn unknown_function(&self) -> PrepareError {
        let descriptor = &self.connector.descriptor;
        let names = descriptor.actions.keys().chain(descriptor.triggers.keys()).map(FunctionName::as_str);
        PrepareError::UnknownFunction {
            connector: self.connector.name().to_string(),
            function: self.function.clone(),
            nearest: nearest(self.function.as_str(), names.collect::<Vec<_>>()).map(str::to_owned),
        }
    }
}

/// Finds out where a script of a declarative connector runs: as if it were one of its actions.
///
/// # Errors
/// When there is no such script, or no component that runs it.
pub fn prepare_script(
    connector: &Connector,
    script: &FunctionName,
    tenant: Option<&TenantName>,
    catalogue: &Catalogue,
) -> Result<Prepared, PrepareError> {
    let (runner, pinned) = runner(connector, catalogue).ok_or(PrepareError::NoRunner)?;
    let (function, config) = script_callee(connector, script).ok_or_else(|| {
        let connector = connector.name().to_string();
        PrepareError::UnknownScript { connector, script: script.clone() }
    })?;
    Ok(Prepared { deployment: shared(runner, pinned, tenant), function, role: Role::Action, config })
}

/// The deployment that a tenant's steps without limits of their own share.
fn shared(runner: &Connector, pinned: &PinnedImage, tenant: Option<&TenantName>) -> DeploymentSpec {
    DeploymentSpec::new(runner, pinned, Scope::shared_by(tenant.cloned()), Limits::default())
}

fn lines(what: &str, found: Vec<Violation>) -> Vec<String> {
    found.into_iter().map(|violation| format!("{what}{}: {}", violation.pointer, violation.message)).collect()
}
