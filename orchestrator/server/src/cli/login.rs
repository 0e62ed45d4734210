//! `sluice login`.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::client::Client;
use crate::context::{self, Context};
use crate::failure::{Code, Failure};
use crate::files;
use crate::output::{self, Out};

/// Keep a server's URL and a token, in a file that only you may read.
///
/// The token is read from --token-file, from SLUICE_TOKEN or from standard input; never from an argument, which others on
/// the machine could see. SLUICE_URL and SLUICE_TOKEN win over what is kept.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The server, for example http://127.0.0.1:7400.
    url: String,
    /// The file that holds the token; `-` for standard input.
    #[arg(long)]
    token_file: Option<PathBuf>,
}

impl Login {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let url = context::parse(&self.url)?;
        let token = match &self.token_file {
            Some(path) => files::text(path)?,
            None => match std::env::var("SLUICE_TOKEN") {
                Ok(token) if !token.is_empty() => token,
                _ => ask()?,
            },
        };
        let token = token.trim().to_owned();
        if token.is_empty() {
            return Err(Failure::new(Code::Usage, "there is no token")
                .help("the first start of `sluice serve` prints one"));
        }
        let client =
            Client::new(Context { url: url.clone(), token: Some(token.clone().into()), tenant: None })?;
        let _: Value = client.get(&["api", "v1", "flows"], &[("limit", "1".to_owned())]).await?;
        let path = Context { url: url.clone(), token: Some(token.into()), tenant: None }.keep()?;
        out.done(&format!("Logged in to {url}; kept in {}.", path.display()));
        Ok(())
    }
}

fn ask() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        output::note("Token (it is shown as you type; paste it and press Enter):");
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        return read.map(|_| line).map_err(|error| Failure::new(Code::Unreadable, error.to_string()));
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(4096).read_to_string(&mut text);
    read.map(|_| text).map_err(|error| Failure::new(Code::Unreadable, format!("standard input: {error}")))
}
