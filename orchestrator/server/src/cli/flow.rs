//! `sluice flow`.

mod hooks;
mod said;
mod show;

pub(super) use show::duration;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use futures_util::StreamExt;
use serde_json::Value;
use sluice_http::dto;

use super::wait::{Patience, Wait};
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::files;
use crate::output::Out;

#[derive(Debug, Subcommand)]
pub(crate) enum Flow {
    /// List the flows. `sluice apply` makes and changes them.
    List,
    /// Show a flow: its graph, how it stands and why, its counters.
    Get {
        /// Its name or id.
        flow: String,
    },
    /// Start a flow, or let a paused one go on.
    Start(Change),
    /// Pause a flow: triggers are silent and messages wait.
    Pause(Change),
    /// Stop a flow: triggers are silent, what is under way finishes, containers that nobody else needs go.
    Stop(Change),
    /// Delete a flow when what is under way is finished, or at once.
    Delete(Delete),
    /// Fire a trigger at once, or send a message as if a trigger had emitted it.
    Trigger(Trigger),
    /// Show what the containers of a flow wrote.
    ///
    /// In the order of time, unless it goes on with new lines. `-o json` gives each line as it was written.
    Logs {
        /// Its name or id.
        flow: String,
        /// How many past lines of each container.
        #[arg(long, default_value_t = 100)]
        tail: u32,
        /// Go on with new lines.
        #[arg(short, long)]
        follow: bool,
    },
    /// Show the URLs of a flow's webhooks, rotate them or revoke them.
    Hooks(hooks::Hooks),
    /// Show step runs as they happen, of one flow or of all.
    Tail {
        /// Its name or id.
        flow: Option<String>,
    },
}

/// A change of what is wanted of a flow.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Its name or id.
    flow: String,
    #[command(flatten)]
    wait: Wait,
}

/// The end of a flow.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    change: Change,
    /// Do not wait for what is under way: throw away what waits in lanes of the flow's own. What comes of it afterwards
    /// becomes dead letters. For flows that cannot come to their end, such as one whose container does not start.
    #[arg(long)]
    discard: bool,
}

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct Trigger {
    /// Its name or id.
    flow: String,
    /// The trigger; may be left out when the flow has only one.
    #[arg(long)]
    step: Option<String>,
    /// The message, as JSON.
    #[arg(long, conflicts_with = "body_file", value_name = "JSON")]
    body: Option<String>,
    /// The file that holds the message; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
}

impl Flow {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        match self {
            Self::List => show::list(&out, &client.list(&["api", "v1", "flows"], &[], usize::MAX).await?),
            Self::Get { flow } => show::get(&out, &client.get(&["api", "v1", "flows", &flow], &[]).await?),
            Self::Start(change) => want(&out, &client, change, "start").await,
            Self::Pause(change) => want(&out, &client, change, "pause").await,
            Self::Stop(change) => want(&out, &client, change, "stop").await,
            Self::Delete(end) => delete(&out, &client, end).await,
            Self::Trigger(trigger) => send(&out, &client, trigger).await,
            Self::Logs { flow, tail, follow } => logs(&out, &client, &flow, tail, follow).await,
            Self::Hooks(hooks) => hooks.run(&out, &client).await,
            Self::Tail { flow } => tail(&out, &client, flow.as_deref()).await,
        }
    }
}

async fn want(out: &Out, client: &Client, change: Change, verb: &str) -> Result<(), Failure> {
    let path = ["api", "v1", "flows", &change.flow, verb];
    let flow: dto::FlowState = client.post(&path, &[], &Value::Null).await?;
    if let Some(patience) = Patience::begin(&change.wait, out) {
        patience.settled(client, &flow.name).await?;
    }
    out.show(&flow, || vec![flow.name.clone()], || format!("{}: {}", flow.name, flow.intent))
}

async fn delete(out: &Out, client: &Client, Delete { change, discard }: Delete) -> Result<(), Failure> {
    let query = [("discard", discard.to_string())];
    client.delete(&["api", "v1", "flows", &change.flow], if discard { &query } else { &[] }).await?;
    if let Some(patience) = Patience::begin(&change.wait, out) {
        patience.gone(client, &change.flow).await?;
    }
    let when =
        if discard { "now; what was under way is thrown away" } else { "when what is under way is finished" };
    out.done(&format!("The flow {} goes {when}.", change.flow));
    Ok(())
}

async fn send(out: &Out, client: &Client, trigger: Trigger) -> Result<(), Failure> {
    let body = match (trigger.body, trigger.body_file) {
        (Some(text), _) => Some(
            serde_json::from_str(&text)
                .map_err(|error| Failure::new(Code::Usage, format!("--body is no JSON: {error}")))?,
        ),
        (None, Some(path)) => Some(files::value(&path)?),
        (None, None) => None,
    };
    let path = ["api", "v1", "flows", &trigger.flow, "trigger"];
    let sent: dto::Triggered = client.post(&path, &[], &dto::Trigger { step: trigger.step, body }).await?;
    out.show(&sent, || vec![sent.message.clone()], || format!("Sent {}.", sent.message))
}

async fn logs(out: &Out, client: &Client, flow: &str, tail: u32, follow: bool) -> Result<(), Failure> {
    let query = [("tail", tail.to_string()), ("follow", follow.to_string())];
    let mut lines = client.stream::<dto::LogLine>(&["api", "v1", "flows", flow, "logs"], &query).await?;
    let show = |line: &dto::LogLine| out.item(line, || show::log_line(line));
    // What was written before comes container by container. With new lines to come it is shown as it comes.
    let (mut past, mut ended) = (Vec::new(), Ok(()));
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) if follow => show(&line),
            Ok(line) => past.push(line),
            Err(failure) => {
                ended = Err(failure);
                break;
            }
        }
    }
    past.sort_by_key(|line| line.at);
    past.iter().for_each(show);
    ended
}

async fn tail(out: &Out, client: &Client, flow: Option<&str>) -> Result<(), Failure> {
    let path = match flow {
        Some(flow) => vec!["api", "v1", "flows", flow, "tail"],
        None => vec!["api", "v1", "tail"],
    };
    let mut runs = client.stream::<dto::StepRun>(&path, &[]).await?;
    while let Some(run) = runs.next().await {
        let run = run?;
        out.item(&run, || show::run_line(&run));
    }
    Ok(())
}
