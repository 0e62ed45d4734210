//! `sluice keys`.

use clap::Subcommand;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, Table};

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the keys that seal secrets, without the keys themselves.
    List,
    /// Make a new master key in the key file and seal the data keys with it. Back the key file up afterwards.
    Rotate {
        /// Make a new data key too, and seal every secret anew. What is interrupted is finished by the same command.
        #[arg(long)]
        secrets: bool,
    },
    /// Destroy master keys that seal nothing any more. Older backups of the store cannot be opened then.
    Remove {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

impl Keys {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        match self {
            Self::List => list(&out, &client.get::<Vec<dto::Key>>(&["api", "v1", "keys"], &[]).await?),
            Self::Rotate { secrets } => {
                let body = dto::RotateKeys { secrets };
                let rotated: dto::RotatedKeys =
                    client.post(&["api", "v1", "keys", "rotate"], &[], &body).await?;
                let names = || [vec![rotated.master.clone()], rotated.data.clone()].concat();
                out.show(&rotated, names, || {
                    format!(
                        "Master key {} seals {} data keys anew; data key {} seals {} secrets anew. Back up the key file.",
                        rotated.master,
                        rotated.rewrapped,
                        rotated.data.join(", "),
                        rotated.resealed
                    )
                })
            }
            Self::Remove { ids } => {
                for id in ids {
                    client.delete(&["api", "v1", "keys", &id], &[]).await?;
                    out.done(&format!("Removed {id} from the key file."));
                }
                Ok(())
            }
        }
    }
}

fn list(out: &Out, keys: &[dto::Key]) -> Result<(), Failure> {
    let names = || keys.iter().map(|key| key.id.clone()).collect();
    out.show(keys, names, || {
        let mut table = Table::new(&["id", "kind", "tenant", "sealed by", "in use", "seals"]);
        for key in keys {
            table.row([
                key.id.clone(),
                key.kind.clone(),
                key.tenant.clone().unwrap_or_default(),
                key.sealed_by.clone().unwrap_or_default(),
                if key.current { "yes".to_owned() } else { String::new() },
                key.seals.to_string(),
            ]);
        }
        table.text("There is no key.")
    })
}
