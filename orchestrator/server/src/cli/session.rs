//! `sluice session`.

use clap::{Args, Subcommand};
use sluice_domain::{Delay, InstanceName, SessionDeed};
use sluice_http::dto;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, Table, age};

const PATH: [&str; 3] = ["api", "v1", "sessions"];

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// Make a session for a page of a host application: a token that is good for a few instances and a short time. It is
    /// shown once.
    Create(Create),
    /// List the sessions that are not at their end, without their tokens.
    List,
    /// Revoke sessions at once.
    Revoke {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// What session to make.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The instances that it is good for, 1 to 20.
    #[arg(required = true)]
    instances: Vec<InstanceName>,
    /// What it may do with them: status, authorize, revoke, invoke; all of it when absent.
    #[arg(long = "allow", value_delimiter = ',')]
    allow: Vec<SessionDeed>,
    /// The origin of the pages that may use it, for example `https://app.example.com`; any when absent.
    #[arg(long)]
    origin: Option<String>,
    /// How long it lasts: 1m to 1h, 15m when absent.
    #[arg(long, value_name = "TIME")]
    expires_in: Option<Delay>,
}

impl Session {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        match self {
            Self::Create(create) => create.run(&out, &client).await,
            Self::List => list(&out, &client.list(&PATH, &[], usize::MAX).await?),
            Self::Revoke { ids } => {
                for id in ids {
                    client.delete(&["api", "v1", "sessions", &id], &[]).await?;
                    out.done(&format!("Revoked {id}."));
                }
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, out: &Out, client: &Client) -> Result<(), Failure> {
        let body = dto::CreateSession {
            instances: self.instances.iter().map(ToString::to_string).collect(),
            allow: self.allow.iter().map(ToString::to_string).collect(),
            origin: self.origin,
            expires_in: self.expires_in.map(|time| time.to_string()),
        };
        let created: dto::CreatedSession = client.post(&PATH, &[], &body).await?;
        out.done(&format!(
            "Session {}, until {}. Its token is shown only now:",
            created.id, created.expires_at
        ));
        out.show(&created, || vec![created.id.clone()], || created.token.clone())
    }
}

fn list(out: &Out, sessions: &[dto::Session]) -> Result<(), Failure> {
    out.show(
        sessions,
        || sessions.iter().map(|one| one.id.clone()).collect(),
        || {
            let mut table = Table::new(&["id", "instances", "allow", "origin", "made", "ends", "revoked"]);
            for one in sessions {
                table.row([
                    one.id.clone(),
                    one.instances.join(", "),
                    one.allow.join(", "),
                    one.origin.clone().unwrap_or_else(|| "any".to_owned()),
                    age(one.created_at),
                    one.expires_at.to_rfc3339(),
                    one.revoked_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
                ]);
            }
            table.text("There is no session.")
        },
    )
}
