//! `sluice launcher`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Run the launcher until SIGTERM or SIGINT: the process that alone reaches the container engine.
///
/// `sluice serve` asks it over a Unix socket (`runtime.launcher`), and needs no right to the engine itself then. Everything
/// can be set in the file or by environment variables: SLUICE_LAUNCHER__USERS sets `users`.
#[derive(Debug, Args)]
pub(crate) struct Launcher {
    /// The configuration file (TOML).
    #[arg(short, long, env = "SLUICE_LAUNCHER_CONFIG")]
    config: Option<PathBuf>,
}

impl Launcher {
    pub(crate) async fn run(self) -> ExitCode {
        crate::launcher::launcher(self.config).await
    }
}
