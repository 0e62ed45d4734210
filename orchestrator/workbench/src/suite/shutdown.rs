//! SIGTERM: the process ends in time with exit code 0, and what was under way is answered.

use std::time::Duration;

use serde_json::{Map, Value};
use sluice_domain::{ContainerStartId, ExitInfo};
use sluice_engine::{Invoked, Trial};
use sluice_ports::PortError;
use sluice_ports::runtime::Runtime;
use tokio::time::{Instant, interval, sleep};

use super::Suite;
use super::call::{Broken, Call, GOOD};
use crate::recording::scope;
use crate::{Check, CheckName};

/// How long a run is under way before the signal. One that did not begin by then runs in the next container, which is
/// as good.
const HEAD_START: Duration = Duration::from_millis(300);
/// How long the container engine may take to tell how a container ended.
const TELL: Duration = Duration::from_secs(10);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(50);

impl Suite<'_> {
    pub(super) async fn shutdown(&mut self) {
        if !self.wants(CheckName::Shutdown, None) {
            return;
        }
        let check = match self.end().await {
            Ok(check) => check,
            Err(error) => Check::of(CheckName::Shutdown, Err(sluice_engine::chain(&error))),
        };
        self.add(check);
    }

    async fn end(&mut self) -> Result<Check, PortError> {
        let (witness, grace) = (self.bench.witness.clone(), self.bench.grace);
        let Some(container) = witness.running().await?.into_iter().next() else {
            return Ok(Check::skipped(CheckName::Shutdown, "no case started a container that still runs"));
        };
        let call = self.slow.first().map(|slow| Call {
            scope: scope(&["shutdown"]),
            instance: GOOD,
            function: slow.function.clone(),
            config: slow.config.clone(),
            input: match &slow.case.input {
                Some(input) => input.clone(),
                None if self.descriptor.actions.contains_key(&slow.function) => Value::Object(Map::new()),
                None => slow.case.cursor.clone().unwrap_or_default(),
            },
            trial: Trial { as_it_is: true, run_for: slow.case.timeout.map(|timeout| timeout.get()) },
        });
        let under_way = call.is_some();
        let stop = async {
            if under_way {
                sleep(HEAD_START).await;
            }
            let begun = Instant::now();
            witness.stop(&container.name, grace).await.map(|()| begun.elapsed())
        };
        let run = async {
            match call {
                Some(call) => Some(self.call(call).await),
                None => None,
            }
        };
        let (answer, took) = tokio::join!(run, stop);
        let took = took?;
        let exit = self.exit(container.start).await?;
        Ok(Check::of(CheckName::Shutdown, self.ended(exit, took, answer.as_ref())))
    }

    /// How a container ended; waits a while for it.
    pub(super) async fn exit(&self, start: ContainerStartId) -> Result<Option<ExitInfo>, PortError> {
        let begun = Instant::now();
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            let exit = self.bench.witness.exit(start).await?;
            if exit.is_some() || begun.elapsed() > TELL {
                return Ok(exit);
            }
        }
    }

    fn ended(
        &self,
        exit: Option<ExitInfo>,
        took: Duration,
        answer: Option<&Result<Invoked, Broken>>,
    ) -> Result<String, String> {
        let after = format!("after {} ms", took.as_millis());
        match exit {
            None => return Err("the container engine does not tell how it ended".to_owned()),
            Some(exit) if exit.code == 137 => {
                let seconds = self.bench.grace.as_secs();
                return Err(format!("it did not end within {seconds} s and was killed"));
            }
            Some(exit) if exit.code != 0 => return Err(format!("it ended with code {} {after}", exit.code)),
            Some(_) => {}
        }
        let Some(answer) = answer else {
            return Ok(format!("code 0 {after}; nothing was under way, since no case has a `timeout`"));
        };
        match answer {
            Ok(invoked) => match &invoked.error {
                Some(error) if error.code == "component_died" => {
                    Err(format!("code 0 {after}, but the run that was under way was never answered"))
                }
                Some(error) => Ok(format!("code 0 {after}; the run under way ended with `{}`", error.code)),
                None => Ok(format!("code 0 {after}; the run under way succeeded")),
            },
            Err(_) => Err(format!("code 0 {after}, but the run under way: {}", self.explain(answer))),
        }
    }
}
