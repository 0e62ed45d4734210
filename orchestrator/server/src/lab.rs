//! A whole engine for one command: a virtual host of its own, a network and containers of its own, a store in a folder
//! that goes away. Nothing of it is shared with any installation, and everything is removed in the end.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use secrecy::ExposeSecret;
use sluice_docker::{Docker, DockerConfig};
use sluice_egress::Proxy;
use sluice_engine::{Engine, chain};
use sluice_http::{ServeLimits, gateway_router};
use sluice_ports::broker::BrokerUsers;
use sluice_ports::runtime::Runtime;
use sluice_rabbitmq::Management;
use sluice_store::SqliteStore;
use sluice_workbench::{Bench, Witness};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Configuration;
use crate::{output, wire};

/// How often a removal is tried: the container engine lets go of a network a moment after its containers.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// A place for an engine that is there for a while.
pub(crate) struct Lab {
    configuration: Configuration,
    management: Management,
    docker: Docker,
    running: Mutex<Option<Running>>,
    _folder: TempDir,
}

/// What runs in a lab.
struct Running {
    engine: Arc<Engine>,
    store: Arc<SqliteStore>,
    stop: CancellationToken,
    servers: TaskTracker,
}

impl Lab {
    /// A lab beside the installation of a configuration: on the same broker and container engine. Makes nothing yet.
    pub(crate) fn new(mut configuration: Configuration) -> Result<Self> {
        let name = format!("lab-{:08x}", rand::random::<u32>());
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        configuration.data_dir = folder.path().to_owned();
        configuration.installation.clone_from(&name);
        configuration.network = None;
        // A launcher looks after its own installation only.
        configuration.launcher = None;
        configuration.gateway.listen = None;
        configuration.gateway.advertise = None;
        configuration.egress.listen = None;
        configuration.egress.advertise = None;
        // Nobody is to hear of what happens here.
        configuration.webhook = None;
        configuration.broker.component_user = None;
        let Some(url) = &configuration.broker.management else {
            bail!("the broker's management API is needed: set SLUICE__BROKER__MANAGEMENT_URL");
        };
        let management = Management::new(url.expose_secret(), &name, &name)?;
        configuration.broker.url = configuration.broker.url.with_vhost(&name);
        let docker = Docker::connect(DockerConfig {
            host: configuration.docker_host.clone(),
            installation: name,
            network: None,
            open: configuration.egress.open,
        })?;
        Ok(Self { configuration, management, docker, running: Mutex::new(None), _folder: folder })
    }

    /// The name of everything that it makes.
    pub(crate) fn name(&self) -> &str {
        &self.configuration.installation
    }

    /// The address of this machine as the lab's containers see it.
    pub(crate) async fn host(&self) -> Result<IpAddr> {
        Ok(self.docker.prepare().await.context("the container engine cannot be used")?.host)
    }

    /// Makes everything and starts the engine.
    pub(crate) async fn open(&self) -> Result<Bench> {
        let user = self.configuration.broker.url.username();
        self.management.make_vhost(user).await.context("no virtual host can be made on the broker")?;
        let mut wired = wire::wire(&self.configuration).await?;
        let witness = Arc::new(Witness::new(wired.ports.runtime.clone()));
        wired.ports.runtime = witness.clone();
        let grace = wired.settings.grace;
        let stop = CancellationToken::new();
        let engine = Engine::start(wired.ports, wired.settings, stop.clone()).await?;
        let servers = TaskTracker::new();
        let router = gateway_router(engine.clone());
        servers.spawn(sluice_http::serve(wired.gateway, router, ServeLimits::default(), stop.clone()));
        if let Some((listener, policy)) = wired.egress {
            let proxy = Proxy::new(engine.clone(), policy, sluice_egress::Limits::default());
            servers.spawn(sluice_egress::serve(listener, proxy, stop.clone()));
        }
        servers.close();
        let running = Running { engine: engine.clone(), store: wired.store, stop, servers };
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(Bench { engine, witness, grace })
    }

    /// Ends the engine and removes everything. Says what could not be removed.
    pub(crate) async fn close(self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { engine, store, stop, servers }) = running {
            stop.cancel();
            engine.join().await;
            servers.wait().await;
            store.close().await;
        }
        let name = &self.configuration.installation;
        if let Err(error) = repeatedly(|| self.docker.dismantle()).await {
            output::note(&format!(
                "warning: containers or the network of {name} may be left: {}",
                chain(&error)
            ));
        }
        if let Err(error) = repeatedly(|| self.revoke()).await {
            output::note(&format!("warning: broker users of {name} may be left: {}", chain(&error)));
        }
        if let Err(error) = repeatedly(|| self.management.delete_vhost()).await {
            output::note(&format!("warning: the virtual host {name} may be left: {}", chain(&error)));
        }
    }

    async fn revoke(&self) -> Result<(), sluice_ports::PortError> {
        for start in self.management.list().await? {
            self.management.revoke(start).await?;
        }
        Ok(())
    }
}

async fn repeatedly<E>(mut attempt: impl AsyncFnMut() -> Result<(), E>) -> Result<(), E> {
    for _ in 1..TRIES {
        if attempt().await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    attempt().await
}

/// Waits for SIGINT or SIGTERM. A second one changes nothing, so that what is being removed is removed.
pub(crate) async fn interrupted() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
    let [Ok(mut interrupt), Ok(mut terminate)] = kinds.map(signal) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
