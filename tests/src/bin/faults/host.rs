//! Commands of this machine.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// Runs a command and gives what it printed.
///
/// # Errors
/// When it is not there, or ends with an error.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
    let output = output.with_context(|| format!("{program} cannot be run"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {} {}", arguments.join(" "), output.status, error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a command in the network of a process.
///
/// # Errors
/// As [`run`].
pub(crate) async fn in_network_of(process: u32, arguments: &[&str]) -> Result<String> {
    let process = process.to_string();
    let mut all = vec!["-t", process.as_str(), "-n"];
    all.extend(arguments);
    run("nsenter", &all).await
}

/// A port that is free now.
///
/// # Errors
/// When there is none.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
