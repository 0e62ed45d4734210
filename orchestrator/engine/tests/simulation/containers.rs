//! The container engine of the simulation: containers are [`Process`]es.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::{ExposeSecret, SecretString};
use sluice_domain::{ExitInfo, ImageRef};
use sluice_ports::runtime::{
    Container, ContainerSpec, EffectiveLimits, EngineFacts, Image, LogLine, Network, Runtime, Usage,
};
use sluice_ports::{Fault, PortError};
use sluice_protocol::gateway::Boot;
use sluice_testkit::fakes::MemoryRuntime;

use crate::process::Process;
use crate::world::World;

/// The containers that there are.
pub(crate) struct Containers {
    pub(crate) engine: MemoryRuntime,
    processes: Mutex<BTreeMap<String, Arc<Process>>>,
}

impl Containers {
    pub(crate) fn new(engine: MemoryRuntime) -> Self {
        Self { engine, processes: Mutex::default() }
    }

    fn processes(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Process>>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of those that run.
    pub(crate) fn running(&self) -> Vec<String> {
        self.processes().keys().cloned().collect()
    }

    /// Kills a container, as somebody outside does.
    pub(crate) fn kill(&self, name: &str) {
        if let Some(process) = self.processes().remove(name) {
            process.kill();
            self.engine.end(name, ExitInfo { code: 137, out_of_memory: false });
        }
    }

    fn start(&self, world: &Arc<World>, spec: &ContainerSpec, boot: &SecretString) {
        let boot: Boot =
            serde_json::from_str(boot.expose_secret()).expect("the reconciler writes boot lines");
        let process = Process::new(world.clone(), spec.deployment, boot.token);
        self.processes().insert(spec.name.clone(), process.clone());
        process.start();
        let (world, name) = (world.clone(), spec.name.clone());
        tokio::spawn(async move {
            let code = tokio::select! {
                biased;
                () = process.crashed.notified() => 139,
                () = process.done.cancelled() => 0,
            };
            let containers = &world.containers;
            let same = containers.processes().get(&name).is_some_and(|known| Arc::ptr_eq(known, &process));
            if same {
                containers.processes().remove(&name);
                process.kill();
                containers.engine.end(&name, ExitInfo { code, out_of_memory: false });
            }
        });
    }
}

/// The container engine as one orchestrator process sees it.
pub(crate) struct Seen {
    pub(crate) world: Arc<World>,
    /// The orchestrator was killed.
    pub(crate) dead: AtomicBool,
}

impl Seen {
    fn alive(&self, operation: &str) -> Result<&Containers, PortError> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(PortError::new(Fault::Transient, operation, "the process is dead"));
        }
        Ok(&self.world.containers)
    }
}

#[async_trait]
impl Runtime for Seen {
    async fn prepare(&self) -> Result<Network, PortError> {
        self.alive("prepare the network")?.engine.prepare().await
    }

    async fn image(&self, image: &ImageRef) -> Result<Image, PortError> {
        self.alive("inspect an image")?.engine.image(image).await
    }

    async fn list(&self) -> Result<Vec<Container>, PortError> {
        self.alive("list containers")?.engine.list().await
    }

    async fn start(&self, spec: &ContainerSpec, boot: &SecretString) -> Result<EffectiveLimits, PortError> {
        let containers = self.alive("start a container")?;
        let limits = containers.engine.start(spec, boot).await?;
        containers.start(&self.world, spec, boot);
        Ok(limits)
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), PortError> {
        let containers = self.alive("stop a container")?;
        let process = containers.processes().get(name).cloned();
        if let Some(process) = process {
            process.stop.cancel();
            if tokio::time::timeout(grace, process.done.cancelled()).await.is_err() {
                containers.kill(name);
            }
        }
        self.alive("stop a container")?.engine.stop(name, grace).await
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        let containers = self.alive("remove a container")?;
        containers.kill(name);
        containers.engine.remove(name).await
    }

    async fn logs(
        &self,
        name: &str,
        tail: u32,
        follow: bool,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        self.alive("read a log")?.engine.logs(name, tail, follow).await
    }

    async fn events(&self) -> Result<BoxStream<'static, ()>, PortError> {
        self.alive("follow events")?.engine.events().await
    }

    async fn usage(&self, name: &str) -> Result<Option<Usage>, PortError> {
        self.alive("measure a container")?.engine.usage(name).await
    }

    async fn version(&self) -> Result<String, PortError> {
        self.alive("ask the version")?.engine.version().await
    }

    async fn facts(&self) -> Result<EngineFacts, PortError> {
        self.alive("ask for facts")?.engine.facts().await
    }
}
