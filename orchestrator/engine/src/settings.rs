//! What an operator may set about the engine.

use std::time::Duration;

use sluice_domain::Limits;
use sluice_ports::store::Retention;

/// The engine's settings, read once at start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Tells this installation from others on the same broker and container engine: `[a-z0-9-]`, at most 32 characters.
    pub installation: String,
    /// Threads that take outcomes apart and evaluate mappings. With none, each shard does so itself, on whichever thread
    /// it runs: slower, but the same inputs then have the same effects in the same order, which a simulation needs.
    pub workers: usize,
    /// Deliveries that each shard holds unacknowledged.
    pub prefetch: u16,
    /// How often the consumer of a message may die before the message becomes a dead letter.
    pub suspicions: u32,
    /// A flow with more waiting batches than this pauses its triggers.
    pub high_watermark: u32,
    /// A flow whose triggers are paused goes on when it has fewer waiting batches than this.
    pub low_watermark: u32,
    /// Executions that history records in full, per flow and second. Errors are always recorded.
    pub recorded_per_second: u32,
    /// Most bytes of a body that history keeps.
    pub recorded_bytes: usize,
    /// How long history is kept.
    pub retention: Retention,
    /// Limits of containers whose steps set none.
    pub limits: Limits,
    /// How long a container may take to finish what is under way when it is stopped.
    pub grace: Duration,
    /// A container that did not speak to the gateway for this long hangs and is killed.
    pub liveness: Duration,
    /// How long a component that only served invocations is kept running after the last one.
    pub keep_warm: Duration,
    /// Unfinished inputs that give a step a lane of its own: at least 1.
    pub busy: u32,
    /// How long nothing must have been seen of a step before it gives up its own lane.
    pub quiet: Duration,
    /// How long nothing must have come for a deployment before its container is stopped, until the next message. Deployments
    /// with listeners run all the time. None: all do.
    pub idle_timeout: Option<Duration>,
    /// The share of executions that are traced, 0 to 1, where somebody takes spans.
    pub traced: f64,
    /// The base of the URLs that browsers and other systems reach the operator API by, for example
    /// `https://sluice.example`.
    pub public_url: String,
    /// Whether processes outside of the container engine may take the place of a component's containers.
    pub attach: bool,
    /// How components reach the gateway; set once it listens.
    pub gateway_url: String,
    /// How components reach the broker.
    pub broker: ComponentBroker,
    /// The way out for components; none where they reach others by themselves.
    pub egress: Option<EgressPlace>,
}

/// The way out for components, as seen from the containers' network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressPlace {
    /// The URL of the proxy.
    pub url: String,
    /// Whether the broker is reached by way of it too.
    pub broker: bool,
}

/// The broker as seen from the containers' network.
#[derive(Clone)]
pub struct ComponentBroker {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether to use TLS.
    pub tls: bool,
    /// Virtual host.
    pub vhost: String,
    /// A user that all components share, where the broker's management API is not configured.
    pub shared: Option<(String, secrecy::SecretString)>,
}

impl std::fmt::Debug for ComponentBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.vhost)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            installation: "sluice".to_owned(),
            workers: std::thread::available_parallelism().map_or(2, usize::from).min(8),
            prefetch: 64,
            suspicions: 3,
            high_watermark: 500,
            low_watermark: 100,
            recorded_per_second: 20,
            recorded_bytes: 64 * 1024,
            retention: Retention { age: Duration::from_secs(7 * 24 * 3600), count: 10_000 },
            limits: Limits::default(),
            grace: Duration::from_secs(30),
            liveness: Duration::from_secs(90),
            keep_warm: Duration::from_secs(600),
            busy: 16,
            quiet: Duration::from_secs(60),
            idle_timeout: Some(Duration::from_secs(15 * 60)),
            traced: 0.1,
            public_url: "http://127.0.0.1:7400".to_owned(),
            attach: false,
            gateway_url: String::new(),
            broker: ComponentBroker {
                host: "127.0.0.1".to_owned(),
                port: 5672,
                tls: false,
                vhost: "/".to_owned(),
                shared: None,
            },
            egress: None,
        }
    }
}
