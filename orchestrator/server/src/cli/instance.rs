//! `sluice instance`.

mod authorize;
mod invoke;

use clap::Subcommand;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, Table, age, pairs};

#[derive(Debug, Subcommand)]
pub(crate) enum Instance {
    /// List the instances. `sluice apply` makes and changes them.
    List,
    /// Show an instance; its secrets are never shown, only their names.
    Get {
        /// Its name.
        name: String,
    },
    /// Call what the connector names as its test, to see whether the instance works.
    Test {
        /// Its name.
        name: String,
    },
    /// Authorise an instance at its provider (OAuth 2.0): shows what a person has to do.
    Authorize(authorize::Authorize),
    /// End the authorisation of an instance, here and at its provider.
    Revoke {
        /// Its name.
        name: String,
    },
    /// Run an action, or ask a polling trigger, once and outside any flow.
    Invoke(invoke::Invoke),
    /// Delete an instance, with its secrets, that no flow uses.
    Delete {
        /// Its name.
        name: String,
    },
}

impl Instance {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        match self {
            Self::List => list(&out, &client.list(&["api", "v1", "instances"], &[], usize::MAX).await?),
            Self::Get { name } => get(&out, &client.get(&["api", "v1", "instances", &name], &[]).await?),
            Self::Test { name } => invoke::test(&client, &out, &name).await,
            Self::Authorize(what) => what.run(&client, &out).await,
            Self::Revoke { name } => authorize::revoke(&client, &out, &name).await,
            Self::Invoke(what) => what.run(&client, &out).await,
            Self::Delete { name } => {
                client.delete(&["api", "v1", "instances", &name], &[]).await?;
                out.done(&format!("Deleted instance {name}."));
                Ok(())
            }
        }
    }
}

fn list(out: &Out, instances: &[dto::Instance]) -> Result<(), Failure> {
    out.show(
        instances,
        || instances.iter().map(|one| one.name.clone()).collect(),
        || {
            let mut table = Table::new(&["name", "connector", "secrets", "revision", "changed"]);
            for one in instances {
                let secrets = one.secret_fields.join(", ");
                let revision = one.revision.to_string();
                table.row([one.name.clone(), one.connector.clone(), secrets, revision, age(one.updated_at)]);
            }
            table.text("There is no instance.")
        },
    )
}

fn authorisation(one: &dto::AuthorizationState) -> String {
    let mut text = one.state.clone();
    if let Some(detail) = &one.detail {
        text.push_str(&format!(": {detail}"));
    }
    if let Some(failure) = &one.failure {
        text.push_str(&format!("; the last attempt came to nothing: {failure}"));
    }
    if let Some(end) = one.expires_at {
        text.push_str(&format!(" (token until {})", end.to_rfc3339()));
    }
    text
}

fn get(out: &Out, one: &dto::Instance) -> Result<(), Failure> {
    out.show(
        one,
        || vec![one.name.clone()],
        || {
            let settings = serde_json::to_string(&one.settings).unwrap_or_default();
            pairs(&[
                ("name", one.name.clone()),
                ("connector", one.connector.clone()),
                ("settings", settings),
                ("secrets", one.secret_fields.join(", ")),
                ("revision", one.revision.to_string()),
                ("authorisation", one.authorization.as_ref().map_or_else(String::new, authorisation)),
                ("made", one.created_at.to_rfc3339()),
                ("changed", one.updated_at.to_rfc3339()),
            ])
        },
    )
}
