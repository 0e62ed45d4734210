//! Dead letters as people read them.

use sluice_http::dto;

use crate::cli::execution::{flow_names, recorded};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, Table, age, pairs};

pub(super) async fn list(
    out: &Out,
    client: &Client,
    flow: Option<String>,
    state: &str,
    limit: usize,
) -> Result<(), Failure> {
    let mut query: Vec<_> = flow.map(|flow| ("flow", flow)).into_iter().collect();
    if state != "all" {
        query.push(("state", state.to_owned()));
    }
    let found: Vec<dto::DeadLetter> = client.list(&["api", "v1", "dead-letters"], &query, limit).await?;
    let flows = flow_names(client).await;
    out.show(
        &found,
        || found.iter().map(|one| one.id.clone()).collect(),
        || {
            let mut table =
                Table::new(&["id", "flow", "step", "reason", "error", "attempts", "state", "age"]);
            for one in &found {
                let id = one.flow.clone().unwrap_or_default();
                let message: String = one.error.message.chars().take(60).collect();
                table.row([
                    one.id.clone(),
                    flows.get(&id).cloned().unwrap_or(id),
                    one.step.clone().unwrap_or_default(),
                    one.reason.clone(),
                    format!("{}: {message}", one.error.code),
                    one.attempts.to_string(),
                    one.state.clone(),
                    age(one.created_at),
                ]);
            }
            table.text("There is no dead letter.")
        },
    )
}

pub(super) fn get(out: &Out, one: &dto::DeadLetter) -> Result<(), Failure> {
    out.show(
        one,
        || vec![one.id.clone()],
        || {
            let exit = one.exit.as_ref().map(|exit| {
                let memory = if exit.out_of_memory { ", out of memory" } else { "" };
                format!("{}{memory}", exit.code)
            });
            let count = |count: u32| if count == 0 { String::new() } else { count.to_string() };
            let flow =
                one.flow.as_ref().map(|flow| format!("{flow} (version {})", one.version.unwrap_or_default()));
            pairs(&[
                ("id", one.id.clone()),
                ("state", one.state.clone()),
                ("reason", one.reason.clone()),
                ("flow", flow.unwrap_or_default()),
                ("step", one.step.clone().unwrap_or_default()),
                ("execution", one.execution.clone().unwrap_or_default()),
                ("message", one.message.clone()),
                ("attempts", one.attempts.to_string()),
                ("consumer deaths", count(one.suspected)),
                ("error", format!("{}: {}", one.error.code, one.error.message)),
                ("exit code", exit.unwrap_or_default()),
                ("redrives", count(one.redrives)),
                ("since", one.created_at.to_rfc3339()),
                (
                    "headers",
                    if one.headers.is_empty() {
                        String::new()
                    } else {
                        serde_json::Value::Object(one.headers.clone()).to_string()
                    },
                ),
                ("input", recorded(&one.body)),
            ])
        },
    )
}
