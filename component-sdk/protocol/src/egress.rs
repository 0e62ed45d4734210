//! What a component may reach: hosts that it names itself, and hosts that people name in settings, secrets and configs.
//!
//! Whoever writes a rule decides how far it reaches. A host that is named is one that people chose, so it may be an
//! internal one. A host that only a wildcard lets in may be chosen by whoever answered, so it has to be a public one.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most entries of each list.
const ENTRIES: usize = 64;
/// Most characters of an entry.
const ENTRY_CHARS: usize = 256;

/// What a component may reach. One that says nothing reaches nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// Hosts that are always the same, as [`HostRule`]s with a port: `api.example.com:443`, `*.example.com:443`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// JSON pointers into the instance's settings, to a URL, a `host:port` or a list of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// JSON pointers of one segment to secrets of the instance that hold the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// JSON pointers into the config of a step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<String>,
    /// JSON pointers into the mapping of a step's input. Only texts count that are no expressions: what a message says
    /// never opens a way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input: Vec<String>,
    /// Whether the configs of its steps are calls of declarative connectors, whose hosts count: that of `base_url`, those
    /// of `allowed_hosts`, that of a login.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declarations: bool,
}

/// An entry that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pointer}` {reason}")]
pub struct EgressFault {
    /// Where it is in the descriptor, as a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub reason: String,
}

impl Egress {
    /// Everything that cannot be used, in the order of the fields.
    #[must_use]
    pub fn faults(&self) -> Vec<EgressFault> {
        let mut faults = Vec::new();
        for (name, entries) in self.lists() {
            let mut fault = |place: String, reason: String| {
                faults.push(EgressFault { pointer: format!("/egress/{name}{place}"), reason });
            };
            if entries.len() > ENTRIES {
                fault(String::new(), format!("has more than {ENTRIES} entries"));
            }
            for (number, entry) in entries.iter().take(ENTRIES).enumerate() {
                let reason = if name == "hosts" { host_fault(entry) } else { pointer_fault(name, entry) };
                if let Some(reason) = reason {
                    fault(format!("/{number}"), reason);
                }
            }
        }
        faults
    }

    /// The rules for hosts that are always the same.
    pub fn rules(&self) -> impl Iterator<Item = HostRule> {
        self.hosts.iter().filter_map(|text| text.parse().ok())
    }

    fn lists(&self) -> [(&'static str, &[String]); 5] {
        [
            ("hosts", &self.hosts),
            ("settings", &self.settings),
            ("secrets", &self.secrets),
            ("config", &self.config),
            ("input", &self.input),
        ]
    }
}

fn host_fault(entry: &str) -> Option<String> {
    match entry.parse::<HostRule>() {
        Err(error) => Some(error.to_string()),
        Ok(HostRule { port: None, .. }) => Some("has no port, as in `api.example.com:443`".to_owned()),
        Ok(_) => None,
    }
}

fn pointer_fault(list: &str, entry: &str) -> Option<String> {
    if !entry.starts_with('/') || entry.len() > ENTRY_CHARS {
        return Some(format!("is no JSON pointer of at most {ENTRY_CHARS} characters, as in `/base_url`"));
    }
    let deep = entry.matches('/').count() > 1;
    (list == "secrets" && deep).then(|| "names more than a secret, as in `/url`".to_owned())
}

/// Which hosts: one, or all below one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Pattern {
    Exact(Box<str>),
    /// Every host below it, with the dot before it.
    Below(Box<str>),
}

/// A host that may be reached, or all below one, at one port or at all: `api.example.com:443`, `*.example.com`,
/// `10.0.0.7:5672`, `[fd00::1]:443`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostRule {
    hosts: Pattern,
    port: Option<u16>,
}

/// Which addresses a connection may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Those of the public internet.
    Public,
    /// Private ones too.
    Internal,
}

/// A text that is no [`HostRule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no host such as `api.example.com:443` or `*.example.com:443`")]
pub struct HostRuleError;

impl HostRule {
    /// A rule for one host, given as it is written in a URL, at one port or at all.
    ///
    /// # Errors
    /// When it is no host.
    pub fn exact(host: &str, port: Option<u16>) -> Result<Self, HostRuleError> {
        Ok(Self { hosts: Pattern::Exact(host_name(host)?), port })
    }

