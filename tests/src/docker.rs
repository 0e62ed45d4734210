//! The container engine's own command, as an outside witness.

use std::process::Stdio;
use std::sync::{PoisonError, RwLock};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// The engine that is spoken to, when it is not the one of this machine.
static ENGINE: RwLock<Option<String>> = RwLock::new(None);

/// Speaks to another engine from now on, for example `unix:///run/other.sock`, or to that of this machine again. For a
/// program that has one world at a time.
pub fn use_engine(host: Option<String>) {
    *ENGINE.write().unwrap_or_else(PoisonError::into_inner) = host;
}

/// The engine that [`use_engine`] chose.
#[must_use]
pub fn engine() -> Option<String> {
    ENGINE.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn command() -> Command {
    let mut command = Command::new("docker");
    if let Some(host) = engine() {
        command.env("DOCKER_HOST", host);
    }
    command
}

/// Runs `docker` with these arguments and gives what it printed.
pub async fn docker(arguments: &[&str]) -> Result<String> {
    let output = command()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .context("docker cannot be run; tests/run installs and starts it")?;
    if !output.status.success() {
        bail!("docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Everything that a container wrote.
///
/// # Errors
/// When there is no such container.
pub async fn container_log(name: &str) -> Result<String> {
    let output = command().args(["logs", name]).stdin(Stdio::null()).output().await?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("docker logs {name}: {err}");
    }
    Ok(format!("{out}{err}"))
}

/// Removes the containers and the network of an installation. Waits, so that it can be called while something is dropped.
pub(crate) fn remove_installation(name: &str) {
    let label = format!("label=io.sluice.installation={name}");
    let host = engine().map_or_else(String::new, |host| format!("export DOCKER_HOST={host}; "));
    let script = format!(
        "{host}docker ps -aq --filter {label} | xargs -r docker rm -f >/dev/null 2>&1; docker network rm sluice-{name} >/dev/null 2>&1",
    );
    std::process::Command::new("sh").arg("-c").arg(script).status().ok();
}
