//! What is wrong with scripts and their uses. The code itself is read where it runs, in the component `rest`.

use std::collections::BTreeSet;

use sluice_protocol::FunctionName;

use super::auth::is_secret;
use super::{Check, ProblemKind};
use crate::script::{SOURCE_BYTES, SOURCES_BYTES, USES};
use crate::{Action, Auth, AuthType, Manifest, Response, Trigger};

impl Check {
    pub(super) fn scripts(&mut self, manifest: &Manifest) {
        self.sources(manifest);
        self.uses(manifest);
        for (name, action) in &manifest.actions {
            let at = format!("/actions/{name}");
            self.kind_of(&at, action);
            for (field, script) in
                [("script", &action.script), ("before", &action.before), ("after", &action.after)]
            {
                self.known(&format!("{at}/{field}"), script.as_ref(), manifest);
            }
        }
        for (name, trigger) in &manifest.triggers {
            if let Trigger::Polling(trigger) = trigger {
                self.known(&format!("/triggers/{name}/after"), trigger.after.as_ref(), manifest);
            }
        }
    }

    fn uses(&mut self, manifest: &Manifest) {
        if manifest.uses.len() > USES {
            let text = format!("a connector uses at most {USES} others");
            self.add("/uses", ProblemKind::Value, text, "leave some out");
        }
        if !manifest.uses.is_empty() && manifest.scripts.is_empty() {
            let text = "`uses` is for scripts, and there is none";
            self.add("/uses", ProblemKind::Value, text, "remove it, or write a script that calls the other");
        }
    }

    fn sources(&mut self, manifest: &Manifest) {
        let mut all = 0;
        for (name, script) in &manifest.scripts {
            let (at, bytes) = (format!("/scripts/{name}/code"), script.code.len());
            all += bytes;
            if script.code.trim().is_empty() {
                let text = "the script has no code";
                self.add(at, ProblemKind::Missing, text, "write for example `(input) => input`");
            } else if bytes > SOURCE_BYTES {
                let text = format!("the code has {bytes} bytes, more than {SOURCE_BYTES}");
                self.add(at, ProblemKind::Value, text, "divide it into several scripts");
            }
        }
        if all > SOURCES_BYTES {
            let text = format!("the scripts have {all} bytes together, more than {SOURCES_BYTES}");
            self.add("/scripts", ProblemKind::Value, text, "make them shorter");
        }
    }

    pub(super) fn signing(&mut self, at: &str, auth: &Auth, manifest: &Manifest) {
        match (auth.kind, &auth.script) {
            (AuthType::Script, None) => {
                let text = "the type `script` needs `script`, which signs requests";
                self.add(at, ProblemKind::Missing, text, "name one of `scripts`");
            }
            (AuthType::Script, Some(script)) => self.known(&format!("{at}/script"), Some(script), manifest),
            (_, Some(_)) => {
                let text = "`script` says nothing for another type of authorisation";
                self.add(
                    format!("{at}/script"),
                    ProblemKind::Value,
                    text,
                    "write `type: script`, or remove it",
                );
            }
            (_, None) => {}
        }
        if !matches!(auth.kind, AuthType::Script | AuthType::Session) && !auth.secrets.is_empty() {
            let text = "the secrets of this type of authorisation have fixed names";
            self.add(
                format!("{at}/secrets"),
                ProblemKind::Value,
                text,
                "write `type: script` or `session`, or remove it",
            );
        }
        let mut seen = BTreeSet::new();
        for (index, name) in auth.secrets.iter().enumerate() {
            let text = if !is_secret(name) {
                "the name of a secret has 1 to 64 letters, digits and `_`"
            } else if !seen.insert(name) {
                "the secret is named twice"
            } else {
                continue;
            };
            self.add(format!("{at}/secrets/{index}"), ProblemKind::Value, text, "give it another name");
        }
    }

    /// An action has either a request or a script, and with a script nothing that belongs to a request.
    fn kind_of(&mut self, at: &str, action: &Action) {
        match (&action.request, &action.script) {
            (None, None) => {
                let text = "the action has neither a request nor a script";
                self.add(at, ProblemKind::Missing, text, "give it `request` or `script`");
            }
            (Some(_), Some(_)) => {
                let text = "the action has both a request and a script";
                let help = "remove one; a script calls requests of other actions with `invoke`";
                self.add(format!("{at}/script"), ProblemKind::Value, text, help);
            }
            (Some(_), None) => {}
            (None, Some(_)) => {
                for (field, there) in [
                    ("before", action.before.is_some()),
                    ("after", action.after.is_some()),
                    ("response", action.response != Response::default()),
                    ("pagination", action.pagination.is_some()),
                ] {
                    if there {
                        let text = format!("`{field}` belongs to a request, and the action has a script");
                        self.add(format!("{at}/{field}"), ProblemKind::Value, text, "remove it");
                    }
                }
            }
        }
    }

    pub(super) fn known(&mut self, at: &str, name: Option<&FunctionName>, manifest: &Manifest) {
        if let Some(name) = name.filter(|name| !manifest.scripts.contains_key(*name)) {
            let text = format!("there is no script `{name}`");
            self.add(at, ProblemKind::Unknown, text, "write it under `scripts`");
        }
    }
}

#[cfg(test)]
mod tests;
