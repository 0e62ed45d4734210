//! `sluice deployment`.

use clap::Subcommand;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, Table, age};

#[derive(Debug, Subcommand)]
pub(crate) enum Deployment {
    /// List the deployments and their containers.
    List,
}

impl Deployment {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let Self::List = self;
        let found: Vec<dto::Deployment> =
            Client::find()?.list(&["api", "v1", "deployments"], &[], usize::MAX).await?;
        out.show(&found, || found.iter().map(|one| one.id.clone()).collect(), || table(&found))
    }
}

fn table(found: &[dto::Deployment]) -> String {
    let mut table = Table::new(&[
        "component",
        "version",
        "scope",
        "status",
        "container",
        "memory",
        "age",
        "starts",
        "flows",
    ]);
    for one in found {
        let container = one.container.as_ref();
        let status = match &one.reason {
            Some(reason) => format!("{}: {reason}", one.status),
            None => one.status.clone(),
        };
        table.row([
            one.component.clone(),
            one.version.clone(),
            one.scope.clone(),
            status,
            container.map(|container| container.name.clone()).unwrap_or_default(),
            container.map(|container| format!("{}MiB", container.memory_bytes >> 20)).unwrap_or_default(),
            container.map(|container| age(container.created_at)).unwrap_or_default(),
            one.starts.to_string(),
            one.flows.join(", "),
        ]);
    }
    table.text("There is no deployment.")
}
