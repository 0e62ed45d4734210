//! `sluice connector`.

pub(super) mod import;
mod upgrade;

use clap::Subcommand;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, Table, age};

const PATH: [&str; 3] = ["api", "v1", "connectors"];

#[derive(Debug, Subcommand)]
pub(crate) enum Connector {
    /// List the installed versions of all connectors.
    List,
    /// Show a connector: its functions and their schemas.
    Get {
        /// Its name.
        name: String,
    },
    /// Install a connector from its image, for example sluice/http:0.1.0. Installing again takes up a changed image.
    Install {
        /// The image; the container engine has it or can pull it.
        #[arg(required = true)]
        images: Vec<String>,
    },
    /// Make a connector file from an OpenAPI 3.0 or 3.1 document, without a server. Says what was left out and guessed.
    Import(import::Import),
    /// Put another installed version of a connector to use, or show what that would change.
    Upgrade(upgrade::Upgrade),
    /// Remove a connector that no instance belongs to. Flows that run keep the image that they were made with.
    Remove {
        /// Its name.
        name: String,
        /// Only this version.
        #[arg(long)]
        version: Option<String>,
    },
}

/// What stands for the image of a connector that has none.
const DECLARATIVE: &str = "(declarative, run by rest)";

impl Connector {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        match self {
            Self::List => list(&out, &Client::find()?.list(&PATH, &[], usize::MAX).await?),
            Self::Get { name } => get(&out, &Client::find()?, &name).await,
            Self::Install { images } => install(&out, &Client::find()?, images).await,
            Self::Import(args) => args.run(out).await,
            Self::Upgrade(args) => args.run(&Client::find()?, &out).await,
            Self::Remove { name, version } => {
                let query: Vec<_> = version.map(|version| ("version", version)).into_iter().collect();
                Client::find()?.delete(&["api", "v1", "connectors", &name], &query).await?;
                out.done(&format!("Removed connector {name}."));
                Ok(())
            }
        }
    }
}

fn list(out: &Out, connectors: &[dto::Connector]) -> Result<(), Failure> {
    let names = || connectors.iter().map(|one| format!("{}@{}", one.name, one.version)).collect();
    out.show(connectors, names, || {
        let mut table = Table::new(&["name", "version", "in use", "image", "functions", "installed"]);
        for one in connectors {
            let functions: Vec<&str> =
                one.triggers.iter().chain(&one.actions).map(|function| function.name.as_str()).collect();
            let functions = functions.join(", ");
            table.row([
                one.name.clone(),
                one.version.clone(),
                if one.active { "yes".to_owned() } else { String::new() },
                one.image.clone().unwrap_or_else(|| DECLARATIVE.to_owned()),
                functions,
                age(one.installed_at),
            ]);
        }
        table.text("No connector is installed. `sluice connector install IMAGE` installs one.")
    })
}

async fn get(out: &Out, client: &Client, name: &str) -> Result<(), Failure> {
    let versions: Vec<dto::Connector> = client.get(&["api", "v1", "connectors", name], &[]).await?;
    let names = || versions.iter().map(|one| format!("{}@{}", one.name, one.version)).collect();
    out.show(&versions, names, || versions.iter().map(describe).collect::<Vec<_>>().join("\n\n"))
}

fn describe(one: &dto::Connector) -> String {
    let in_use = if one.active { "  (in use)" } else { "" };
    let mut text = format!("{} {}  {}{in_use}\n", one.name, one.version, one.title);
    match (&one.image, &one.digest) {
        (Some(image), Some(digest)) => text += &format!("image    {image}\ndigest   {digest}\n"),
        _ => text += &format!("image    {DECLARATIVE}\n"),
    }
    for (kind, functions) in [("trigger", &one.triggers), ("action", &one.actions)] {
        for function in functions {
            text += &format!("{kind:8} {}  {}\n", function.name, function.title);
        }
    }
    let descriptor = serde_saphyr::to_string(&one.descriptor).unwrap_or_default();
    text + "\n" + descriptor.trim_end()
}

async fn install(out: &Out, client: &Client, images: Vec<String>) -> Result<(), Failure> {
    let mut installed: Vec<dto::Connector> = Vec::new();
    for image in images {
        installed.push(client.post(&PATH, &[], &dto::InstallConnector { image }).await?);
    }
    let names = || installed.iter().map(|one| format!("{}@{}", one.name, one.version)).collect();
    out.show(&installed, names, || {
        let line = |one: &dto::Connector| {
            let image = one.image.as_deref().unwrap_or(DECLARATIVE);
            let digest = one.digest.as_deref().unwrap_or("no digest");
            let text = format!("Installed {} {} from {image} ({digest}).", one.name, one.version);
            let Some(name) = Some(&one.name).filter(|_| !one.active) else { return text };
            format!("{text}\nAnother version stays in use until `sluice connector upgrade {name} --apply`.")
        };
        installed.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
