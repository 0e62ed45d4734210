//! The container engine's own command, as an outside witness.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// Runs `docker` with these arguments and gives what it printed.
pub async fn docker(arguments: &[&str]) -> Result<String> {
    let output = Command::new("docker")
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
    let output = Command::new("docker").args(["logs", name]).stdin(Stdio::null()).output().await?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("docker logs {name}: {err}");
    }
    Ok(format!("{out}{err}"))
}
