//! The acceptance suite: what every component must do, checked on an engine of its own by the path of live steps.
//!
//! What nothing shows is skipped and says so; it is never passed. A run is made once, whatever comes of it.

mod call;
mod cases;
mod credentials;
mod functions;
mod leaks;
mod prepare;
mod shutdown;
mod size;
mod timeouts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use sluice_declarative::Manifest;
use sluice_domain::ImageRef;
use sluice_engine::{Engine, INVOKE_TIMEOUT, INVOKE_TIMEOUT_MOST, Invoked};
use sluice_planner::schema_faults;
use sluice_protocol::{Descriptor, FunctionName};

use crate::acceptance::Case;
use crate::{Acceptance, Check, CheckName, Report, Secrets, Tape, Witness};
use call::Broken;

/// Where a suite runs: an engine that nobody else uses, and its container engine.
pub struct Bench {
    /// The engine. Its container engine is the witness.
    pub engine: Arc<Engine>,
    /// The container engine.
    pub witness: Arc<Witness>,
    /// How long a container may take to end.
    pub grace: Duration,
}

/// What is under test.
#[derive(Debug, Clone)]
pub enum Subject {
    /// An image.
    Image {
        /// Its name.
        image: ImageRef,
        /// What it says it is.
        descriptor: Box<Descriptor>,
    },
    /// A declarative connector.
    Declaration {
        /// It, leading its requests to wherever they are to go.
        manifest: Box<Manifest>,
        /// The image of the component that executes it.
        runner: ImageRef,
    },
}

impl Subject {
    /// What it says it is.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        match self {
            Self::Image { descriptor, .. } => (**descriptor).clone(),
            Self::Declaration { manifest, .. } => manifest.descriptor(),
        }
    }

    fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Image { .. } => None,
            Self::Declaration { manifest, .. } => Some(manifest),
        }
    }
}

/// A suite that is to be run.
pub struct Suite<'a> {
    bench: &'a Bench,
    subject: &'a Subject,
    descriptor: Descriptor,
    acceptance: &'a Acceptance,
    secrets: Secrets,
    bad_secrets: Secrets,
    tape: Tape,
    checks: Vec<Check>,
    /// What errors said, which must not be a secret.
    said: Vec<String>,
    /// What cannot be replayed.
    lost: Vec<String>,
    /// How the cases with a timeout ended.
    slow: Vec<Slow>,
    /// Whether the container does not come up any more, so that nothing waits for it.
    given_up: bool,
}

/// A case with a timeout, and how it ended.
struct Slow {
    function: FunctionName,
    case: Case,
    config: Value,
    answer: Result<String, String>,
}

/// A case that was run.
struct Ran<'c> {
    case: &'c Case,
    passed: bool,
    answer: Result<Invoked, Broken>,
}

impl<'a> Suite<'a> {
    /// A suite with the good secrets of the acceptance file, and such as must be refused. Where it names none, they are
    /// made up with `nonce`, a text that nobody else knows.
    #[must_use]
    pub fn new(
        (bench, subject): (&'a Bench, &'a Subject),
        acceptance: &'a Acceptance,
        (secrets, bad): (Secrets, Option<Secrets>),
        tape: Tape,
        nonce: &str,
    ) -> Self {
        let made_up = || {
            let refused =
                |field: &String| (field.clone(), SecretString::from(format!("refuse-{nonce}-{field}")));
            secrets.keys().map(refused).collect()
        };
        Self {
            bench,
            subject,
            descriptor: subject.descriptor(),
            acceptance,
            bad_secrets: bad.unwrap_or_else(made_up),
            secrets,
            tape,
            checks: Vec::new(),
            said: Vec::new(),
            lost: Vec::new(),
            slow: Vec::new(),
            given_up: false,
        }
    }

    /// Makes all checks.
    pub async fn run(mut self) -> Report {
        self.schemas();
        if self.prepare().await {
            self.credentials().await;
            let names: BTreeMap<FunctionName, ()> = self
                .descriptor
                .triggers
                .keys()
                .chain(self.descriptor.actions.keys())
                .map(|name| (name.clone(), ()))
                .collect();
            for name in names.keys() {
                self.function(name).await;
            }
            self.timeouts();
            self.input_size().await;
            self.shutdown().await;
            self.leaks().await;
        }
        self.recording();
        Report {
            component: self.descriptor.name.to_string(),
            version: self.descriptor.version.to_string(),
            checks: self.checks,
        }
    }

    fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Whether a check is to be made; says that it is skipped otherwise.
    fn wants(&mut self, check: CheckName, function: Option<&FunctionName>) -> bool {
        let Some(reason) = self.acceptance.skip.get(&check) else { return true };
        let skipped = Check::skipped(check, format!("the acceptance file says: {reason}"));
        self.add(match function {
            Some(function) => skipped.about(function),
            None => skipped,
        });
        false
    }

    fn patience(&self) -> Duration {
        self.acceptance.patience.map_or(INVOKE_TIMEOUT, |patience| patience.get().min(INVOKE_TIMEOUT_MOST))
    }

    fn schemas(&mut self) {
        if !self.wants(CheckName::Schemas, None) {
            return;
        }
        let Descriptor { settings, secrets, triggers, actions, .. } = &self.descriptor;
        let mut all: Vec<(String, &Option<Value>)> =
            vec![("/settings".to_owned(), settings), ("/secrets".to_owned(), secrets)];
        for (name, one) in triggers {
            let fields = [("config", &one.config), ("output", &one.output)];
            all.extend(fields.map(|(field, schema)| (format!("/triggers/{name}/{field}"), schema)));
        }
        for (name, one) in actions {
            let fields = [("config", &one.config), ("input", &one.input), ("output", &one.output)];
            all.extend(fields.map(|(field, schema)| (format!("/actions/{name}/{field}"), schema)));
        }
        let schemas: Vec<(&String, &Value)> =
            all.iter().filter_map(|(place, schema)| Some((place, schema.as_ref()?))).collect();
        let faults: Vec<String> = schemas
            .iter()
            .flat_map(|(place, schema)| {
                let faults = schema_faults(schema).into_iter();
                faults.map(move |fault| format!("{place}{}: {}", fault.pointer, fault.message))
            })
            .collect();
        let check = match (schemas.len(), faults.is_empty()) {
            (0, _) => Check::skipped(CheckName::Schemas, "the descriptor has no schema"),
            (count, true) => Check::of(CheckName::Schemas, Ok(format!("{count} schemas"))),
            (_, false) => Check::of(CheckName::Schemas, Err(faults.join("; "))),
        };
        self.add(check);
    }

    fn recording(&mut self) {
        if self.tape.listens() {
            let lost = std::mem::take(&mut self.lost);
            let result = if lost.is_empty() { Ok(String::new()) } else { Err(lost.join("; ")) };
            self.add(Check::of(CheckName::Recording, result));
        }
    }
}
