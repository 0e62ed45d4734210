//! `sluice template`.

use clap::Subcommand;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::{Code, Exit, Failure};
use crate::output::{Out, Table};

#[derive(Debug, Subcommand)]
pub(crate) enum Template {
    /// List the versions of all templates. `sluice apply` publishes them.
    List,
    /// Show a template as it was published.
    Get {
        /// Its name, or name@version; the newest version when none is named.
        name: String,
    },
}

impl Template {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        match self {
            Self::List => list(&out, &client.list(&["api", "v1", "templates"], &[], usize::MAX).await?),
            Self::Get { name } => get(&out, &client, &name).await,
        }
    }
}

fn list(out: &Out, templates: &[dto::Template]) -> Result<(), Failure> {
    let names = || templates.iter().map(|one| format!("{}@{}", one.name, one.version)).collect();
    out.show(templates, names, || {
        let mut table = Table::new(&["name", "version", "title", "steps", "instances"]);
        for one in templates {
            let asked: Vec<&str> = one.instances.keys().map(String::as_str).collect();
            let steps = one.steps.len().to_string();
            table.row([one.name.clone(), one.version.clone(), one.title.clone(), steps, asked.join(", ")]);
        }
        table.text("There is no template.")
    })
}

async fn get(out: &Out, client: &Client, reference: &str) -> Result<(), Failure> {
    let (name, version) =
        reference.split_once('@').map_or((reference, None), |(name, version)| (name, Some(version)));
    let versions: Vec<dto::TemplateVersion> = client.get(&["api", "v1", "templates", name], &[]).await?;
    let wanted = |one: &&dto::TemplateVersion| version.is_none_or(|version| version == one.template.version);
    let Some(found) = versions.iter().find(wanted) else {
        let mut failure = Failure::new(Code::Usage, format!("there is no template `{reference}`"));
        failure.exit = Exit::NotFound;
        let there: Vec<&str> = versions.iter().map(|one| one.template.version.as_str()).collect();
        return Err(failure.help(format!("there are the versions {}", there.join(", "))));
    };
    let names = || vec![format!("{}@{}", found.template.name, found.template.version)];
    out.show(found, names, || found.source.clone())
}
