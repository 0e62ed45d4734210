//! `sluice dead`.

mod edit;
mod show;

use clap::{Args, Subcommand};
use serde_json::Value;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::output::{self, Out};

#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// List dead letters, newest first.
    List {
        /// Only of this flow: its name or id.
        #[arg(long)]
        flow: Option<String>,
        /// Only those that stand like this: waiting, redriven or discarded; `all` for all.
        #[arg(long, default_value = "waiting")]
        state: String,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show a dead letter: reason, step, attempts, error, exit code, input.
    Get {
        /// Its id.
        id: String,
    },
    /// Give a dead letter another input, from a file or in $EDITOR.
    Edit(edit::Edit),
    /// Send dead letters to their steps again.
    Redrive(Which),
    /// Throw dead letters away.
    Discard(Discard),
}

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Their ids.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// All that wait.
    #[arg(long)]
    all: bool,
    /// With --all: only of this flow.
    #[arg(long, requires = "all")]
    flow: Option<String>,
}

/// Which dead letters to throw away.
#[derive(Debug, Args)]
pub(crate) struct Discard {
    #[command(flatten)]
    which: Which,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Dead {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        match self {
            Self::List { flow, state, limit } => show::list(&out, &client, flow, &state, limit).await,
            Self::Get { id } => show::get(&out, &client.get(&["api", "v1", "dead-letters", &id], &[]).await?),
            Self::Edit(edit) => edit.run(&out, &client).await,
            Self::Redrive(which) => which.each(&out, &client, ("redrive", "redriven")).await,
            Self::Discard(discard) => discard.run(&out, &client).await,
        }
    }
}

impl Discard {
    async fn run(self, out: &Out, client: &Client) -> Result<(), Failure> {
        if self.which.all && !self.yes {
            let help = "add --yes when nobody is there to be asked";
            let of = self.which.flow.as_ref().map(|flow| format!(" of the flow {flow}")).unwrap_or_default();
            if !output::is_interactive() {
                return Err(Failure::new(Code::Usage, "discarding all dead letters needs a yes").help(help));
            }
            if !output::confirm(&format!("Throw away all waiting dead letters{of}?")) {
                return Err(Failure::new(Code::Cancelled, "nothing was discarded"));
            }
        }
        self.which.each(out, client, ("discard", "discarded")).await
    }
}

impl Which {
    async fn each(self, out: &Out, client: &Client, (verb, done): (&str, &str)) -> Result<(), Failure> {
        if self.all {
            let query: Vec<_> = self.flow.map(|flow| ("flow", flow)).into_iter().collect();
            let path = ["api", "v1", "dead-letters", verb];
            let count: dto::Count = client.post(&path, &query, &Value::Null).await?;
            let text = || format!("{} dead letters {done}.", count.count);
            return out.show(&count, || vec![count.count.to_string()], text);
        }
        let mut failed = None;
        for id in &self.ids {
            let moved = client
                .post::<_, dto::Moved>(&["api", "v1", "dead-letters", id, verb], &[], &Value::Null)
                .await;
            match moved {
                Ok(moved) if moved.moved => out.done(&format!("{id} {done}.")),
                Ok(_) => out.done(&format!("{id} had been moved on before.")),
                Err(failure) if self.ids.len() == 1 => return Err(failure),
                Err(failure) => {
                    output::fail(&failure);
                    failed = Some(failure);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
