//! Commands of this machine.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use rand::Rng;
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

/// A port that is free now. Below those that the system gives to outgoing connections (from 32768 on), so that it is still
/// free when what listens there is started again.
///
/// # Errors
/// When there is none.
pub(crate) fn free_port() -> Result<u16> {
    let tried = (0..1000).map(|_| rand::rng().random_range(15_000..32_000_u16));
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    tried.into_iter().find(free).context("no port is free")
}

/// The last lines of a file, for errors.
pub(crate) fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
