//! Names that people give. They appear in files, the API and logs, never in names of queues or containers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What every kind of name can do.
pub trait Name: FromStr<Err = NameError> + fmt::Display {
    /// The rule, as a sentence fragment for error messages.
    const RULE: &'static str;
}

/// A text that breaks the rule of its kind of name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}: {rule}")]
pub struct NameError {
    /// The kind of name.
    pub what: &'static str,
    /// Its rule.
    pub rule: &'static str,
    /// The text as given, cut to 64 characters.
    pub given: String,
}

macro_rules! define_name {
    ($(#[$meta:meta])* $name:ident, $what:literal, $extra:pat, $rule:literal) => {
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

        impl Name for $name {
            const RULE: &'static str = $rule;
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
                let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, $extra));
                if begins && inner && text.len() <= 64 {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { what: $what, rule: $rule, given: text.chars().take(64).collect() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
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
    /// The name of a template.
    TemplateName, "template name", b'-', "1 to 64 characters of a-z 0-9 -, beginning with a letter or digit"
);
define_name!(
    /// The name of a flow.
    FlowName, "flow name", b'-', "1 to 64 characters of a-z 0-9 -, beginning with a letter or digit"
);
define_name!(
    /// The name of an instance.
    InstanceName, "instance name", b'-', "1 to 64 characters of a-z 0-9 -, beginning with a letter or digit"
);
define_name!(
    /// The name that a template gives to an instance it asks for.
    Alias, "alias", b'-' | b'_', "1 to 64 characters of a-z 0-9 - _, beginning with a letter or digit"
);
define_name!(
    /// The id of a step, unique in its template.
    StepId, "step id", b'-' | b'_', "1 to 64 characters of a-z 0-9 - _, beginning with a letter or digit"
);

impl From<&TemplateName> for FlowName {
    fn from(name: &TemplateName) -> Self {
        Self(name.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_lower_case_words() {
        for (text, fits) in [
            ("orders-to-crm", true),
            ("2nd", true),
            ("", false),
            ("-a", false),
            ("a_b", false),
            ("../x", false),
            ("ä", false),
        ] {
            assert_eq!(text.parse::<FlowName>().is_ok(), fits, "{text}");
        }
        assert!("x".repeat(65).parse::<FlowName>().is_err());
        assert!("a_b".parse::<StepId>().is_ok());
    }
}
