//! The container engine.
//!
//! Truth about containers is in their labels, so that a restarted orchestrator finds its own. Every container is made
//! from one hardened template; nothing in a [`ContainerSpec`] can ask for more rights.

use std::net::IpAddr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_core::stream::BoxStream;
use secrecy::SecretString;
use sluice_domain::{ContainerStartId, DeploymentId, ExitInfo, ImageDigest, ImageRef, Limits};

use crate::PortError;

/// The container engine.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Makes the network of the containers if it is not there, and says where on it the host is. Idempotent.
    async fn prepare(&self) -> Result<Network, PortError>;

    /// What an image is now. Pulls it when it is not there and a registry can be reached.
    async fn image(&self, image: &ImageRef) -> Result<Image, PortError>;

    /// The containers of this installation, running or not.
    async fn list(&self) -> Result<Vec<Container>, PortError>;

    /// Makes and starts a container and hands it `boot` on its standard input. A container of the same name that is
    /// left over is removed first if it does not run, and is a [`Fault::Conflict`](crate::Fault::Conflict) if it does.
    /// Returns the limits in effect.
    async fn start(&self, spec: &ContainerSpec, boot: &SecretString) -> Result<EffectiveLimits, PortError>;

    /// Asks a container to end (SIGTERM), waits for `grace`, then kills it. Idempotent.
    async fn stop(&self, name: &str, grace: std::time::Duration) -> Result<(), PortError>;

    /// Removes a container, running or not. Idempotent.
    async fn remove(&self, name: &str) -> Result<(), PortError>;

    /// The last `tail` lines that a container wrote, and with `follow` those that come.
    async fn logs(
        &self,
        name: &str,
        tail: u32,
        follow: bool,
    ) -> Result<BoxStream<'static, LogLine>, PortError>;

    /// Fires whenever a container of this installation started or ended. Only a hint: it may be late, doubled or missing.
    /// Ends when the connection is lost; call again.
    async fn events(&self) -> Result<BoxStream<'static, ()>, PortError>;

    /// What a running container uses. `None` when the engine does not say, or there is no such container.
    async fn usage(&self, name: &str) -> Result<Option<Usage>, PortError>;

    /// The engine's name and version, if it answers.
    async fn version(&self) -> Result<String, PortError>;

    /// What the engine says of itself, for people who want to know whether it is good enough.
    async fn facts(&self) -> Result<EngineFacts, PortError>;
}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of runc, which starts containers, where it says that.
    pub runc: Option<String>,
    /// The time on its machine.
    pub time: Option<DateTime<Utc>>,
    /// The containers' network, if it is there.
    pub network: Option<NetworkFacts>,
    /// Whether the machine's packet filter sees what goes from container to container on one bridge: without it a
    /// bridge keeps nobody apart. `None` where neither the engine nor the machine tells.
    pub bridge_filter: Option<bool>,
}

/// How the containers' network stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkFacts {
    /// As of a [`Network`].
    pub fenced: bool,
    /// As of a [`Network`].
    pub own: bool,
    /// Whether no container is on it.
    pub empty: bool,
    /// Whether the engine keeps the containers on it apart from each other.
    pub apart: bool,
}

/// The network of the containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The address of the host on it.
    pub host: IpAddr,
    /// Its addresses: each range by its first address and the length of the prefix.
    pub subnets: Vec<(IpAddr, u8)>,
    /// Whether it has no route out: containers on it reach the host's address and nothing else.
    pub fenced: bool,
    /// Whether it was made for these containers alone, and not by somebody else.
    pub own: bool,
}

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its repository digest, or its id where it has none.
    pub digest: ImageDigest,
    /// The descriptor label, if it has one.
    pub descriptor: Option<String>,
}

/// What an image says of itself: for people who want to know why it is no component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its operating system and architecture, for example `linux/amd64`.
    pub platform: String,
    /// Its repository digest, or its id where it has none.
    pub digest: Option<ImageDigest>,
    /// The descriptor label, if it has one.
    pub descriptor: Option<String>,
    /// The user that it asks for; empty for root.
    pub user: String,
    /// What it runs: its entry point, then its command.
    pub command: Vec<String>,
    /// The ports that it declares.
    pub ports: Vec<String>,
    /// The volumes that it declares.
    pub volumes: Vec<String>,
    /// The shells that are in it.
    pub shells: Vec<String>,
}

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    /// The container's name.
    pub name: String,
    /// The deployment that it serves.
    pub deployment: DeploymentId,
    /// This start.
    pub start: ContainerStartId,
    /// What to run. Always by digest or id, never by tag.
    pub digest: ImageDigest,
    /// The image's name, shown only.
    pub image: ImageRef,
    /// What it may use.
    pub limits: Limits,
}

/// The limits that a container really got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectiveLimits {
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processor time in billionths of a core.
    pub nano_cpus: i64,
    /// Processes and threads.
    pub pids: i64,
}

/// A container of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The deployment that it serves.
    pub deployment: DeploymentId,
    /// Which start it is.
    pub start: ContainerStartId,
    /// How it stands.
    pub state: ContainerState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The limits in effect.
    pub limits: EffectiveLimits,
}

/// How a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// It was made, or is just being started or stopped.
    Transition,
    /// It runs.
    Running,
    /// It ended.
    Exited(ExitInfo),
}

/// What a container uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Memory in bytes, without what the kernel may take back at once.
    pub memory_bytes: u64,
    /// Processor time since it was started.
    pub cpu: std::time::Duration,
}

/// A line that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When, where the engine says so.
    pub at: Option<DateTime<Utc>>,
    /// The text without its line break, cut to 16 KiB.
    pub text: String,
}
