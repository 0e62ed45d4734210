//! `sluice token`.

use clap::{Args, Subcommand};
use sluice_domain::{Delay, Permission};
use sluice_http::dto;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, Table, age};

const PATH: [&str; 3] = ["api", "v1", "tokens"];

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token. It is shown once.
    Create(Create),
    /// List the tokens, without the tokens themselves.
    List,
    /// Revoke tokens at once.
    Revoke {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// What token to make.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What it is for.
    name: String,
    /// What it may do: read, write or admin; each includes those before it.
    #[arg(long = "permission", default_value = "read")]
    permissions: Vec<Permission>,
    /// After which time it stops working, for example 90d.
    #[arg(long, value_name = "TIME")]
    expires_in: Option<Delay>,
}

impl Token {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        match self {
            Self::Create(create) => create.run(&out, &client).await,
            Self::List => list(&out, &client.list(&PATH, &[], usize::MAX).await?),
            Self::Revoke { ids } => {
                for id in ids {
                    client.delete(&["api", "v1", "tokens", &id], &[]).await?;
                    out.done(&format!("Revoked {id}."));
                }
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, out: &Out, client: &Client) -> Result<(), Failure> {
        let body = dto::CreateToken {
            name: self.name,
            permissions: self.permissions.iter().map(ToString::to_string).collect(),
            expires_in: self.expires_in.map(|time| time.to_string()),
        };
        let created: dto::CreatedToken = client.post(&PATH, &[], &body).await?;
        out.done(&format!(
            "Token {} ({}). It is shown only now:",
            created.info.id,
            created.info.permissions.join(", ")
        ));
        out.show(&created, || vec![created.info.id.clone()], || created.token.clone())
    }
}

fn list(out: &Out, tokens: &[dto::Token]) -> Result<(), Failure> {
    out.show(
        tokens,
        || tokens.iter().map(|one| one.id.clone()).collect(),
        || {
            let mut table =
                Table::new(&["id", "name", "tenant", "permissions", "made", "expires", "revoked"]);
            for one in tokens {
                table.row([
                    one.id.clone(),
                    one.name.clone(),
                    one.tenant.clone().unwrap_or_default(),
                    one.permissions.join(", "),
                    age(one.created_at),
                    one.expires_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
                    one.revoked_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
                ]);
            }
            table.text("There is no token.")
        },
    )
}
