//! The acceptance file of a component: settings and secrets for its tests, and cases for its functions.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_domain::Delay;
use sluice_protocol::{Descriptor, FunctionName};

use crate::CheckName;

/// Most cases of a file.
const CASES: usize = 500;
/// Most characters of the name of a case.
const NAME: usize = 100;

/// An acceptance file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The format: 1.
    pub sluice: Format,
    /// What kind of document it is.
    pub kind: Kind,
    /// The settings of the instance under test.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Where its secrets come from.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
    /// Secrets that must be refused. Made up when absent.
    #[serde(default)]
    pub bad_secrets: Option<BTreeMap<String, SecretSource>>,
    /// How long each run may take, its container's start included: 30 s when absent, at most 50 s.
    #[serde(default)]
    pub patience: Option<Delay>,
    /// The functions under test.
    #[serde(default)]
    pub functions: BTreeMap<FunctionName, FunctionCases>,
    /// Checks that are not to be made, with the reason.
    #[serde(default)]
    pub skip: BTreeMap<CheckName, String>,
}

/// The format of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Format;

/// What kind of document it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An acceptance file.
    #[default]
    Acceptance,
}

impl TryFrom<u32> for Format {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if number == 1 { Ok(Self) } else { Err(format!("{number} is no format that is known; 1 is")) }
    }
}

/// The cases of a function.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionCases {
    /// The config of the cases that have none of their own; an empty object when absent.
    #[serde(default = "nothing")]
    pub config: Value,
    /// The cases, run in this order.
    pub cases: Vec<Case>,
}

/// A run, and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name, unique within the function.
    pub name: String,
    /// What a step's config would be; that of the function when absent.
    #[serde(default)]
    pub config: Option<Value>,
    /// What an action gets; an empty object when absent.
    #[serde(default)]
    pub input: Option<Value>,
    /// The cursor that a polling trigger gets; none when absent.
    #[serde(default)]
    pub cursor: Option<Value>,
    /// How long the function may take, as the timeout of a step. With it, the case is expected to take longer.
    #[serde(default)]
    pub timeout: Option<Delay>,
    /// What must be emitted. An object is part of the first body, a list has a part for each body, and a text that begins
    /// with `=` is JSONata over `outputs` (each with `port`, `body` and `headers`) and `state`, and must be true.
    #[serde(default)]
    pub expect: Option<Value>,
    /// The error that it must end with; a success when absent.
    #[serde(default)]
    pub error: Option<ExpectedError>,
}

/// An error that a case must end with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ExpectedError {
    /// Its code.
    Code(String),
    /// More of it.
    #[serde(rename_all = "snake_case")]
    Full {
        /// Its code; any when absent.
        #[serde(default)]
        code: Option<String>,
        /// Whether another attempt is worth it; either when absent.
        #[serde(default)]
        retryable: Option<bool>,
    },
}

/// Where a secret comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, relative to the acceptance file.
    File(String),
    /// The value itself: for secrets that are none, such as those of a test server.
    Value(Plain),
}

/// A secret that stands in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "String")]
pub struct Plain(SecretString);

impl From<String> for Plain {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Secrets by field.
pub type Secrets = BTreeMap<String, SecretString>;

/// What is wrong with an acceptance file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct AcceptanceFault {
    /// Where, as a JSON Pointer.
    pub pointer: String,
    /// One sentence. Never holds a secret.
    pub message: String,
}

impl AcceptanceFault {
    fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

/// The config of a step that has none.
fn nothing() -> Value {
    Value::Object(Map::new())
}

impl Acceptance {
    /// Reads an acceptance file for a component.
    ///
    /// # Errors
    /// The first value of a wrong form, or else everything that does not fit the component.
    pub fn from_value(value: &Value, descriptor: &Descriptor) -> Result<Self, Vec<AcceptanceFault>> {
        let read: Self = serde_path_to_error::deserialize(value)
            .map_err(|error| vec![AcceptanceFault::new(pointer(error.path()), error.inner().to_string())])?;
        let faults = read.faults(descriptor);
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }

