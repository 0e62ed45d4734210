//! A RabbitMQ node of this program's own, on a disk of its own, so that it can be stopped, killed, filled and emptied
//! without hurting anybody.
//!
//! Needs root, Debian's `rabbitmq-server`, and loop devices for the disk. Everything goes when the value is dropped.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice_tests::{Amqp, Broker, eventually, unique};
use tokio::process::{Child, Command};
use url::Url;

use crate::disk::Disk;
use crate::host::{free_port, run, tail};

/// How long the node may take to take connections.
const PATIENCE: Duration = Duration::from_secs(120);
/// Size of its disk.
const DISK_MIB: u32 = 500;
/// Seconds between heartbeats; a peer that vanished is noticed after two of them.
pub(crate) const HEARTBEAT: u64 = 5;

/// The node.
pub(crate) struct Node {
    name: String,
    disk: Disk,
    config: PathBuf,
    port: u16,
    management: u16,
    distribution: u16,
    password: String,
    child: Option<Child>,
}

impl Node {
    /// Starts a node with a new disk.
    ///
    /// # Errors
    /// When something that it needs is missing.
    pub(crate) async fn start() -> Result<Self> {
        let disk = Disk::make("broker", DISK_MIB).await?;
        let config = tempfile::Builder::new().prefix("sluice-faults-").tempdir()?.keep();
        let mut node = Self {
            name: format!("{}@localhost", unique("faults")),
            disk,
            config,
            port: free_port()?,
            management: free_port()?,
            distribution: free_port()?,
            password: unique("p"),
            child: None,
        };
        node.configure().await?;
        node.up().await?;
        Ok(node)
    }

    async fn configure(&self) -> Result<()> {
        let (port, management) = (self.port, self.management);
        let text = format!(
            "listeners.tcp.default = {port}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n\
             default_user = faults\ndefault_pass = {}\ndefault_user_tags.administrator = true\n\
             heartbeat = {HEARTBEAT}\nvm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 60MB\n\
             consumer_timeout = 7200000\nlog.file.level = warning\n",
            self.password
        );
        tokio::fs::write(self.config.join("rabbitmq.conf"), text).await?;
        tokio::fs::write(self.config.join("enabled_plugins"), "[rabbitmq_management].\n").await?;
        // The node runs as the package's user.
        for folder in ["data", "log"] {
            tokio::fs::create_dir_all(self.disk.path().join(folder)).await?;
        }
        let (disk, config) = (self.disk.path().display().to_string(), self.config.display().to_string());
        run("chown", &["-R", "rabbitmq:rabbitmq", &disk, &config]).await?;
        run("chmod", &["-R", "u+rwX,go-rwx", &config]).await.map(|_| ())
    }

