//! The file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluice_protocol::{ComponentName, FunctionName};

use crate::Trigger;
use crate::auth::Auth;
use crate::http::Http;
use crate::request::{Incremental, Pagination, Request, Response};
use crate::script::Script;

/// A declarative connector (`kind: connector`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the file format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub sluice: u32,
    /// `connector`.
    pub kind: Kind,
    /// The name, unique among the connectors of an installation: `a-z`, `0-9` and `-`, beginning with a letter.
    #[schemars(with = "String")]
    pub name: ComponentName,
    /// The version (Semantic Versioning 2.0.0).
    #[schemars(with = "String")]
    pub version: semver::Version,
    /// A title for people.
    pub title: String,
    /// What it is for, in Markdown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it belongs, for example `crm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The URL of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<String>,
    /// Where users of the connector get help: an address or URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<String>,
    /// What is new in this version, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_notes: Option<String>,
    /// A guide for users of the connector, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<String>,
    /// JSON Schema of what each instance must provide in the open. Expressions see it as `vars`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub variables: Option<Value>,
    /// JSON Schemas that others in the file refer to as `#/datatypes/NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub datatypes: BTreeMap<String, Value>,
    /// How to reach the API. A connector that has nothing but webhooks needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Http")]
    pub http: Option<Http>,
    /// How requests are authorised.
    #[serde(default)]
    pub auth: Auth,
    /// JavaScript functions by name, which actions, triggers and `auth` refer to: `a-z`, `0-9` and `_`, beginning with a
    /// letter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Script>")]
    pub scripts: BTreeMap<FunctionName, Script>,
    /// Other instances whose actions scripts may `invoke`, by alias: at most 8. An instance binds each alias to an instance
    /// of that connector.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Use>", length(max = 8))]
    pub uses: BTreeMap<FunctionName, Use>,
    /// The name of the action that `sluice instance test` calls, without input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// The actions by name: `a-z`, `0-9` and `_`, beginning with a letter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Action>")]
    pub actions: BTreeMap<FunctionName, Action>,
    /// The triggers by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Trigger>")]
    pub triggers: BTreeMap<FunctionName, Trigger>,
}

/// A connector whose actions scripts of another may call, by an instance that is bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The connector.
    #[schemars(with = "String")]
    pub connector: ComponentName,
    /// Which versions will do, for example `^1.2`; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub version: Option<semver::VersionReq>,
}

/// What kind of document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A declarative connector.
    Connector,
}

/// A function that makes a request for each input. Its expressions see `vars`, `config` and `input`, those of the
/// response also `response` (`status`, `headers`, `body`). Instead of a request it may have a script.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// A title for people.
    pub title: String,
    /// What it does, in Markdown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON Schema of a step's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub config: Option<Value>,
    /// JSON Schema of an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub input: Option<Value>,
    /// JSON Schema of what it emits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub output: Option<Value>,
    /// What an instance must have been granted for it, with `oauth2`: some of the `scopes` that it asks for. A flow that
    /// uses it with an instance that was granted less is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The request. An action has either this or `script`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Request")]
    pub request: Option<Request>,
    /// The script that does the work of the action: it gets `(input, { vars, config })`, may `invoke` other actions, and
    /// its result is the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub script: Option<FunctionName>,
    /// The script that makes the input of the request: it gets `(input, { vars, config })`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub before: Option<FunctionName>,
    /// The script that makes the output: it gets `(result, { input, vars, config, response })`, with pagination for each
    /// item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub after: Option<FunctionName>,
    /// What becomes of the answer.
    #[serde(default)]
    pub response: Response,
    /// How further pages are asked for. Then each item is a message of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pagination")]
    pub pagination: Option<Pagination>,
}

/// A function that looks for what is new. Its expressions see `vars`, `config` and `cursor`, those of the response
/// also `response`, those of an item also `item`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PollingTrigger {
    /// A title for people.
    pub title: String,
    /// What it does, in Markdown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How it gets its work.
    pub kind: PollingKind,
    /// JSON Schema of a step's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub config: Option<Value>,
    /// JSON Schema of what it emits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub output: Option<Value>,
    /// What an instance must have been granted for it, with `oauth2`: some of the `scopes` that it asks for. A flow that
    /// uses it with an instance that was granted less is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The request.
    pub request: Request,
    /// What becomes of the answer; its result must be the list of items.
    #[serde(default)]
    pub response: Response,
    /// How further pages are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pagination")]
    pub pagination: Option<Pagination>,
    /// What tells one item from another: an expression that sees `item`. The whole item when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How only what is new is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Incremental")]
    pub incremental: Option<Incremental>,
    /// The script that makes the output of each new item: it gets `(item, { vars, config, cursor, response })`. `key` and
    /// `incremental` see the item as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub after: Option<FunctionName>,
}

/// How a polling trigger gets its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PollingKind {
    /// It asks on the step's schedule.
    Polling,
}

/// A value that is no manifest although it fits the [schema]: a name or version breaks its rule.
#[derive(Debug)]
pub struct ManifestError {
    /// Where, as a JSON Pointer.
    pub pointer: String,
    /// One sentence.
    pub message: String,
}

impl Manifest {
    /// Reads a manifest. Check the value against the [schema] first: this stops at the first fault.
    ///
    /// # Errors
    /// At the first value that is wrong.
    pub fn from_value(value: &Value) -> Result<Self, ManifestError> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let mut pointer = String::new();
            for segment in error.path() {
                use serde_path_to_error::Segment;
                match segment {
                    Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                    Segment::Map { key } | Segment::Enum { variant: key } => {
                        pointer.push('/');
                        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    }
                    Segment::Unknown => {}
                }
            }
            ManifestError { pointer, message: error.inner().to_string() }
        })
    }
}

/// The JSON Schema (2020-12) of the file.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Manifest).to_value();
    name_choices(&mut schema);
    schema
}

/// Lists the texts of an enumeration in one place, so that a refusal names them.
fn name_choices(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let choices: Option<Vec<Value>> = members
                .get("oneOf")
                .and_then(Value::as_array)
                .and_then(|all| all.iter().map(|one| one.get("const").cloned()).collect());
            if let Some(choices) = choices {
                members.remove("oneOf");
                members.insert("enum".to_owned(), Value::Array(choices));
            }
            members.values_mut().for_each(name_choices);
        }
        Value::Array(items) => items.iter_mut().for_each(name_choices),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
