//! A `sluice serve` process.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::{Api, eventually};

/// A running `sluice serve`. Killed when it is dropped.
pub struct Orchestrator {
    child: Child,
    started: Instant,
    /// From the start of the process until it was ready.
    pub ready_after: Duration,
}

/// The `sluice` program beside the one that runs now.
///
/// # Errors
/// When it was not built.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SLUICE_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let folder = own.ancestors().find(|folder| folder.join("sluice").is_file());
    let folder =
        folder.context("the sluice program is not built; run `cargo build -p sluice` in the same profile")?;
    Ok(folder.join("sluice"))
}

/// The `sluice` program as another user, of one group and these others only.
pub(crate) fn as_user(user: u32, group: u32, others: &[u32]) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}"));
    match others {
        [] => command.arg("--clear-groups"),
        others => {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            command.arg(format!("--groups={}", others.join(",")))
        }
    };
    command.arg(program()?);
    Ok(command)
}

impl Orchestrator {
    /// Starts one and waits until it is ready. Its log goes to `data/log`, what it prints to `data/out`.
    ///
    /// # Errors
    /// When it ends, or is not ready in time.
    pub async fn start(data: &Path, environment: &[(String, String)], api: &Api) -> Result<Self> {
        Self::started(Command::new(program()?), data, environment, api).await
    }

    /// As [`start`](Self::start), as a user that may do nothing but own `data`.
    ///
    /// # Errors
    /// As there, and when this is not root, who alone can be somebody else.
    pub async fn start_as(
        user: u32,
        data: &Path,
        environment: &[(String, String)],
        api: &Api,
    ) -> Result<Self> {
        std::os::unix::fs::chown(data, Some(user), Some(user)).context("only root can run this test")?;
        Self::started(as_user(user, user, &[])?, data, environment, api).await
    }

    async fn started(
        command: Command,
        data: &Path,
        environment: &[(String, String)],
        api: &Api,
    ) -> Result<Self> {
        let mut orchestrator = Self::spawn(command, data, environment)?;
        orchestrator.ready(data, api, Duration::from_secs(120)).await?;
        Ok(orchestrator)
    }

    /// Starts one and waits for nothing.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn launch(data: &Path, environment: &[(String, String)]) -> Result<Self> {
        Self::spawn(Command::new(program()?), data, environment)
    }

    fn spawn(mut command: Command, data: &Path, environment: &[(String, String)]) -> Result<Self> {
        let file = |name: &str| std::fs::File::options().create(true).append(true).open(data.join(name));
        let child = command
            .arg("serve")
            .envs(environment.iter().cloned())
            .current_dir(data)
            .stdin(Stdio::null())
            .stdout(file("out")?)
            .stderr(file("log")?)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start sluice")?;
        Ok(Self { child, started: Instant::now(), ready_after: Duration::ZERO })
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time.
    pub async fn ready(&mut self, data: &Path, api: &Api, patience: Duration) -> Result<()> {
        let url = format!("{}/readyz", api.base());
        let http = reqwest::Client::builder().no_proxy().build()?;
        let started = self.started;
        loop {
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(data.join("log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(15).collect();
                bail!(
                    "sluice ended with {status}:\n{}",
                    tail.into_iter().rev().collect::<Vec<_>>().join("\n")
                );
            }
            if http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                self.ready_after = started.elapsed();
                return Ok(());
            }
            if started.elapsed() > patience {
                bail!("sluice was not ready within {patience:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends by itself; how it did.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn ended(&mut self, patience: Duration) -> Result<std::process::ExitStatus> {
        let ended = tokio::time::timeout(patience, self.child.wait()).await;
        Ok(ended.with_context(|| format!("it did not end within {patience:?}"))??)
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// When nobody can tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Kills it without warning (SIGKILL).
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            self.child.kill().await?;
        }
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits; how it ended.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn terminate(mut self) -> Result<std::process::ExitStatus> {
        let pid = self.child.id().context("it has ended already")?;
        Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await?;
        let patience = Duration::from_secs(90);
        tokio::time::timeout(patience, self.child.wait())
            .await
            .context("it did not end in time")?
            .map_err(Into::into)
    }

    /// The resident memory of a process in KiB.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn memory_kib(pid: u32) -> Result<u64> {
        status(pid, "VmRSS:")
    }

    /// The seconds of CPU that a process has used, in user and system mode.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn cpu_seconds(pid: u32) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name of the program is in brackets and may hold blanks (proc(5)); utime and stime are fields 14 and 15.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let ticks: Vec<f64> =
            fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        // The unit of proc(5) is USER_HZ, which is 100 on every Linux of today.
        Ok(ticks.iter().sum::<f64>() / 100.0)
    }

    /// The most resident memory that a process had at any time, in KiB.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn peak_kib(pid: u32) -> Result<u64> {
        status(pid, "VmHWM:")
    }
}

/// A figure of a process in KiB (proc(5)).
fn status(pid: u32, field: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// The first token, which the first `serve` on a data directory prints once.
///
/// # Errors
/// When it was not printed in time.
pub(crate) async fn first_token(data: &Path) -> Result<String> {
    eventually("the first token", Duration::from_secs(90), || async {
        let out = std::fs::read_to_string(data.join("out")).unwrap_or_default();
        let words = out.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        Ok(words.into_iter().find(|word| word.starts_with("sluice_api_")).map(str::to_owned))
    })
    .await
}
