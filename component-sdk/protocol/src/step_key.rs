//! The address of a step on the wire.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The address of a step of one version of one flow. Opaque to a component, which only echoes it.
///
/// Printable ASCII without spaces, 1 to 160 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct StepKey(Arc<str>);

/// A text that is no step key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a step key has 1 to 160 printable ASCII characters")]
pub struct StepKeyError;

impl StepKey {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StepKey {
    type Err = StepKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=160).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(StepKeyError) }
    }
}

impl TryFrom<String> for StepKey {
    type Error = StepKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StepKey> for String {
    fn from(key: StepKey) -> Self {
        key.as_str().to_owned()
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::StepKey;

    #[test]
    fn only_short_printable_text_is_a_step_key() {
        for (text, fits) in [("flow_0/1/push", true), ("", false), ("a b", false), ("é", false)] {
            assert_eq!(text.parse::<StepKey>().is_ok(), fits, "{text}");
        }
        assert!("x".repeat(161).parse::<StepKey>().is_err());
    }
}
