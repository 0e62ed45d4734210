//! A container engine of this program's own, so that it can be restarted and killed without hurting anybody.
//!
//! It has no packet filter rules, so it does not touch those of the machine's engine. Its default bridge is its own too. An
//! engine deletes `docker0`, whosever that is, when it is told to have no default bridge, and when it is started again with
//! pools of addresses of its own (`--default-address-pool`); so it is told neither, and takes the networks that are free.
//! Needs root. Everything goes when the value is dropped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice_tests::{component_image, docker, eventually, use_engine};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::host::{run, tail};

/// The default bridge of this engine, and its address.
const BRIDGE: &str = "sluice-faults";
const ADDRESS: &str = "10.214.0.1/24";

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The engine.
pub(crate) struct Daemon {
    folder: TempDir,
    live_restore: bool,
    /// Whether the bridge of the machine's engine was there before.
    has_machines: bool,
    child: Option<Child>,
}

impl Daemon {
    /// Starts one that has the images of these components, and speaks to it from now on.
    ///
    /// # Errors
    /// When it does not start, or an image was not built.
    pub(crate) async fn start(components: &[&str], live_restore: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sluice-faults-engine-").tempdir_in("/var/tmp")?;
        let images: Vec<String> = components.iter().map(|name| component_image(name)).collect();
        let archive = folder.path().join("images.tar").display().to_string();
        let mut save = vec!["save", "-o", archive.as_str()];
        save.extend(images.iter().map(String::as_str));
        docker(&save).await.context("run deploy/images/build first")?;
        // One that was left over is as good.
        run("ip", &["link", "add", BRIDGE, "type", "bridge"]).await.ok();
        run("ip", &["address", "replace", ADDRESS, "dev", BRIDGE]).await?;
        let mut daemon = Self { folder, live_restore, has_machines: machines_bridge(), child: None };
        use_engine(Some(daemon.host()));
        daemon.up().await?;
        daemon.load().await?;
        Ok(daemon)
    }

    /// Loads the images again.
    pub(crate) async fn load(&self) -> Result<()> {
        let archive = self.path("images.tar").display().to_string();
        docker(&["load", "-q", "-i", &archive]).await.map(|_| ())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.path("socket").display())
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn up(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the engine runs already");
        let text = |name: &str| self.path(name).display().to_string();
        let log = std::fs::File::options().create(true).append(true).open(self.path("log"))?;
        let mut command = Command::new("dockerd");
        command
            .args(["-H", &self.host(), "--data-root", &text("data"), "--exec-root", &text("exec")])
            .args(["--pidfile", &text("pid"), "--bridge", BRIDGE, "--iptables=false", "--ip-masq=false"])
            .args(["--log-level", "warn"]);
        if self.live_restore {
            command.arg("--live-restore");
        }
        command.env_remove("DOCKER_HOST").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.kill_on_drop(true).spawn().context("cannot start dockerd")?);
        eventually("the engine to answer", PATIENCE, || async { docker(&["info"]).await.map(Some) })
            .await
            .with_context(|| tail(&self.path("log")))?;
        ensure!(
            !self.has_machines || machines_bridge(),
            "the engine deleted docker0, the bridge of the machine's"
        );
        Ok(())
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.end("-TERM").await
    }

    /// Kills it. Its containerd dies with it; what runs containers lives on.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        let file = self.path("exec/containerd/containerd.pid");
        let containerd = tokio::fs::read_to_string(&file).await.unwrap_or_default();
        self.end("-KILL").await?;
        eventually("its containerd to end", PATIENCE, || async { Ok((!runs(&containerd)).then_some(())) })
            .await?;
        // Where nobody takes note of its end, it is a zombie: the next engine would wait for it to answer.
        tokio::fs::remove_file(&file).await.ok();
        Ok(())
    }

    async fn end(&mut self, signal: &str) -> Result<()> {
        let mut child = self.child.take().context("the engine does not run")?;
        let pid = child.id().context("it has ended")?.to_string();
        run("kill", &[signal, &pid]).await?;
        tokio::time::timeout(PATIENCE, child.wait()).await.context("it does not end")??;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        use_engine(None);
        let shell = |script: &str| {
            let mut command = std::process::Command::new("sh");
            command.args(["-c", script]).stdout(Stdio::null()).stderr(Stdio::null()).status().ok();
        };
        // Containers first, while there is somebody who can remove them.
        let socket = self.host();
        shell(&format!(
            "export DOCKER_HOST={socket}; timeout 30 docker ps -aq | xargs -r timeout 60 docker rm -f; \
             timeout 30 docker network ls -q --filter type=custom | xargs -r -n1 timeout 30 docker network rm"
        ));
        if let Some(pid) = self.child.as_ref().and_then(Child::id) {
            shell(&format!("kill -TERM {pid}; timeout 30 tail --pid={pid} -f /dev/null; kill -KILL {pid}"));
        }
        // Its own containerd outlives it when it was killed.
        let containerd = self.path("exec/containerd/containerd.pid").display().to_string();
        shell(&format!(
            "pid=$(cat {containerd}) && kill -TERM $pid && timeout 20 tail --pid=$pid -f /dev/null"
        ));
        shell(&format!("ip link delete {BRIDGE}"));
        let folder = self.folder.path().display();
        // What still runs a container when nobody is there to end it.
        shell(&format!(
            "for pid in $(pgrep -f 'containerd-shim.*{folder}/'); do kill -KILL $(pgrep -P $pid) $pid; done"
        ));
        shell(&format!(
            "grep -o '{folder}[^ ]*' /proc/mounts | sort -r | xargs -r -n1 umount -l; rm -rf {folder}/data {folder}/exec"
        ));
    }
}

/// Whether a process is there and no zombie.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Whether the default bridge of the machine's engine is there.
fn machines_bridge() -> bool {
    Path::new("/sys/class/net/docker0").exists()
}
