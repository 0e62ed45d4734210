//! The part of a manifest that one function needs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluice_protocol::FunctionName;

use crate::script::Needs;
use crate::{Action, Auth, Http, Manifest, PollingTrigger, Trigger, WebhookTrigger};

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
    /// The code of the scripts that it needs, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scripts: BTreeMap<FunctionName, String>,
    /// The actions that its script may call, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub actions: BTreeMap<FunctionName, Action>,
}

/// An action or a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallKind {
    /// An action.
    Action(Action),
    /// A polling trigger.
    Trigger(PollingTrigger),
}

/// How the orchestrator takes the requests of a webhook: the config of a step that uses one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookCall {
    /// The connector and its version, for example `crm@1.2.0`.
    pub connector: String,
    /// What it takes, and what becomes of it.
    pub webhook: WebhookTrigger,
    /// The step's config, valid against the function's schema.
    #[serde(default)]
    pub config: Value,
}

impl Manifest {
    /// The call of an action or polling trigger; nothing when the manifest has no such function, or does not say how to
    /// reach the API, which its [check](Self::check) finds. What only describes is left out.
    #[must_use]
    pub fn call(&self, function: &FunctionName, config: Value) -> Option<Call> {
        let mut needs = Needs::of(self);
        let kind = match (self.actions.get(function), self.triggers.get(function)) {
            (Some(action), _) => {
                needs.action(action);
                CallKind::Action(plain(action))
            }
            (None, Some(Trigger::Polling(trigger))) => {
                needs.script(trigger.after.as_ref());
                CallKind::Trigger(PollingTrigger {
                    description: String::new(),
                    config: None,
                    output: None,
                    scopes: Vec::new(),
                    ..(**trigger).clone()
                })
            }
            (None, Some(Trigger::Webhook(_)) | None) => return None,
        };
        self.assemble(function, kind, config, needs)
    }

    /// The call of a script as if it were an action: a hook. Nothing when the manifest has no such script, or does not say
    /// how to reach the API.
    #[must_use]
    pub fn script_call(&self, script: &FunctionName) -> Option<Call> {
        self.scripts.get(script)?;
        let action = Action { script: Some(script.clone()), ..Action::default() };
        let mut needs = Needs::of(self);
        needs.action(&action);
        self.assemble(script, CallKind::Action(action), Value::Object(Map::new()), needs)
    }

    fn assemble(
        &self,
        function: &FunctionName,
        kind: CallKind,
        config: Value,
        needs: Needs<'_>,
    ) -> Option<Call> {
        Some(Call {
            connector: format!("{}@{}", self.name, self.version),
            function: function.clone(),
            http: self.http.clone()?,
            auth: self.auth.carried(),
            kind,
            config,
            actions: needs.actions.iter().map(|name| (name.clone(), plain(&self.actions[name]))).collect(),
            scripts: needs.scripts,
        })
    }

    /// What an instance must have been granted for an action or polling trigger.
    #[must_use]
    pub fn scopes(&self, function: &FunctionName) -> &[String] {
        match (self.actions.get(function), self.triggers.get(function)) {
            (Some(action), _) => &action.scopes,
            (None, Some(Trigger::Polling(trigger))) => &trigger.scopes,
            (None, Some(Trigger::Webhook(_)) | None) => &[],
        }
    }

    /// The call of a webhook; nothing when the manifest has no such one. What only describes is left out.
    #[must_use]
    pub fn webhook_call(&self, function: &FunctionName, config: Value) -> Option<WebhookCall> {
        let Some(Trigger::Webhook(webhook)) = self.triggers.get(function) else { return None };
        let webhook =
            WebhookTrigger { description: String::new(), config: None, output: None, ..(**webhook).clone() };
        Some(WebhookCall { connector: format!("{}@{}", self.name, self.version), webhook, config })
    }
}

/// An action without what only describes it.
fn plain(action: &Action) -> Action {
    Action {
        description: String::new(),
        config: None,
        input: None,
        output: None,
        scopes: Vec::new(),
        ..action.clone()
    }
}
