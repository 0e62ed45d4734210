//! The descriptor of a component: what it is called, what it needs and what it can do.
//!
//! A component prints it with `--describe`, its folder holds it as `component.json`, and its image carries it as the
//! label [`IMAGE_LABEL`], so that installing a connector needs no container.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Egress, EgressFault, Port};

/// The image label that holds the descriptor as JSON.
pub const IMAGE_LABEL: &str = "io.sluice.component";

/// The member of a polling trigger's cursor that holds what it opened elsewhere, such as a registration: when its flow ends,
/// the member is taken out of the cursor and handed to the action that [closes](Trigger::closes_with) it.
pub const OPENED: &str = "_opened";

/// Most bytes of a descriptor: 256 KiB.
const DESCRIPTOR_BYTES: usize = 256 * 1024;

/// What a component is and can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// The name, unique among the connectors of a tenant.
    pub name: ComponentName,
    /// The version (Semantic Versioning 2.0.0).
    pub version: semver::Version,
    /// A title for people.
    pub title: String,
    /// What it is for, in Markdown.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of an instance's plain settings; absent when it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// JSON Schema of an instance's secrets; absent when it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Value>,
    /// The action that shows whether an instance works, called without input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<FunctionName>,
    /// What it may reach; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Egress>,
    /// The triggers by name.
    #[serde(default)]
    pub triggers: BTreeMap<FunctionName, Trigger>,
    /// The actions by name.
    #[serde(default)]
    pub actions: BTreeMap<FunctionName, Action>,
}

/// A function that starts executions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// A title for people.
    pub title: String,
    /// What it does, in Markdown.
    #[serde(default)]
    pub description: String,
    /// How it gets its work.
    pub kind: TriggerKind,
    /// JSON Schema of the step's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// JSON Schema of the bodies it emits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its ports; `out` alone when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// The action that closes what a polling trigger has [`OPENED`], called when its flow ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_with: Option<FunctionName>,
}

/// How a trigger gets its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TriggerKind {
    /// It is asked on a schedule, gets its last cursor and returns a new one.
    Polling,
    /// It runs all the time and pushes.
    Listener,
    /// Others call its URL. The orchestrator takes the requests; no component has such a function.
    Webhook,
}

/// A function that processes inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// A title for people.
    pub title: String,
    /// What it does, in Markdown.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the step's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// JSON Schema of its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// JSON Schema of the bodies it emits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its ports; `out` alone when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
}

