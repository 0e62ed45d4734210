//! Programs for Node.js, each in a folder of its own beside the tests.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use url::Url;

/// How long a program may take until it says where it listens.
const PATIENCE: Duration = Duration::from_secs(90);

/// The folder of a program, its packages installed.
///
/// # Errors
/// When npm is not there, or cannot get the packages.
pub async fn installed(program: &str) -> Result<PathBuf> {
    // Two tests may need the same folder.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(program);
    let _guard = ONE_AT_A_TIME.lock().await;
    // npm writes this last.
    if !folder.join("node_modules/.package-lock.json").exists() {
        let install = ["ci", "--no-audit", "--no-fund", "--silent"];
        let status = Command::new("npm").args(install).current_dir(&folder).status().await;
        let status = status.context("cannot start npm; tests/run installs it")?;
        ensure!(status.success(), "npm ci in {program} ended with {status}");
    }
    Ok(folder)
}

/// A server for Node.js. It ends with this value.
pub struct Server {
    _process: Child,
    url: Url,
}

impl Server {
    /// Starts `server.mjs` of a program, which prints its URL first.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(program: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let mut process = Command::new("node")
            .arg("server.mjs")
            .current_dir(installed(program).await?)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start node")?;
        let output = process.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line.with_context(|| format!("{program} does not start"))?;
        let line = line?.with_context(|| format!("{program} ended"))?;
        Ok(Self { _process: process, url: line.trim().parse().context("it prints no URL")? })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}
