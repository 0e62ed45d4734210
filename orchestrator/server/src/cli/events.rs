//! `sluice events`.

use std::pin::pin;

use clap::Args;
use futures_util::StreamExt;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, Table, age};

/// What happened: changes of the authorisation of instances and of the versions of connectors in use, and alarms.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only events after this one, by its id.
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    /// Go on with what happens; without --after only with that.
    #[arg(long)]
    follow: bool,
}

impl Events {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        let after: Vec<_> = self.after.map(|after| ("after", after.to_string())).into_iter().collect();
        if self.follow {
            let mut events =
                pin!(client.stream::<dto::Event>(&["api", "v1", "events", "stream"], &after).await?);
            while let Some(event) = events.next().await {
                let event = event?;
                out.item(&event, || format!("{} {} {} {}", event.id, event.at, event.kind, event.data));
            }
            return Ok(());
        }
        let mut query = after;
        query.push(("limit", "1000".to_owned()));
        list(&out, &client.get::<Vec<dto::Event>>(&["api", "v1", "events"], &query).await?)
    }
}

fn list(out: &Out, events: &[dto::Event]) -> Result<(), Failure> {
    let names = || events.iter().map(|event| event.id.to_string()).collect();
    out.show(events, names, || {
        let mut table = Table::new(&["id", "age", "type", "data"]);
        for event in events {
            table.row([event.id.to_string(), age(event.at), event.kind.clone(), event.data.to_string()]);
        }
        table.text("Nothing happened yet.")
    })
}