/// A text that is no usable descriptor.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// It is longer than a descriptor may be.
    #[error("the descriptor has more than {DESCRIPTOR_BYTES} bytes")]
    TooLarge,
    /// It is no JSON, or a field is wrong.
    #[error("the descriptor cannot be read")]
    Syntax(#[source] serde_json::Error),
    /// It describes nothing that a flow could use.
    #[error("the descriptor of `{0}` has neither a trigger nor an action")]
    Empty(ComponentName),
    /// The test is no action.
    #[error("`test` names `{0}`, which is no action")]
    UnknownTest(FunctionName),
    /// What closes a trigger is no action, or the trigger is none that polls.
    #[error("`closes_with` of the trigger `{0}` names no action, or the trigger does not poll")]
    Closing(FunctionName),
    /// A trigger and an action share a name.
    #[error("`{0}` is both a trigger and an action")]
    Ambiguous(FunctionName),
    /// A trigger that only the orchestrator can serve.
    #[error("the trigger `{0}` is a webhook, which only declarative connectors have")]
    Webhook(FunctionName),
    /// An entry of what it may reach cannot be used. The first one.
    #[error("an entry of `egress` cannot be used")]
    Egress(#[source] EgressFault),
}

impl Descriptor {
    /// Reads the descriptor of a component from JSON.
    ///
    /// # Errors
    /// See [`DescriptorError`].
    pub fn from_json(text: &str) -> Result<Self, DescriptorError> {
        if text.len() > DESCRIPTOR_BYTES {
            return Err(DescriptorError::TooLarge);
        }
        let descriptor: Self = serde_json::from_str(text).map_err(DescriptorError::Syntax)?;
        if descriptor.triggers.is_empty() && descriptor.actions.is_empty() {
            return Err(DescriptorError::Empty(descriptor.name));
        }
        if let Some(name) = descriptor.triggers.keys().find(|name| descriptor.actions.contains_key(*name)) {
            return Err(DescriptorError::Ambiguous(name.clone()));
        }
        if let Some(test) = descriptor.test.as_ref().filter(|test| !descriptor.actions.contains_key(*test)) {
            return Err(DescriptorError::UnknownTest(test.clone()));
        }
        let closes = |trigger: &Trigger| match &trigger.closes_with {
            Some(action) => trigger.kind == TriggerKind::Polling && descriptor.actions.contains_key(action),
            None => true,
        };
        if let Some((name, _)) = descriptor.triggers.iter().find(|(_, trigger)| !closes(trigger)) {
            return Err(DescriptorError::Closing(name.clone()));
        }
        let webhook = |(_, trigger): &(&FunctionName, &Trigger)| trigger.kind == TriggerKind::Webhook;
        if let Some((name, _)) = descriptor.triggers.iter().find(webhook) {
            return Err(DescriptorError::Webhook(name.clone()));
        }
        if let Some(fault) = descriptor.egress.as_ref().and_then(|egress| egress.faults().into_iter().next())
        {
            return Err(DescriptorError::Egress(fault));
        }
        Ok(descriptor)
    }

    /// Whether a step can use the component only through an instance: it demands a setting or a secret.
    #[must_use]
    pub fn needs_instance(&self) -> bool {
        let demands = |schema: &Option<Value>| {
            schema
                .as_ref()
                .and_then(|s| s.get("required"))
                .and_then(Value::as_array)
                .is_some_and(|list| !list.is_empty())
        };
        demands(&self.settings) || demands(&self.secrets)
    }
}

/// A name of this crate's kind that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}: {rule}")]
pub struct NameError {
    /// What was to be named.
    pub what: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// The text as given, cut to 64 characters.
    pub given: String,
}

macro_rules! define_name {
    ($(#[$meta:meta])* $name:ident, $what:literal, $max:literal, $extra:pat, $rule:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The text form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
                let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, $extra));
                if begins && inner && text.len() <= $max {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { what: $what, rule: $rule, given: text.chars().take(64).collect() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

define_name!(
    /// The name of a component: 1 to 64 characters of `a-z`, `0-9`, `-`, beginning with a letter.
    ComponentName,
    "component name",
    64,
    b'-',
    "1 to 64 characters of a-z 0-9 -, beginning with a letter"
);

define_name!(
    /// The name of a trigger or action: 1 to 64 characters of `a-z`, `0-9`, `_`, beginning with a letter.
    FunctionName,
    "function name",
    64,
    b'_',
    "1 to 64 characters of a-z 0-9 _, beginning with a letter"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let got = match Descriptor::from_json(text) {
            Ok(_) => "ok".to_owned(),
            Err(DescriptorError::Syntax(source)) => source.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(got.contains(expect), "{got}");
    }

    #[test]
    fn a_descriptor_is_checked_when_it_is_read() {
        check(
            r#"{"name":"log","version":"1.0.0","title":"Log","actions":{"write":{"title":"Write"}}}"#,
            "ok",
        );
        check(r#"{"name":"log","version":"1.0.0","title":"Log"}"#, "neither a trigger nor an action");
        check(r#"{"name":"Log","version":"1.0.0","title":"Log"}"#, "no component name");
        check(r#"{"name":"log","version":"1","title":"Log"}"#, "version number");
        check(r#"{"name":"log","version":"1.0.0","title":"Log","privileged":true}"#, "unknown field");
        check(
            r#"{"name":"a","version":"1.0.0","title":"","actions":{"x":{"title":""}},"triggers":{"x":{"title":"","kind":"polling"}}}"#,
            "both a trigger and an action",
        );
        check(
            r#"{"name":"a","version":"1.0.0","title":"","triggers":{"x":{"title":"","kind":"webhook"}}}"#,
            "only declarative connectors",
        );
        for (kind, action) in [("polling", "y"), ("listener", "z")] {
            let text = format!(
                r#"{{"name":"a","version":"1.0.0","title":"","actions":{{"z":{{"title":""}}}},"triggers":{{"x":{{"title":"","kind":"{kind}","closes_with":"{action}"}}}}}}"#
            );
            check(&text, "`closes_with` of the trigger `x`");
        }
        check(
            r#"{"name":"a","version":"1.0.0","title":"","actions":{"x":{"title":""}},"egress":{"hosts":["x"]}}"#,
            "`egress` cannot be used",
        );
    }

    #[test]
    fn a_component_needs_an_instance_when_it_demands_a_setting() {
        let read = |extra: &str| {
            let text = format!(
                r#"{{"name":"a","version":"1.0.0","title":"","actions":{{"x":{{"title":""}}}}{extra}}}"#
            );
            Descriptor::from_json(&text).unwrap().needs_instance()
        };
        assert!(!read(""));
        assert!(!read(r#","settings":{"type":"object"}"#));
        assert!(read(r#","settings":{"type":"object","required":["url"]}"#));
    }
}