    fn faults(&self, descriptor: &Descriptor) -> Vec<AcceptanceFault> {
        let mut faults = Vec::new();
        let mut say = |pointer: String, message: String| faults.push(AcceptanceFault::new(pointer, message));
        let mut count = 0;
        for (name, function) in &self.functions {
            let place = format!("/functions/{name}");
            let action = descriptor.actions.contains_key(name);
            if !action && !descriptor.triggers.contains_key(name) {
                say(place.clone(), format!("the component has no action or trigger `{name}`"));
            }
            count += function.cases.len();
            for (index, case) in function.cases.iter().enumerate() {
                let place = format!("{place}/cases/{index}");
                let same = function.cases.iter().filter(|other| other.name == case.name).count();
                if same > 1 {
                    say(place.clone(), format!("{same} cases are called `{}`", case.name));
                }
                if case.name.is_empty() || case.name.chars().count() > NAME {
                    say(format!("{place}/name"), format!("a name has 1 to {NAME} characters"));
                }
                if action && case.cursor.is_some() {
                    say(format!("{place}/cursor"), "an action has no cursor".to_owned());
                }
                if !action && case.input.is_some() {
                    say(format!("{place}/input"), "a trigger has no input; it has a `cursor`".to_owned());
                }
                if case.error.is_some() && case.expect.is_some() {
                    say(place, "a case expects either outputs or an error".to_owned());
                }
            }
        }
        if count > CASES {
            say("/functions".to_owned(), format!("{count} cases are more than {CASES}"));
        }
        faults
    }

    /// The secrets, read from where they are. With `made_up`, what cannot be read is made up: a suite that is replayed
    /// needs no real ones.
    ///
    /// # Errors
    /// Every secret that cannot be read.
    pub fn secrets(
        &self,
        beside: &Path,
        environment: impl Fn(&str) -> Option<String>,
        made_up: Option<&str>,
    ) -> Result<Secrets, Vec<AcceptanceFault>> {
        resolve("/secrets", &self.secrets, beside, environment, made_up)
    }

    /// The secrets that must be refused; none when the file names none.
    ///
    /// # Errors
    /// As [`Acceptance::secrets`].
    pub fn bad_secrets(
        &self,
        beside: &Path,
        environment: impl Fn(&str) -> Option<String>,
        made_up: Option<&str>,
    ) -> Result<Option<Secrets>, Vec<AcceptanceFault>> {
        let bad = self.bad_secrets.as_ref();
        bad.map(|bad| resolve("/bad_secrets", bad, beside, environment, made_up)).transpose()
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => {}
        }
    }
    if pointer.is_empty() { "/".to_owned() } else { pointer }
}

fn resolve(
    place: &str,
    sources: &BTreeMap<String, SecretSource>,
    beside: &Path,
    environment: impl Fn(&str) -> Option<String>,
    made_up: Option<&str>,
) -> Result<Secrets, Vec<AcceptanceFault>> {
    let (mut secrets, mut faults) = (Secrets::new(), Vec::new());
    for (field, source) in sources {
        let read = match source {
            SecretSource::Value(Plain(value)) => Ok(value.clone()),
            SecretSource::Env(name) => environment(name)
                .map(SecretString::from)
                .ok_or_else(|| format!("the environment variable `{name}` is not set, or no text")),
            SecretSource::File(path) => file(&beside.join(path)),
        };
        match (read, made_up) {
            (Ok(secret), _) => drop(secrets.insert(field.clone(), secret)),
            (Err(_), Some(text)) => drop(secrets.insert(field.clone(), format!("{text}-{field}").into())),
            (Err(message), None) => faults.push(AcceptanceFault::new(format!("{place}/{field}"), message)),
        }
    }
    if faults.is_empty() { Ok(secrets) } else { Err(faults) }
}

fn file(path: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    // An editor ends the last line; the line break is no part of the secret.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned().into())
}