    /// How far the rule reaches where it fits a host, in its canonical form, and a port.
    #[must_use]
    pub fn reach(&self, host: &str, port: u16) -> Option<Reach> {
        if self.port.is_some_and(|only| only != port) {
            return None;
        }
        match &self.hosts {
            Pattern::Exact(exact) => (host == &**exact).then_some(Reach::Internal),
            Pattern::Below(below) => {
                (host.len() > below.len() && host.ends_with(&**below)).then_some(Reach::Public)
            }
        }
    }
}

/// The canonical form of a host: an address as it is written without brackets, or a name in lower case without the dot of
/// the root.
fn host_name(text: &str) -> Result<Box<str>, HostRuleError> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
        return Ok(address.to_string().into());
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    if bare.is_some() || name.len() > 253 || !name.split('.').all(label) {
        return Err(HostRuleError);
    }
    Ok(name.into())
}

impl FromStr for HostRule {
    type Err = HostRuleError;

    fn from_str(text: &str) -> Result<Self, HostRuleError> {
        if text.len() > ENTRY_CHARS {
            return Err(HostRuleError);
        }
        // A colon inside of brackets, or one of several, belongs to an address of version 6.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) => {
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| digits && *port > 0).ok_or(HostRuleError)?;
                (host, Some(port))
            }
            Some(_) | None => (text, None),
        };
        match host.strip_prefix("*.") {
            None => Self::exact(host, port),
            Some(below) if below.parse::<IpAddr>().is_ok() || below.starts_with('[') => Err(HostRuleError),
            Some(below) => Ok(Self { hosts: Pattern::Below(format!(".{}", host_name(below)?).into()), port }),
        }
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Pattern::Exact(host) if host.contains(':') => write!(f, "[{host}]")?,
            Pattern::Exact(host) => f.write_str(host)?,
            Pattern::Below(below) => write!(f, "*{below}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(rule: &str, host: &str, port: u16) -> Option<Reach> {
        rule.parse::<HostRule>().unwrap().reach(host, port)
    }

    #[test]
    fn a_rule_fits_its_hosts_and_no_others() {
        for (rule, host, port, expect) in [
            ("api.example.com:443", "api.example.com", 443, Some(Reach::Internal)),
            ("API.Example.com.:443", "api.example.com", 443, Some(Reach::Internal)),
            ("api.example.com:443", "api.example.com", 8443, None),
            ("api.example.com:443", "x.api.example.com", 443, None),
            ("api.example.com", "api.example.com", 8443, Some(Reach::Internal)),
            ("*.example.com:443", "a.b.example.com", 443, Some(Reach::Public)),
            ("*.example.com:443", "example.com", 443, None),
            ("*.example.com:443", "evilexample.com", 443, None),
            ("10.0.0.7:5672", "10.0.0.7", 5672, Some(Reach::Internal)),
            ("[fd00:0::1]:443", "fd00::1", 443, Some(Reach::Internal)),
            ("fd00::1", "fd00::1", 443, Some(Reach::Internal)),
        ] {
            assert_eq!(reach(rule, host, port), expect, "{rule} {host}:{port}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*:443",
            "a b:1",
            "http://a",
            "a:0",
            "a:65536",
            "a:+1",
            "a:",
            "a..b:1",
            "*.*.a:1",
            "[10.0.0.1:1",
            "*.10.0.0.1:1",
            "a/b:1",
            "a@b:1",
            "[x]:1",
        ] {
            assert!(text.parse::<HostRule>().is_err(), "{text}");
        }
        assert!(format!("{}:1", "a".repeat(300)).parse::<HostRule>().is_err());
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in ["api.example.com:443", "*.example.com:443", "a.test", "[fd00::1]:443", "10.0.0.7:5672"] {
            assert_eq!(text.parse::<HostRule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn all_faults_are_told_with_their_places() {
        let egress = Egress {
            hosts: vec!["api.example.com:443".into(), "api.example.com".into(), "http://x".into()],
            settings: vec!["base_url".into()],
            secrets: vec!["/a/b".into()],
            config: vec!["/url".into(); ENTRIES + 1],
            ..Egress::default()
        };
        let faults = egress.faults();
        let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        let expect = [
            "/egress/hosts/1",
            "/egress/hosts/2",
            "/egress/settings/0",
            "/egress/secrets/0",
            "/egress/config",
        ];
        assert_eq!(places, expect);
    }
}
