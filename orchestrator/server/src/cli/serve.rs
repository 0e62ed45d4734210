//! `sluice serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Run the server until SIGTERM or SIGINT.
///
/// Everything can be set in the file or by environment variables: SLUICE__BROKER__URL sets `url` of `[broker]`,
/// SLUICE__BROKER__URL_FILE names a file that holds it. The first start prints a token.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration file (TOML).
    #[arg(short, long, env = "SLUICE_CONFIG")]
    config: Option<PathBuf>,
    /// Ask for no tokens. Only on the loopback address.
    #[arg(long)]
    insecure: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> ExitCode {
        crate::serve::serve(self.config, self.insecure).await
    }
}