impl ExpectedError {
    /// What is different about an error, if anything is.
    pub(crate) fn differs(&self, code: &str, retryable: bool) -> Option<String> {
        let (wanted, worth) = match self {
            Self::Code(code) => (Some(code), None),
            Self::Full { code, retryable } => (code.as_ref(), *retryable),
        };
        if wanted.is_some_and(|wanted| wanted != code) {
            return Some(format!("it ended with the code `{code}`"));
        }
        match worth {
            Some(true) if !retryable => Some(format!("`{code}` is not worth another attempt")),
            Some(false) if retryable => Some(format!("`{code}` is worth another attempt")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    fn descriptor() -> Descriptor {
        let text = r#"{"name":"a","version":"1.0.0","title":"","actions":{"act":{"title":""}},
            "triggers":{"poll":{"title":"","kind":"polling"}}}"#;
        Descriptor::from_json(text).unwrap()
    }

    #[track_caller]
    fn check(value: &Value, expect: &[&str]) {
        let faults = Acceptance::from_value(value, &descriptor()).err().unwrap_or_default();
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, expect, "{faults:?}");
    }

    #[test]
    fn a_file_is_checked_against_the_component() {
        let of = |functions: Value| json!({ "sluice": 1, "kind": "acceptance", "functions": functions });
        check(&of(json!({ "act": { "cases": [{ "name": "a", "input": 1, "error": "x" }] } })), &[]);
        check(&of(json!({ "none": { "cases": [] } })), &["/functions/none"]);
        check(
            &of(
                json!({ "act": { "cases": [{ "name": "a", "cursor": 1 }, { "name": "a", "expect": [], "error": "x" }] } }),
            ),
            &[
                "/functions/act/cases/0",
                "/functions/act/cases/0/cursor",
                "/functions/act/cases/1",
                "/functions/act/cases/1",
            ],
        );
        check(
            &of(json!({ "poll": { "cases": [{ "name": "", "input": 1 }] } })),
            &["/functions/poll/cases/0/name", "/functions/poll/cases/0/input"],
        );
        check(&json!({ "sluice": 2, "kind": "acceptance" }), &["/sluice"]);
    }

    #[test]
    fn what_is_not_known_is_refused_at_its_place() {
        for (value, begins) in [
            (json!({ "sluice": 1, "kind": "acceptance", "skip": { "none": "" } }), "/skip"),
            (
                json!({ "sluice": 1, "kind": "acceptance", "functions": { "act": { "cases": [{ "nam": "a" }] } } }),
                "/functions/act/cases/0",
            ),
        ] {
            let faults = Acceptance::from_value(&value, &descriptor()).unwrap_err();
            assert!(faults[0].pointer.starts_with(begins), "{faults:?}");
        }
    }

    #[test]
    fn secrets_are_read_where_they_are_and_made_up_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "from a file\n").unwrap();
        let value = json!({ "sluice": 1, "kind": "acceptance", "secrets": {
            "a": { "env": "SET" }, "b": { "file": "key" }, "c": { "value": "plain" }, "d": { "env": "UNSET" },
        } });
        let read = Acceptance::from_value(&value, &descriptor()).unwrap();
        let environment = |name: &str| (name == "SET").then(|| "from there".to_owned());
        let faults = read.secrets(folder.path(), environment, None).unwrap_err();
        assert_eq!(faults[0].pointer, "/secrets/d");
        let secrets = read.secrets(folder.path(), environment, Some("made-up")).unwrap();
        let values: Vec<&str> = secrets.values().map(|secret| secret.expose_secret()).collect();
        assert_eq!(values, ["from there", "from a file", "plain", "made-up-d"]);
    }

    #[test]
    fn an_error_is_compared_as_far_as_it_is_told() {
        let full =
            |code: Option<&str>, retryable| ExpectedError::Full { code: code.map(str::to_owned), retryable };
        for (expected, same) in [
            (ExpectedError::Code("a".to_owned()), true),
            (ExpectedError::Code("b".to_owned()), false),
            (full(None, Some(false)), true),
            (full(Some("a"), Some(true)), false),
            (full(None, None), true),
        ] {
            assert_eq!(expected.differs("a", false).is_none(), same, "{expected:?}");
        }
    }
}
