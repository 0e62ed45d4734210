//! What an inspection shows.

use serde::Serialize;
use sluice_protocol::{Descriptor, Egress, TriggerKind};
use sluice_workbench::{Finding, Severity, usable};

use crate::cli::Done;
use crate::failure::Exit;
use crate::output::{Out, Table};

/// What an inspection shows.
#[derive(Debug, Serialize)]
pub(super) struct Inspected {
    /// What was inspected, as it was named.
    target: String,
    /// Whether it is a usable component.
    usable: bool,
    /// Its name and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    /// Its functions.
    functions: Vec<Function>,
    /// What it may reach; nothing when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    egress: Option<Egress>,
    /// What was found, the worst first.
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Function {
    name: String,
    kind: &'static str,
    title: String,
    /// Which schemas it has.
    schemas: Vec<&'static str>,
}

impl Inspected {
    pub(super) fn new(target: String, descriptor: Option<&Descriptor>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.severity);
        Self {
            target,
            usable: usable(&findings),
            component: descriptor.map(|it| format!("{} {}", it.name, it.version)),
            functions: descriptor.map(functions).unwrap_or_default(),
            egress: descriptor.and_then(|it| it.egress.clone()),
            findings,
        }
    }

    /// Prints it. What is not usable ends with the exit code 1.
    pub(super) fn show(&self, out: &Out) -> Done {
        let codes = || self.findings.iter().map(|finding| finding.code.clone()).collect();
        out.show(self, codes, || self.text())?;
        Ok((!self.usable).then_some(Exit::Failed))
    }

    fn text(&self) -> String {
        let what = self.component.as_ref().map_or_else(String::new, |component| format!(": {component}"));
        let mut text = match self.usable {
            true => format!("{} is a usable component{what}\n", self.target),
            false => format!("{} is no usable component{what}\n", self.target),
        };
        if !self.functions.is_empty() {
            let mut table = Table::new(&["function", "kind", "schemas", "title"]);
            for one in &self.functions {
                table.row([one.name.clone(), one.kind.to_owned(), one.schemas.join(", "), one.title.clone()]);
            }
            text += &format!("\n{}", table.text(""));
        }
        if self.component.is_some() {
            text += &format!("\nreaches: {}\n", reaches(self.egress.as_ref()));
        }
        for finding in &self.findings {
            text += &format!("\n{}", line(finding));
        }
        text
    }
}

/// What it may reach, in a line.
fn reaches(egress: Option<&Egress>) -> String {
    let Some(egress) = egress else { return "nothing".to_owned() };
    let mut parts = egress.hosts.clone();
    let named = [
        ("the setting", &egress.settings),
        ("the secret", &egress.secrets),
        ("the step's config", &egress.config),
        ("the step's input", &egress.input),
    ];
    for (what, pointers) in named {
        parts.extend(pointers.iter().map(|pointer| format!("hosts of {what} {pointer}")));
    }
    if egress.declarations {
        parts.push("hosts of declarative connectors".to_owned());
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn line(finding: &Finding) -> String {
    let place = finding.place.as_ref().map_or_else(String::new, |place| format!("\n  --> {place}"));
    let help = match finding.severity {
        Severity::Note => "",
        Severity::Error | Severity::Warning => &finding.help,
    };
    let help = if help.is_empty() { String::new() } else { format!("\n  help: {help}") };
    format!("{}[{}]: {}{place}{help}\n", finding.severity, finding.code, finding.message)
}

fn functions(descriptor: &Descriptor) -> Vec<Function> {
    let named = |all: &[(&'static str, bool)]| -> Vec<&'static str> {
        all.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect()
    };
    let triggers = descriptor.triggers.iter().map(|(name, one)| Function {
        name: name.to_string(),
        kind: match one.kind {
            TriggerKind::Polling => "polling trigger",
            TriggerKind::Listener => "listener",
            TriggerKind::Webhook => "webhook",
        },
        title: one.title.clone(),
        schemas: named(&[("config", one.config.is_some()), ("output", one.output.is_some())]),
    });
    let actions = descriptor.actions.iter().map(|(name, one)| Function {
        name: name.to_string(),
        kind: "action",
        title: one.title.clone(),
        schemas: named(&[
            ("config", one.config.is_some()),
            ("input", one.input.is_some()),
            ("output", one.output.is_some()),
        ]),
    });
    triggers.chain(actions).collect()
}
