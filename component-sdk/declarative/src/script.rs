//! Scripts: JavaScript functions of a connector, and which of them a function needs.
//!
//! Nothing here reads JavaScript: who uses what is found by the names in the code. What is wrong with the code itself shows
//! when a step is bound in the component `rest`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_protocol::FunctionName;

use crate::{Action, Manifest};

/// Longest code of one script, in bytes.
pub(crate) const SOURCE_BYTES: usize = 64 * 1024;
/// Most that all scripts of a connector may have together, in bytes.
pub(crate) const SOURCES_BYTES: usize = 256 * 1024;

/// Most other connectors that scripts of one may call.
pub(crate) const USES: usize = 8;

/// A JavaScript function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// An expression that gives a function, such as `function (input, cx) { ... }`: at most 64 KiB.
    pub code: String,
}

/// What functions need of the scripts and actions of a manifest.
pub(crate) struct Needs<'m> {
    manifest: &'m Manifest,
    pub(crate) scripts: BTreeMap<FunctionName, String>,
    pub(crate) actions: BTreeSet<FunctionName>,
}

impl<'m> Needs<'m> {
    /// What authorisation needs.
    pub(crate) fn of(manifest: &'m Manifest) -> Self {
        let mut needs = Self { manifest, scripts: BTreeMap::new(), actions: BTreeSet::new() };
        needs.script(manifest.auth.signer());
        needs
    }

    /// Adds a script, and the others that its code names. A name that nothing has is no concern here.
    pub(crate) fn script(&mut self, name: Option<&FunctionName>) {
        let found = name.and_then(|name| self.manifest.scripts.get_key_value(name));
        let Some((name, script)) = found else { return };
        if self.scripts.insert(name.clone(), script.code.clone()).is_some() {
            return;
        }
        for other in self.manifest.scripts.keys() {
            if names(&script.code, other.as_str()) {
                self.script(Some(other));
            }
        }
    }

    /// Adds the scripts of an action, and the actions that those call.
    pub(crate) fn action(&mut self, action: &Action) {
        for name in [&action.before, &action.after, &action.script] {
            self.script(name.as_ref());
        }
        if action.script.is_none() {
            return;
        }
        let called: Vec<&FunctionName> = self
            .manifest
            .actions
            .keys()
            .filter(|name| {
                !self.actions.contains(*name) && self.scripts.values().any(|code| names(code, name.as_str()))
            })
            .collect();
        for name in called {
            if self.actions.insert(name.clone()) {
                self.action(&self.manifest.actions[name]);
            }
        }
    }
}

/// Whether a name stands in the code as a word of its own.
fn names(code: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    code.match_indices(name)
        .any(|(at, _)| !code[..at].ends_with(is_part) && !code[at + name.len()..].starts_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_name_is_found_as_a_word_of_its_own() {
        for (code, found) in [
            ("scripts.sign(1)", true),
            ("invoke('sign')", true),
            ("sign", true),
            ("scripts.sign_all()", false),
            ("scripts.resign()", false),
            ("a$sign + signs", false),
            ("resign + sign", true),
        ] {
            assert_eq!(names(code, "sign"), found, "{code}");
        }
    }
}
