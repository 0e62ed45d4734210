//! A `sluice launcher` process.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::Child;

use crate::orchestrator::as_user;
use crate::{eventually, unique};

/// The user that the launcher runs as, in the group of the container engine's socket.
const LAUNCHER: u32 = 64_101;
/// The user that the server runs as, in no other group.
pub(crate) const SERVER: u32 = 64_102;

/// A launcher that the server's user may ask, with a folder for its socket. Killed when it is dropped.
pub struct Launcher {
    installation: String,
    folder: TempDir,
    child: Option<Child>,
}

impl Launcher {
    /// Starts the launcher of an installation and waits until it listens.
    ///
    /// # Errors
    /// When it ends or does not listen, or this is not root, who alone can be somebody else.
    pub(crate) async fn start(installation: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&unique("launcher")).tempdir()?;
        // Everybody may look for the socket; its own mode says who may ask.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        chown(folder.path(), Some(LAUNCHER), Some(LAUNCHER)).context("only root can run this test")?;
        let mut launcher = Self { installation: installation.to_owned(), folder, child: None };
        launcher.restart().await?;
        Ok(launcher)
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("launcher.sock")
    }

    /// What it logged until now.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Kills it without warning (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.take().context("it does not run")?.kill().await?;
        Ok(())
    }

    /// Starts it, the socket of the last one being still there.
    ///
    /// # Errors
    /// When it ends or does not listen.
    pub async fn restart(&mut self) -> Result<()> {
        let engine = engine_socket();
        let engine_group = std::fs::metadata(&engine)
            .with_context(|| format!("these tests need the container engine at {}", engine.display()))?
            .gid();
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        let mut child = as_user(LAUNCHER, engine_group, &[SERVER])?
            .arg("launcher")
            .env("SLUICE_LAUNCHER__INSTALLATION", &self.installation)
            .env("SLUICE_LAUNCHER__SOCKET", self.socket())
            .env("SLUICE_LAUNCHER__USERS", SERVER.to_string())
            .env("SLUICE_LAUNCHER__GROUP", SERVER.to_string())
            .env("SLUICE_LAUNCHER__LOG__LEVEL", "debug")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the launcher")?;
        let socket = self.socket();
        let log = self.folder.path().join("log");
        let listens = eventually("the launcher to listen", Duration::from_secs(90), || {
            let ended = child.try_wait();
            let (socket, log) = (&socket, &log);
            async move {
                if let Some(status) = ended? {
                    anyhow::bail!("it ended with {status}: {}", std::fs::read_to_string(log)?);
                }
                Ok(UnixStream::connect(socket).await.ok().map(drop))
            }
        });
        listens.await?;
        self.child = Some(child);
        Ok(())
    }
}

/// Where the container engine listens.
fn engine_socket() -> PathBuf {
    let named = std::env::var("DOCKER_HOST").ok();
    let path = named.as_deref().and_then(|host| host.strip_prefix("unix://"));
    path.unwrap_or("/var/run/docker.sock").into()
}

/// What `sluice` says to a user: 0 is root, others are in no group but their own.
///
/// # Errors
/// When it cannot be run.
pub async fn sluice_as(user: u32, arguments: &[&str], environment: &[(String, String)]) -> Result<Output> {
    let mut command = as_user(user, user, &[])?;
    command.args(arguments).envs(environment.iter().cloned()).current_dir("/").stdin(Stdio::null());
    Ok(command.output().await?)
}
