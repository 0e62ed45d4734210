//! Where adapters meet ports: the one place that knows all of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use sluice_docker::{ConnectError, Docker, DockerConfig};
use sluice_egress::Policy;
use sluice_engine::{ComponentBroker, EgressPlace, Settings};
use sluice_launcher::Launcher;
use sluice_oauth::HttpOAuth;
use sluice_ports::broker::{BrokerUsers, BrokerWatch};
use sluice_ports::runtime::{Network, Runtime};
use sluice_ports::store::Store;
use sluice_ports::{Clock, Entropy, Notifier, Ports, SpanSink, Vault};
use sluice_rabbitmq::{Management, QueueType, RabbitMq};
use sluice_store::{FileVault, SqliteStore};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::config::{Configuration, QueueChoice};
use crate::notify::HttpNotifier;
use crate::otlp::Collector;

/// How long the container engine may be away at start.
const PATIENCE: Duration = Duration::from_secs(30);
/// The port of the gateway when none is configured. Any free one will do when it is taken.
const GATEWAY_PORT: u16 = 7402;
/// The same of the proxy that components go out by.
const EGRESS_PORT: u16 = 7403;

/// Everything that `serve` needs.
pub(crate) struct Wired {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) gateway: TcpListener,
    /// The proxy's listener and the addresses that it never dials; nothing where components go out by themselves.
    pub(crate) egress: Option<(TcpListener, Policy)>,
    pub(crate) store: Arc<SqliteStore>,
}

