//! `sluice launcher`: the process that alone reaches the container engine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use sluice_docker::{Docker, DockerConfig};
use sluice_launcher::{Launch, Socket};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::{self, DEFAULT_LAUNCHER_FILE, LauncherConfiguration};
use crate::logs;
use crate::serve::{BAD_CONFIGURATION, wait_for_signal};

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn launcher(file: Option<PathBuf>) -> ExitCode {
    let file =
        file.or_else(|| Some(PathBuf::from(DEFAULT_LAUNCHER_FILE)).filter(|path| Path::new(path).exists()));
    let configuration = match config::read_launcher(file.as_deref(), std::env::vars()) {
        Ok(configuration) => configuration,
        Err(faults) => {
            writeln!(std::io::stderr(), "error: {faults}").ok();
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    logs::start(&configuration.log_level, configuration.log_json);
    match run(configuration).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error = format!("{error:#}"), "the launcher ends");
            writeln!(std::io::stderr(), "error: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run(configuration: LauncherConfiguration) -> Result<()> {
    let LauncherConfiguration {
        installation,
        socket: path,
        users,
        group,
        docker_host,
        network,
        open,
        most,
        ..
    } = configuration;
    let docker = Docker::connect(DockerConfig {
        host: docker_host,
        installation: installation.clone(),
        network,
        open,
    })?;
    let socket = Socket::bind(&path, group).context("the launcher cannot listen")?;
    info!(
        socket = %path.display(),
        installation,
        ?users,
        memory = %most.memory,
        cpus = %most.cpus,
        containers = most.containers,
        "the launcher listens"
    );
    let stop = CancellationToken::new();
    let launch = Launch { runtime: Arc::new(docker), installation, users, most };
    let serving = sluice_launcher::serve(socket, launch, stop.clone());
    let told = async {
        let told = wait_for_signal().await;
        info!("the launcher ends");
        stop.cancel();
        told
    };
    let ((), told) = tokio::join!(serving, told);
    told
}
