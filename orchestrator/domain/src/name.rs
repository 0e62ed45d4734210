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

/// A text in a type of its own; the rule of its kind is in its `FromStr`.
macro_rules! define_text {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
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
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! define_name {
    ($(#[$meta:meta])* $name:ident, $what:literal, $extra:pat, $rule:literal) => {
        define_text!($(#[$meta])* $name);

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
    };
}

/// The name of something that a tenant may own: the tenant's name and a dot before it. Without them it belongs to the
/// installation itself.
pub trait Owned: Name + Clone {
    /// The whole text.
    fn text(&self) -> &str;

    /// Whose it is; nobody's when it belongs to the installation itself.
    fn tenant(&self) -> Option<TenantName> {
        let (tenant, _) = self.text().split_once('.')?;
        tenant.parse().ok()
    }

    /// The name that the installation itself would use for it.
    #[must_use]
    fn general(&self) -> Option<Self> {
        self.text().split_once('.').and_then(|(_, local)| local.parse().ok())
    }

    /// Whether it is this tenant's, or the installation's own when none is named.
    fn is_of(&self, tenant: Option<&TenantName>) -> bool {
        self.text().split_once('.').map(|(owner, _)| owner) == tenant.map(TenantName::as_str)
    }

    /// The name as said by a tenant, or by the installation itself when none is named: one without a tenant means the
    /// speaker's own. Nothing when it is somebody else's.
    #[must_use]
    fn within(&self, tenant: Option<&TenantName>) -> Option<Self> {
        match tenant {
            Some(tenant) if !self.text().contains('.') => format!("{tenant}.{}", self.text()).parse().ok(),
            _ => self.is_of(tenant).then(|| self.clone()),
        }
    }
}

macro_rules! define_owned_name {
    ($(#[$meta:meta])* $name:ident, $what:literal) => {
        define_text!($(#[$meta])* $name);

        impl Name for $name {
            const RULE: &'static str = OWNED_RULE;
        }

        impl Owned for $name {
            fn text(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let (tenant, local) =
                    text.split_once('.').map_or((None, text), |(tenant, local)| (Some(tenant), local));
                if tenant.is_none_or(|tenant| tenant.parse::<TenantName>().is_ok()) && is_word(local, 64) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { what: $what, rule: OWNED_RULE, given: text.chars().take(64).collect() })
                }
            }
        }
    };
}

/// The rule of names that a tenant may stand before.
const OWNED_RULE: &str = "1 to 64 characters of a-z 0-9 -, beginning with a letter or digit";
/// Most characters of a tenant's name.
const TENANT_LENGTH: usize = 40;

fn is_word(text: &str, most: usize) -> bool {
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    begins && inner && text.len() <= most
}

define_owned_name!(
    /// The name of a template.
    TemplateName, "template name"
);
define_owned_name!(
    /// The name of a flow.
    FlowName, "flow name"
);
define_owned_name!(
    /// The name of an instance.
    InstanceName, "instance name"
);

define_text!(
    /// The name of a tenant: the owner of instances, templates, flows and tokens.
    TenantName
);

/// What stands for the installation itself where a tenant could stand.
const NOBODY: &str = "default";

impl TenantName {
    /// The name of a tenant, or what stands for the installation itself.
    #[must_use]
    pub fn or_default(tenant: Option<&Self>) -> &str {
        tenant.map_or(NOBODY, Self::as_str)
    }
}

impl Name for TenantName {
    const RULE: &'static str =
        "1 to 40 characters of a-z 0-9 -, beginning with a letter or digit, and not `default`";
}

impl FromStr for TenantName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_word(text, TENANT_LENGTH) && text != NOBODY {
            Ok(Self(text.into()))
        } else {
            let given = text.chars().take(64).collect();
            Err(NameError { what: "name of a tenant", rule: Self::RULE, given })
        }
    }
}

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

    #[test]
    fn a_tenant_stands_before_a_name_and_says_whose_it_is() {
        let (acme, other): (TenantName, TenantName) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let (own, bare): (InstanceName, InstanceName) = ("acme.crm".parse().unwrap(), "crm".parse().unwrap());
        assert_eq!((own.tenant(), bare.tenant()), (Some(acme.clone()), None));
        assert_eq!(bare.within(Some(&acme)), Some(own.clone()));
        assert_eq!(own.within(Some(&acme)), Some(own.clone()));
        assert_eq!((own.within(Some(&other)), own.within(None)), (None, None));
        assert_eq!(bare.within(None), Some(bare.clone()));
        assert!(own.is_of(Some(&acme)) && bare.is_of(None) && !own.is_of(None) && !bare.is_of(Some(&acme)));
        for text in ["a.b.c", ".a", "a.", "A.b", "a b.c"] {
            assert!(text.parse::<FlowName>().is_err(), "{text}");
        }
        assert!(format!("{}.a", "t".repeat(41)).parse::<FlowName>().is_err());
        assert!("a.b".parse::<TenantName>().is_err());
        assert!("default".parse::<TenantName>().is_err());
    }
}