/// Opens the store, reaches the container engine, binds the gateway and begins to connect to the broker.
pub(crate) async fn wire(configuration: &Configuration) -> Result<Wired> {
    let folder = &configuration.data_dir;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the data directory {}", folder.display()))?;
    let store =
        Arc::new(SqliteStore::open(&folder.join("sluice.db")).await.context("cannot open the store")?);
    let vault: Arc<dyn Vault> =
        Arc::new(FileVault::open(&folder.join("keys")).context("cannot read the key file")?);
    let runtime = runtime(configuration)?;
    let network = prepare(&*runtime).await?;
    let place = &configuration.gateway;
    let (gateway, gateway_url) =
        bind((place.listen, place.advertise.as_deref()), &network, ("component gateway", GATEWAY_PORT))
            .await?;
    let (egress, egress_url) = bind_egress(configuration, &network, &gateway).await?.unzip();
    let users = users(configuration)?;
    let queues = queue_type(configuration, users.as_deref()).await;
    let broker = Arc::new(RabbitMq::connect(&configuration.broker.url, queues));
    let store_port: Arc<dyn Store> = store.clone();
    let providers = &configuration.providers;
    let oauth = HttpOAuth::new(&sluice_oauth::Settings {
        allowed: providers.allowed.clone(),
        refused: providers.refused.clone(),
        ..sluice_oauth::Settings::default()
    })
    .context("cannot ask providers of tokens")?;
    let ports = Ports {
        oauth: Arc::new(oauth),
        notifier: notifier(configuration)?,
        spans: collector(configuration)?,
        broker,
        users: users.clone().map(|users| users as Arc<dyn BrokerUsers>),
        watch: users.map(|users| users as Arc<dyn BrokerWatch>),
        runtime,
        store: store_port,
        vault,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let settings = settings(configuration, &network, (gateway_url, egress_url));
    Ok(Wired { ports, settings, gateway, egress, store })
}

/// The container engine: the launcher's where there is one, else reached by this process itself.
pub(crate) fn runtime(configuration: &Configuration) -> Result<Arc<dyn Runtime>, ConnectError> {
    if let Some(socket) = &configuration.launcher {
        return Ok(Arc::new(Launcher::new(socket, &configuration.installation)));
    }
    let docker = Docker::connect(DockerConfig {
        host: configuration.docker_host.clone(),
        installation: configuration.installation.clone(),
        network: configuration.network.clone(),
        open: configuration.egress.open,
    })?;
    Ok(Arc::new(docker))
}

fn notifier(configuration: &Configuration) -> Result<Option<Arc<dyn Notifier>>> {
    let Some(webhook) = &configuration.webhook else { return Ok(None) };
    let notifier = HttpNotifier::new(webhook).context("cannot tell of events")?;
    Ok(Some(Arc::new(notifier)))
}

fn collector(configuration: &Configuration) -> Result<Option<Arc<dyn SpanSink>>> {
    let Some(telemetry) = &configuration.telemetry else { return Ok(None) };
    let collector = Collector::new(telemetry, &configuration.installation).context("cannot tell of spans")?;
    Ok(Some(Arc::new(collector)))
}

/// Waits for the container engine, for a while.
async fn prepare(runtime: &dyn Runtime) -> Result<Network> {
    let started = tokio::time::Instant::now();
    let mut told = false;
    loop {
        match runtime.prepare().await {
            Ok(network) => return Ok(network),
            Err(error) if error.is_transient() && started.elapsed() < PATIENCE => {
                if !told {
                    warn!(
                        error = sluice_engine::chain(&error),
                        "the container engine is away; waiting for it"
                    );
                    told = true;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => {
                return Err(error).context("the container engine cannot be used; `sluice doctor` helps");
            }
        }
    }
}

/// Listens where components reach it, and says by which URL they do.
async fn bind(
    (listen, advertise): (Option<SocketAddr>, Option<&str>),
    network: &Network,
    (what, port): (&str, u16),
) -> Result<(TcpListener, String)> {
    let wanted = listen.unwrap_or_else(|| SocketAddr::new(network.host, port));
    let listener = match TcpListener::bind(wanted).await {
        Ok(listener) => listener,
        Err(_) if listen.is_none() => TcpListener::bind(SocketAddr::new(network.host, 0))
            .await
            .with_context(|| format!("the {what} cannot listen on {}", network.host))?,
        Err(error) => return Err(error).with_context(|| format!("the {what} cannot listen on {wanted}")),
    };
    let port = listener.local_addr()?.port();
    let url = match advertise {
        Some(url) => url.to_owned(),
        None if wanted.ip().is_unspecified() => format!("http://{}", SocketAddr::new(network.host, port)),
        None => format!("http://{}", SocketAddr::new(wanted.ip(), port)),
    };
    info!(url, "the {what} listens");
    Ok((listener, url))
}

/// The proxy that components go out by, unless they go out by themselves.
async fn bind_egress(
    configuration: &Configuration,
    network: &Network,
    gateway: &TcpListener,
) -> Result<Option<((TcpListener, Policy), String)>> {
    let place = &configuration.egress;
    if place.open {
        return Ok(None);
    }
    let at = (place.listen, place.advertise.as_deref());
    let (listener, url) = bind(at, network, ("egress proxy", EGRESS_PORT)).await?;
    let mut own = Vec::new();
    for address in [gateway.local_addr()?, listener.local_addr()?] {
        own.push(address);
        if address.ip().is_unspecified() {
            own.push(SocketAddr::new(network.host, address.port()));
        }
    }
    let range = |(address, prefix): &(IpAddr, u8)| {
        Some((sluice_egress::Network::new(*address, *prefix)?, network.host))
    };
    // On a network of somebody else there may be other things than components.
    let containers = network.subnets.iter().filter(|_| network.own).filter_map(range).collect();
    let policy = Policy { allow_loopback: place.loopback, refused: place.refused.clone(), own, containers };
    Ok(Some(((listener, policy), url)))
}

fn users(configuration: &Configuration) -> Result<Option<Arc<Management>>> {
    let Some(url) = &configuration.broker.management else { return Ok(None) };
    let vhost = configuration.broker.url.vhost();
    let management = Management::new(url.expose_secret(), vhost, &configuration.installation)?;
    Ok(Some(Arc::new(management)))
}

async fn queue_type(configuration: &Configuration, users: Option<&Management>) -> QueueType {
    match (configuration.broker.queue_type, users) {
        (QueueChoice::Classic, _) | (QueueChoice::Auto, None) => QueueType::Classic,
        (QueueChoice::Quorum, _) => QueueType::Quorum,
        (QueueChoice::Auto, Some(users)) => match users.nodes().await {
            Ok(nodes) if nodes > 1 => QueueType::Quorum,
            Ok(_) => QueueType::Classic,
            Err(error) => {
                warn!(
                    error = sluice_engine::chain(&error),
                    "cannot ask the broker for its nodes; taking it for one node"
                );
                QueueType::Classic
            }
        },
    }
}

fn settings(
    configuration: &Configuration,
    network: &Network,
    (gateway_url, egress_url): (String, Option<String>),
) -> Settings {
    let (numbers, place) = (&configuration.engine, &configuration.broker);
    let broker_host =
        place.component_host.clone().unwrap_or_else(|| seen_by_components(place.url.host(), network));
    // From a network without a route out only the host's address is reached.
    let beyond = network.own && network.fenced && broker_host.parse() != Ok(network.host);
    let defaults = Settings::default();
    Settings {
        installation: configuration.installation.clone(),
        workers: numbers.workers.unwrap_or(defaults.workers),
        prefetch: numbers.prefetch,
        suspicions: numbers.suspicions,
        high_watermark: numbers.high_watermark,
        low_watermark: numbers.low_watermark,
        recorded_per_second: numbers.recorded_per_second,
        recorded_bytes: numbers.recorded_bytes,
        retention: sluice_ports::store::Retention {
            age: numbers.retention_age,
            count: numbers.retention_count,
        },
        limits: configuration.limits,
        grace: configuration.grace,
        liveness: numbers.liveness,
        keep_warm: numbers.keep_warm,
        busy: defaults.busy,
        quiet: defaults.quiet,
        idle_timeout: numbers.idle_timeout,
        traced: configuration.telemetry.as_ref().map_or(0.0, |telemetry| telemetry.ratio),
        public_url: configuration
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{}", configuration.api_listen)),
        attach: configuration.attach,
        gateway_url,
        broker: ComponentBroker {
            host: broker_host,
            port: place.component_port.unwrap_or_else(|| place.url.port()),
            tls: place.url.tls(),
            vhost: place.url.vhost().to_owned(),
            shared: place.component_user.clone(),
        },
        egress: egress_url.map(|url| EgressPlace { url, broker: beyond }),
    }
}

/// A broker on this machine's loopback address is, for a container, on the host's address of their network.
fn seen_by_components(host: &str, network: &Network) -> String {
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if loopback { network.host.to_string() } else { host.to_owned() }
}

/// The system's clock.
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// The system's randomness.
struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bits(&self) -> u128 {
        rand::random()
    }

    fn secret(&self) -> [u8; 32] {
        rand::random()
    }
}

/// Refuses to serve without tokens beyond the loopback address, whatever said so.
pub(crate) fn check_exposure(configuration: &Configuration, insecure: bool) -> Result<()> {
    if insecure && !configuration.api_listen.ip().is_loopback() {
        bail!(
            "without tokens the API may listen on the loopback address only, not on {}",
            configuration.api_listen
        );
    }
    Ok(())
}
