//! `sluice execution`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use sluice_http::dto;

use super::flow::duration;
use crate::client::Client;
use crate::failure::Failure;
use crate::files;
use crate::output::{Out, Table, age, pairs};

#[derive(Debug, Subcommand)]
pub(crate) enum Execution {
    /// List executions, newest first.
    List {
        /// Only of this flow: its name or id.
        #[arg(long)]
        flow: Option<String>,
        /// Only those that stand like this: running, succeeded or failed.
        #[arg(long)]
        status: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show an execution: each step with its input, output, error and duration.
    Get {
        /// Its id.
        id: String,
    },
    /// Run an execution again, from its trigger's output or from a step.
    Retry {
        /// Its id.
        id: String,
        /// The step to begin at.
        #[arg(long)]
        from: Option<String>,
        /// The file that holds another input for that step; `-` for standard input.
        #[arg(long, value_name = "FILE")]
        body_file: Option<PathBuf>,
    },
}

impl Execution {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        match self {
            Self::List { flow, status, limit } => list(&out, &client, flow, status, limit).await,
            Self::Get { id } => get(&out, &client.get(&["api", "v1", "executions", &id], &[]).await?),
            Self::Retry { id, from, body_file } => {
                let body = body_file.as_deref().map(files::value).transpose()?;
                let path = ["api", "v1", "executions", &id, "retry"];
                let begun: dto::Retried = client.post(&path, &[], &dto::Retry { from, body }).await?;
                out.show(&begun, || vec![begun.execution.clone()], || format!("Began {}.", begun.execution))
            }
        }
    }
}

async fn list(
    out: &Out,
    client: &Client,
    flow: Option<String>,
    status: Option<String>,
    limit: usize,
) -> Result<(), Failure> {
    let flow = flow.map(|flow| ("flow", flow));
    let query: Vec<_> = flow.into_iter().chain(status.map(|status| ("status", status))).collect();
    let found: Vec<dto::Execution> = client.list(&["api", "v1", "executions"], &query, limit).await?;
    let flows = flow_names(client).await;
    out.show(
        &found,
        || found.iter().map(|one| one.id.clone()).collect(),
        || {
            let mut table = Table::new(&["id", "flow", "status", "runs", "took", "started"]);
            for one in &found {
                let flow = flows.get(&one.flow).unwrap_or(&one.flow).clone();
                let took = (one.updated_at - one.started_at)
                    .num_microseconds()
                    .and_then(|micros| micros.try_into().ok());
                let took = took.map(duration).unwrap_or_default();
                table.row([
                    one.id.clone(),
                    flow,
                    one.status.clone(),
                    one.runs.to_string(),
                    took,
                    age(one.started_at),
                ]);
            }
            table.text("There is no execution.")
        },
    )
}

/// The names of flows by id, as far as they can be found out. They are only nicer to read.
pub(super) async fn flow_names(client: &Client) -> BTreeMap<String, String> {
    let flows = client.list::<dto::Flow>(&["api", "v1", "flows"], &[], 10_000).await.unwrap_or_default();
    flows.into_iter().map(|one| (one.flow.id, one.flow.name)).collect()
}

fn get(out: &Out, one: &dto::ExecutionDetail) -> Result<(), Failure> {
    out.show(
        one,
        || vec![one.execution.id.clone()],
        || {
            let execution = &one.execution;
            let head = pairs(&[
                ("id", execution.id.clone()),
                ("flow", format!("{} (version {})", execution.flow, execution.version)),
                ("status", execution.status.clone()),
                ("retry of", execution.retry_of.clone().unwrap_or_default()),
                ("started", execution.started_at.to_rfc3339()),
            ]);
            let runs: Vec<String> = one.step_runs.iter().map(run).collect();
            format!("{head}\n{}", runs.join("\n"))
        },
    )
}

fn run(run: &dto::StepRun) -> String {
    let attempt = if run.attempt > 1 { format!(", attempt {}", run.attempt) } else { String::new() };
    let error =
        run.error.as_ref().map(|error| format!("{}: {}", error.code, error.message)).unwrap_or_default();
    let body = |body: &Option<dto::Recorded>| body.as_ref().map(recorded).unwrap_or_default();
    let details = pairs(&[
        ("  message", run.id.clone()),
        ("  input", body(&run.input)),
        ("  output", body(&run.output)),
        ("  error", error),
    ]);
    format!("{}  {}{attempt}  {}\n{details}", run.step, run.status, duration(run.micros))
}

/// A body in one line.
pub(super) fn recorded(body: &dto::Recorded) -> String {
    match (&body.value, &body.beginning) {
        (Some(value), _) => value.to_string(),
        (None, Some(text)) => format!("{text}… ({} bytes)", body.bytes),
        (None, None) => String::new(),
    }
}
