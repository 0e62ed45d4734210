//! One run of one function.

use std::time::Duration;

use serde_json::Value;
use sluice_engine::{CommandError, DeploymentStatus, DeploymentView, InvokeRequest, Invoked, Trial};
use sluice_protocol::FunctionName;
use tokio::time::{Instant, interval};

use super::Suite;

/// The instance with the good secrets.
pub(super) const GOOD: &str = "acceptance";
/// The instance with secrets that must be refused.
pub(super) const BAD: &str = "acceptance-bad";

/// How long a container that ended may take to come up again.
const SETTLE: Duration = Duration::from_secs(30);
/// How often it is looked whether it did.
const LOOK: Duration = Duration::from_millis(100);

/// What to run.
pub(super) struct Call {
    /// What the recording calls it.
    pub(super) scope: String,
    pub(super) instance: &'static str,
    pub(super) function: FunctionName,
    pub(super) config: Value,
    /// The input, or the cursor of a trigger.
    pub(super) input: Value,
    pub(super) trial: Trial,
}

/// A run that no outcome came of.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    /// The code of the refusal, where there is one.
    pub(super) code: Option<&'static str>,
    pub(super) message: String,
}

impl Suite<'_> {
    /// Runs a function once.
    pub(super) async fn call(&mut self, call: Call) -> Result<Invoked, Broken> {
        let Call { scope, instance, function, config, input, trial } = call;
        self.settle().await;
        self.tape.begin(&scope);
        let request = InvokeRequest {
            instance: instance.parse().expect("it is the name of an instance"),
            function,
            config,
            input,
            timeout: self.patience(),
            trace: self.tape.listens(),
            depth: 0,
        };
        let answer = self.bench.engine.try_out(request, trial).await.map_err(broken);
        match &answer {
            Ok(invoked) => {
                self.said.extend(invoked.error.iter().map(|error| error.message.clone()));
                match self.tape.end(&scope, &invoked.exchanges) {
                    Ok(lost) => self.lost.extend(lost),
                    Err(error) => self.lost.push(sluice_engine::chain(&error)),
                }
            }
            Err(broken) => self.said.push(broken.message.clone()),
        }
        answer
    }

    /// Waits for a container that is to be started again, so that a run is not blamed for the one before.
    async fn settle(&mut self) {
        let begun = Instant::now();
        let mut look = interval(LOOK);
        while !self.given_up && self.is_down().await {
            look.tick().await;
            self.given_up = begun.elapsed() > SETTLE;
        }
    }

    async fn is_down(&self) -> bool {
        let deployments = self.bench.engine.deployments().await.unwrap_or_default();
        let ended = |one: &DeploymentView| {
            // The engine may not have noticed yet.
            one.container.as_ref().is_some_and(|container| self.bench.witness.has_ended(container.start))
        };
        deployments.iter().any(|one| one.status == DeploymentStatus::CrashLoop || ended(one))
    }

    /// Why a run failed, with what may explain it.
    pub(super) fn explain(&self, answer: &Result<Invoked, Broken>) -> String {
        let mut text = match answer {
            Ok(invoked) => match &invoked.error {
                Some(error) => format!("it failed: {}: {}", error.code, error.message),
                None => format!("it succeeded with {} outputs", invoked.outputs.len()),
            },
            Err(broken) => broken.message.clone(),
        };
        let died =
            answer.as_ref().is_ok_and(|it| it.error.as_ref().is_some_and(|e| e.code == "component_died"));
        let down = answer.as_ref().is_err_and(|broken| broken.code == Some("component_down"));
        let ends = self.bench.witness.ends();
        if (died || down) && !ends.is_empty() {
            text += &format!(" (containers ended with code {ends})");
        }
        let misses = self.tape.misses();
        if !misses.is_empty() {
            text += &format!("; not in the recording: {}", misses.join(", "));
        }
        text
    }
}

fn broken(error: CommandError) -> Broken {
    let code = match &error {
        CommandError::BadRequest { code, .. } | CommandError::Conflict { code, .. } => Some(*code),
        _ => None,
    };
    Broken { code, message: describe(&error) }
}

/// An error of a command in one line, with the faults of files.
pub(super) fn describe(error: &CommandError) -> String {
    match error {
        CommandError::Invalid(report) => {
            let faults: Vec<String> =
                report.errors().map(|fault| format!("{}: {}", fault.code, fault.message)).collect();
            faults.join("; ")
        }
        other => sluice_engine::chain(other),
    }
}
