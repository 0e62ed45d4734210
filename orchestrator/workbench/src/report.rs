//! What came of the checks of a suite.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sluice_protocol::FunctionName;

macro_rules! names {
    ($($variant:ident $name:literal $meaning:literal)*) => {
        /// The checks of the suite. Their names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum CheckName {
            $(#[doc = $meaning] $variant,)*
        }

        impl CheckName {
            /// Every check.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, for example `input-size`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

names! {
    Descriptor "descriptor" "The descriptor is valid."
    Schemas "schemas" "Every schema of the descriptor is a JSON Schema."
    Instance "instance" "Settings and secrets of the acceptance file fit their schemas."
    CredentialsAccepted "credentials-accepted" "The connector's test succeeds with the good secrets."
    CredentialsRefused "credentials-refused" "The connector's test fails for good with bad secrets."
    Case "case" "A case of the acceptance file does what it says."
    Output "output" "What the cases of a function emit fits its output schema."
    WrongInput "wrong-input" "A wrong input is refused for good."
    Cursor "cursor" "A second poll goes on where the first one stopped, and repeats nothing."
    Pagination "pagination" "A function that asks for pages comes to an end."
    Timeout "timeout" "A run that takes longer than its step allows is answered."
    InputSize "input-size" "The largest input is answered, a larger one refused, and the process goes on."
    Shutdown "shutdown" "SIGTERM ends the process in time with exit code 0, and what was under way is answered."
    Secrets "secrets" "No secret is in a log line or an error."
    Recording "recording" "Everything that the third party said can be replayed."
}

/// A text that names no check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no check `{0}`")]
pub struct CheckNameError(String);

impl FromStr for CheckName {
    type Err = CheckNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|name| name.as_str() == text);
        known.copied().ok_or_else(|| CheckNameError(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for CheckName {
    type Error = CheckNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CheckName> for String {
    fn from(name: CheckName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is as it must be.
    Passed,
    /// It is not.
    Failed,
    /// Nothing was there to tell it by.
    Skipped,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which.
    pub check: CheckName,
    /// The function that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionName>,
    /// The case that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// Why, in one sentence; may be empty for what passed.
    pub reason: String,
}

/// All checks of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The component's name.
    pub component: String,
    /// The component's version.
    pub version: String,
    /// The checks, in the order in which they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// Whether no check failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.count(Verdict::Failed) == 0
    }
}

impl Check {
    /// A check that ended so, with its reason.
    pub(crate) fn new(check: CheckName, verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { check, function: None, case: None, verdict, reason: reason.into() }
    }

    /// A check that passed, or failed for this reason.
    pub(crate) fn of(check: CheckName, result: Result<String, String>) -> Self {
        match result {
            Ok(reason) => Self::new(check, Verdict::Passed, reason),
            Err(reason) => Self::new(check, Verdict::Failed, reason),
        }
    }

    pub(crate) fn skipped(check: CheckName, reason: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, reason)
    }

    pub(crate) fn about(mut self, function: &FunctionName) -> Self {
        self.function = Some(function.clone());
        self
    }

    pub(crate) fn case(mut self, name: &str) -> Self {
        self.case = Some(name.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_read_by_its_name_and_stands_in_the_documentation() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/component-workbench.md");
        let text = std::fs::read_to_string(page).unwrap();
        for name in CheckName::ALL {
            assert_eq!(name.as_str().parse::<CheckName>().unwrap(), *name);
            assert!(text.contains(&format!("| `{name}` |")), "{name} is not in {page}");
        }
        assert!("none".parse::<CheckName>().is_err());
    }
}
