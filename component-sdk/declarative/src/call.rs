//! The part of a manifest that one function needs.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_protocol::FunctionName;

use crate::{Action, Auth, Http, Manifest, OAuth2, Trigger};

/// What the component `rest` executes: the config of a step that uses a function of a declarative connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The connector and its version, for example `crm@1.2.0`.
    pub connector: String,
    /// The function's name.
    pub function: FunctionName,
    /// How to reach the API.
    pub http: Http,
    /// How requests are authorised. With OAuth only how they carry the token, which is the secret `access_token`.
    pub auth: Auth,
    /// What it does.
    pub kind: CallKind,
    /// The step's config, valid against the function's schema.
    #[serde(default)]
    pub config: Value,
}

/// An action or a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallKind {
    /// An action.
    Action(Action),
    /// A polling trigger.
    Trigger(Trigger),
}

impl Manifest {
    /// The call of a function; nothing when the manifest has no such function. What only describes is left out.
    #[must_use]
    pub fn call(&self, function: &FunctionName, config: Value) -> Option<Call> {
        let kind = if let Some(action) = self.actions.get(function) {
            CallKind::Action(Action {
                description: String::new(),
                config: None,
                input: None,
                output: None,
                ..action.clone()
            })
        } else {
            let trigger = self.triggers.get(function)?;
            CallKind::Trigger(Trigger {
                description: String::new(),
                config: None,
                output: None,
                ..trigger.clone()
            })
        };
        Some(Call {
            connector: format!("{}@{}", self.name, self.version),
            function: function.clone(),
            http: self.http.clone(),
            auth: self.auth.oauth2.as_ref().map_or_else(|| self.auth.clone(), OAuth2::carried),
            kind,
            config,
        })
    }
}
