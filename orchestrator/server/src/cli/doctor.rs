//! `sluice doctor`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Done;
use crate::checks::{self, Finding, Level, Strictness};
use crate::config::{self, DEFAULT_FILE};
use crate::failure::{Code, Exit, Failure};
use crate::output::Out;

/// Check every requirement of the server on this machine, and the server itself, and say what to do.
///
/// The exit code is 1 when there is an error. What is dangerous is a warning, and an error with --production or
/// `production = true` in the configuration: old versions of Docker, runc and RabbitMQ, a broker whose well-known user
/// connects, files with secrets that others can read, public listeners, a server that reaches the container engine
/// itself. Each finding has a code with a page.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The server's configuration file (TOML).
    #[arg(short, long, env = "SLUICE_CONFIG")]
    config: Option<PathBuf>,
    /// As strict as a production set-up needs it.
    #[arg(long)]
    production: bool,
}

impl Doctor {
    pub(crate) async fn run(self, out: Out) -> Done {
        // The file that the server would read.
        let file = self.config.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
        let file: Option<&Path> = file.as_deref();
        let config = config::read(file, std::env::vars());
        let config = config.map_err(|faults| Failure::new(Code::Config, faults.to_string()))?;
        let production = self.production || config.production;
        let strictness = if production { Strictness::Production } else { Strictness::Development };
        let findings = checks::all(&config, file, strictness).await;
        let wrong = |finding: &&Finding| finding.level == Level::Error;
        let names = || findings.iter().filter(wrong).map(|finding| finding.code.to_owned()).collect();
        out.show(&findings[..], names, || findings.iter().map(|finding| format!("{finding}\n")).collect())?;
        Ok(findings.iter().any(|finding| finding.level == Level::Error).then_some(Exit::Failed))
    }
}
