//! Tools of others that these commands run: Cargo and Docker.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::failure::{Code, Failure};

/// Builds the package in a folder and says where its binary is.
pub(super) async fn cargo_build(dir: &Path, release: bool) -> Result<PathBuf, Failure> {
    let mut command = Command::new("cargo");
    command.args(["build", "--message-format=json-render-diagnostics"]).current_dir(dir);
    if release {
        command.arg("--release");
    }
    let told = output(command, "cargo", "install Rust from https://rustup.rs").await?;
    let mut binaries = told.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    binaries.next_back().ok_or_else(|| Failure::new(Code::Build, "the package makes no binary"))
}

/// Runs a command and gives what it printed. What it says goes where ours does.
pub(super) async fn output(mut command: Command, name: &str, help: &str) -> Result<String, Failure> {
    let ran = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output().await;
    let ran = ran.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new(Code::Build, format!("the command `{name}` is not installed")).help(help)
        }
        _ => Failure::new(Code::Build, format!("`{name}` cannot be run: {error}")),
    })?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    let what: Vec<_> = command.as_std().get_args().take(1).filter_map(OsStr::to_str).collect();
    Err(Failure::new(Code::Build, format!("`{name} {}` failed: {}", what.join(" "), ran.status)))
}