    /// A command with the environment that the node and its tools share.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=rabbitmq", "--regid=rabbitmq", "--init-groups", "env"]);
        let (config, disk) = (self.config.display(), self.disk.path().display());
        command.args([
            "HOME=/var/lib/rabbitmq".to_owned(),
            "LANG=C.UTF-8".to_owned(),
            format!("RABBITMQ_NODENAME={}", self.name),
            format!("RABBITMQ_NODE_PORT={}", self.port),
            format!("RABBITMQ_DIST_PORT={}", self.distribution),
            "RABBITMQ_CONF_ENV_FILE=/dev/null".to_owned(),
            format!("RABBITMQ_CONFIG_FILE={config}/rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES=/nonexistent".to_owned(),
            format!("RABBITMQ_ENABLED_PLUGINS_FILE={config}/enabled_plugins"),
            format!("RABBITMQ_MNESIA_BASE={disk}/data"),
            format!("RABBITMQ_LOG_BASE={disk}/log"),
            format!("RABBITMQ_PID_FILE={config}/pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
            "ERL_EPMD_ADDRESS=127.0.0.1".to_owned(),
            format!("/usr/lib/rabbitmq/bin/{program}"),
        ]);
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) async fn up(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the node runs already");
        let log = std::fs::File::options().create(true).append(true).open(self.config.join("out"))?;
        let mut command = self.command("rabbitmq-server");
        command.stdout(log.try_clone()?).stderr(log).process_group(0).kill_on_drop(true);
        self.child = Some(command.spawn().context("cannot start rabbitmq-server; tests/run installs it")?);
        let (amqp, management) = (self.amqp()?, self.management()?);
        let http = reqwest::Client::builder().no_proxy().build()?;
        eventually("the node to take connections", PATIENCE, || async {
            let asked = http.get(management.join("/api/overview")?);
            asked.send().await?.error_for_status()?;
            Amqp::connect(&format!("{amqp}/%2F")).await?.close().await?;
            Ok(Some(()))
        })
        .await
        .with_context(|| tail(&self.config.join("out")))
    }

    /// Makes it run without alarms again, whatever was done to it.
    pub(crate) async fn mend(&mut self) -> Result<()> {
        self.disk.free().await?;
        if self.child.is_none() {
            return self.up().await;
        }
        if self.is_alarmed().await? {
            self.control(&["set_disk_free_limit", "60MB"]).await?;
            self.control(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await?;
        }
        Ok(())
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.end("TERM").await
    }

    /// Kills it: it can write nothing any more.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.end("KILL").await
    }

    async fn end(&mut self, signal: &str) -> Result<()> {
        let mut child = self.child.take().context("the node does not run")?;
        let group = child.id().context("it has ended")?;
        run("kill", &[&format!("-{signal}"), "--", &format!("-{group}")]).await?;
        tokio::time::timeout(Duration::from_secs(60), child.wait()).await.context("it does not end")??;
        // What the script started may outlive it by a moment.
        eventually("all of the node to end", Duration::from_secs(30), || async {
            let gone = run("kill", &["-0", "--", &format!("-{group}")]).await.is_err();
            Ok(gone.then_some(()))
        })
        .await
    }

    /// Loses everything that it stored. It must not run.
    pub(crate) async fn lose_data(&self) -> Result<()> {
        ensure!(self.child.is_none(), "the node runs");
        let data = self.disk.path().join("data");
        tokio::fs::remove_dir_all(&data).await?;
        tokio::fs::create_dir(&data).await?;
        run("chown", &["rabbitmq:rabbitmq", &data.display().to_string()]).await.map(|_| ())
    }

    /// Runs `rabbitmqctl`.
    pub(crate) async fn control(&self, arguments: &[&str]) -> Result<()> {
        let output = self.command("rabbitmqctl").arg("-q").args(arguments).output().await?;
        ensure!(output.status.success(), "rabbitmqctl: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Its disk.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Its AMQP port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn amqp(&self) -> Result<Url> {
        Ok(format!("amqp://faults:{}@127.0.0.1:{}", self.password, self.port).parse()?)
    }

    fn management(&self) -> Result<Url> {
        Ok(format!("http://faults:{}@127.0.0.1:{}", self.password, self.management).parse()?)
    }

    /// A new virtual host on it.
    pub(crate) async fn broker(&self, purpose: &str) -> Result<Broker> {
        Broker::create_at(self.amqp()?, self.management()?, &unique(purpose)).await
    }

    /// Whether an alarm of memory or disk is on.
    pub(crate) async fn is_alarmed(&self) -> Result<bool> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let url = self.management()?.join("/api/health/checks/alarms")?;
        let answer = http.get(url).send().await?;
        Ok(answer.status() == reqwest::StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_group(&mut child);
        }
        std::fs::remove_dir_all(&self.config).ok();
    }
}

/// Kills a process group and waits until the disk that it used can go.
fn kill_group(child: &mut Child) {
    let Some(group) = child.id() else { return };
    let group = format!("-{group}");
    std::process::Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().ok();
    let begun = std::time::Instant::now();
    while child.try_wait().is_ok_and(|ended| ended.is_none()) && begun.elapsed() < Duration::from_secs(5) {
        std::thread::yield_now();
    }
}
