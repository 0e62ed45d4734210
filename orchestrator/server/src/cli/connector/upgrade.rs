//! `sluice connector upgrade`: another version of a connector comes into use.

use clap::Args;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::{Failure, Shown};
use crate::output::Out;

/// Another version of a connector for its instances and flows.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// The connector.
    name: String,
    /// The version; the newest that is installed when absent.
    #[arg(long)]
    to: Option<String>,
    /// Only show what would change: schemas, instances and flows. This is what happens when nothing else is said.
    #[arg(long, conflicts_with = "apply")]
    plan: bool,
    /// Put the version to use. Flows that use the connector get a new version of their own.
    #[arg(long)]
    apply: bool,
    /// Go back to the version that was in use before; with --plan nothing but show it.
    #[arg(long, conflicts_with_all = ["to", "apply"])]
    rollback: bool,
    /// Do it even if flows or instances do not fit the version; such flows stay as they are.
    #[arg(long)]
    force: bool,
}

impl Upgrade {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let body = dto::UpgradeConnector {
            version: self.to,
            rollback: self.rollback,
            dry_run: self.plan || !(self.apply || self.rollback),
            force: self.force,
        };
        let upgrade: dto::ConnectorUpgrade =
            client.post(&["api", "v1", "connectors", &self.name, "upgrade"], &[], &body).await?;
        let names = || upgrade.flows.iter().map(|flow| flow.name.clone()).collect();
        out.show(&upgrade, names, || text(&upgrade))
    }
}

fn text(upgrade: &dto::ConnectorUpgrade) -> String {
    let mut lines = vec![format!("{} {} -> {}", upgrade.connector, upgrade.from, upgrade.to)];
    for found in &upgrade.changes {
        let mark = if found.breaking { "!" } else { mark(&found.change) };
        lines.push(format!("  {mark} {}: {}", found.subject, found.reason));
    }
    for instance in &upgrade.instances {
        let mark = if instance.faults.is_empty() { "=" } else { "!" };
        lines.push(format!("{mark} instance {}", instance.name));
        lines.extend(instance.faults.iter().map(|fault| format!("    {fault}")));
    }
    for flow in &upgrade.flows {
        let broken = flow.diagnostics.iter().any(|found| found.severity == "error");
        lines.push(format!("{} flow {}", if broken { "!" } else { mark(&flow.action) }, flow.name));
        lines.extend(flow.details.iter().map(|detail| format!("    {detail}")));
        let told = flow.diagnostics.iter().flat_map(|found| {
            Shown(found).to_string().lines().map(|line| format!("    {line}")).collect::<Vec<_>>()
        });
        lines.extend(told);
    }
    lines.push(if upgrade.done {
        format!("{} {} is in use.", upgrade.connector, upgrade.to)
    } else {
        "Planned; nothing was changed. `!` marks what may break.".to_owned()
    });
    lines.join("\n")
}

fn mark(change: &str) -> &'static str {
    match change {
        "add" => "+",
        "change" => "~",
        "remove" => "-",
        _ => "=",
    }
}
