//! `--wait` and `--timeout`: until a flow is as it should be.

use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use sluice_domain::Delay;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::{Code, Exit, Failure};
use crate::output::{Out, is_interactive};

/// How often to look.
const LOOK: Duration = Duration::from_millis(500);

/// Whether to wait.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Wait until it is so.
    #[arg(long)]
    wait: bool,
    /// How long to wait at most; exit code 124 after that.
    #[arg(long, default_value = "2m", value_name = "TIME")]
    timeout: Delay,
}

/// Somebody who waits.
pub(crate) struct Patience {
    until: Instant,
    bar: ProgressBar,
}

impl Patience {
    /// Begins to wait, if it was asked for.
    pub(crate) fn begin(wait: &Wait, out: &Out) -> Option<Self> {
        let bar = ProgressBar::new_spinner();
        if out.quiet || !is_interactive() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        wait.wait.then(|| Self { until: Instant::now() + wait.timeout.get(), bar })
    }

    /// Waits until a flow is what its operator wants of it.
    pub(crate) async fn settled(&self, client: &Client, name: &str) -> Result<(), Failure> {
        self.until(client, name, |flow| {
            flow.is_some_and(|flow| match flow.flow.intent.as_str() {
                "run" => matches!(flow.status.as_str(), "running" | "crowded"),
                "pause" => flow.status == "paused",
                "stop" => flow.status == "stopped",
                _ => false,
            })
        })
        .await
    }

    /// Waits until a flow is gone.
    pub(crate) async fn gone(&self, client: &Client, name: &str) -> Result<(), Failure> {
        self.until(client, name, |flow| flow.is_none()).await
    }

    /// Waits a moment, while it shows `what` it waits for. False when the time is up.
    pub(crate) async fn rest(&self, what: &str) -> bool {
        self.bar.set_message(what.to_owned());
        if Instant::now() >= self.until {
            self.bar.finish_and_clear();
            return false;
        }
        tokio::time::sleep(LOOK).await;
        true
    }

    async fn until(
        &self,
        client: &Client,
        name: &str,
        so: impl Fn(Option<&dto::Flow>) -> bool,
    ) -> Result<(), Failure> {
        loop {
            let flow = match client.get::<dto::Flow>(&["api", "v1", "flows", name], &[]).await {
                Ok(flow) => Some(flow),
                Err(failure) if failure.exit == Exit::NotFound => None,
                Err(failure) => return Err(failure),
            };
            if so(flow.as_ref()) {
                self.bar.finish_and_clear();
                return Ok(());
            }
            let status = flow.map_or_else(|| "gone".to_owned(), |flow| describe(&flow));
            self.bar.set_message(format!("{name}: {status}"));
            if Instant::now() >= self.until {
                self.bar.finish_and_clear();
                let message = format!("the flow `{name}` is still {status}");
                return Err(
                    Failure::new(Code::WaitedTooLong, message).help("`sluice flow logs` may tell why")
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn describe(flow: &dto::Flow) -> String {
    match flow.reasons.as_slice() {
        [] => flow.status.clone(),
        reasons => format!("{} ({})", flow.status, reasons.join("; ")),
    }
}
