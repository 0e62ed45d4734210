//! Configuration: a TOML file, then the environment, read once at start.
//!
//! A key `a.b` of the file is `SLUICE__A__B` in the environment, which wins; with `_FILE` behind it, the variable names a
//! file that holds the value. All faults are reported together, each naming its key.

mod accounts;
mod keys;
mod launcher;
mod read;
mod reader;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use sluice_domain::Limits;
use sluice_oauth::Network;
use sluice_rabbitmq::BrokerUrl;
use url::Url;

pub(crate) use launcher::{DEFAULT_LAUNCHER_FILE, LauncherConfiguration, read as read_launcher};
pub(crate) use read::read;

/// The file that is read when none is named, if it is there.
pub(crate) const DEFAULT_FILE: &str = "/etc/sluice/sluice.toml";

/// The whole configuration.
pub(crate) struct Configuration {
    /// Tells this installation from others on the same broker and container engine.
    pub(crate) installation: String,
    /// Whether to refuse what is dangerous in production.
    pub(crate) production: bool,
    /// Where the store and the keys are.
    pub(crate) data_dir: PathBuf,
    /// Where the operator's API listens.
    pub(crate) api_listen: SocketAddr,
    /// The URL that the outside world reaches the API by, for the URLs of webhooks.
    pub(crate) public_url: Option<String>,
    /// Whether the API asks for no token.
    pub(crate) insecure: bool,
    /// Where the metrics listen.
    pub(crate) metrics_listen: SocketAddr,
    /// Where components reach the orchestrator.
    pub(crate) gateway: GatewayPlace,
    /// Where components go out.
    pub(crate) egress: WayOut,
    /// The broker.
    pub(crate) broker: BrokerPlace,
    /// Where providers of tokens may be.
    pub(crate) providers: ProviderPlace,
    /// Where the container engine listens; the local one when absent.
    pub(crate) docker_host: Option<String>,
    /// A network that somebody else made; an own one when absent.
    pub(crate) network: Option<String>,
    /// The socket of the launcher, which has the container engine then.
    pub(crate) launcher: Option<PathBuf>,
    /// Limits of containers whose steps set none.
    pub(crate) limits: Limits,
    /// How long a container may take to finish what is under way.
    pub(crate) grace: Duration,
    /// The engine's numbers.
    pub(crate) engine: EngineNumbers,
    /// Whether processes of authors may take the place of containers.
    pub(crate) attach: bool,
    /// Whom to tell of events.
    pub(crate) webhook: Option<EventWebhook>,
    /// Whom to tell of spans.
    pub(crate) telemetry: Option<Telemetry>,
    /// Whether logs are JSON.
    pub(crate) log_json: bool,
    /// The log filter, for example `info` or `info,sluice_engine=debug`.
    pub(crate) log_level: String,
}

/// Where components reach the orchestrator.
pub(crate) struct GatewayPlace {
    /// Where it listens; the host's address on the containers' network when absent.
    pub(crate) listen: Option<SocketAddr>,
    /// The URL that components use; made of the address when absent.
    pub(crate) advertise: Option<String>,
}

/// Where components go out.
pub(crate) struct WayOut {
    /// Whether they reach others by themselves, without a proxy.
    pub(crate) open: bool,
    /// Where the proxy listens; the host's address on the containers' network when absent.
    pub(crate) listen: Option<SocketAddr>,
    /// The URL that components reach it by; made of the address when absent.
    pub(crate) advertise: Option<String>,
    /// Networks where no component may go.
    pub(crate) refused: Vec<Network>,
    /// Whether rules may lead to this machine's loopback addresses.
    pub(crate) loopback: bool,
}

/// Where providers of tokens may be, besides the public internet.
pub(crate) struct ProviderPlace {
    /// Networks of this machine and private ones that are open.
    pub(crate) allowed: Vec<Network>,
    /// Networks that are closed, whatever else is said.
    pub(crate) refused: Vec<Network>,
}

/// The broker.
pub(crate) struct BrokerPlace {
    /// Its AMQP URL.
    pub(crate) url: BrokerUrl,
    /// Its management API's URL.
    pub(crate) management: Option<SecretString>,
    /// Its host as components see it.
    pub(crate) component_host: Option<String>,
    /// Its port as components see it.
    pub(crate) component_port: Option<u16>,
    /// A user that all components share, where there is no management API.
    pub(crate) component_user: Option<(String, SecretString)>,
    /// The type of queues.
    pub(crate) queue_type: QueueChoice,
}

/// Whom to tell of events.
pub(crate) struct EventWebhook {
    /// The URL.
    pub(crate) url: Url,
    /// What signs the notices.
    pub(crate) secret: SecretString,
}

/// Whom to tell of spans.
pub(crate) struct Telemetry {
    /// The base URL of the collector.
    pub(crate) endpoint: Url,
    /// Headers of the requests to it. They may let in.
    pub(crate) headers: Vec<(String, SecretString)>,
    /// The share of executions that are traced, 0 to 1.
    pub(crate) ratio: f64,
}

/// The type of queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueChoice {
    /// Classic on a broker of one node, quorum on a cluster.
    Auto,
    /// Classic.
    Classic,
    /// Quorum.
    Quorum,
}

/// The engine's numbers.
#[derive(Debug, Clone)]
pub(crate) struct EngineNumbers {
    pub(crate) workers: Option<usize>,
    pub(crate) prefetch: u16,
    pub(crate) suspicions: u32,
    pub(crate) high_watermark: u32,
    pub(crate) low_watermark: u32,
    pub(crate) liveness: Duration,
    /// How long a component that only served invocations is kept running after the last one.
    pub(crate) keep_warm: Duration,
    /// How long nothing must have come for a deployment before its container is stopped; never when there is none.
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) recorded_per_second: u32,
    pub(crate) recorded_bytes: usize,
    pub(crate) retention_age: Duration,
    pub(crate) retention_count: u64,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has faults:\n{}", .0.join("\n"))]
pub(crate) struct Faults(pub(crate) Vec<String>);

#[cfg(test)]
mod tests;
