//! A container engine that is not there.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use sluice_domain::{ExitInfo, ImageRef, Limits, Memory};
use sluice_ports::runtime::{
    Container, ContainerSpec, ContainerState, EffectiveLimits, EngineFacts, Image, LogLine, Network, Runtime,
    Usage,
};
use sluice_ports::{Clock, Fault, PortError};
use tokio::sync::broadcast;

use super::lock;

/// A container engine that is not there. A container writes `boot N bytes` when it is started, and ends at once when its
/// boot line is `exit C`; beyond that it does what the test says.
pub struct MemoryRuntime {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    events: broadcast::Sender<()>,
}

#[derive(Default)]
struct State {
    images: BTreeMap<ImageRef, Image>,
    containers: BTreeMap<String, Running>,
    calls: Vec<String>,
    down: bool,
    failing_starts: VecDeque<Fault>,
}

struct Running {
    container: Container,
    started: Started,
    log: Vec<LogLine>,
    /// Tells those who follow the log. Gone when the container ended, which ends their streams.
    live: Option<broadcast::Sender<LogLine>>,
}

impl Running {
    fn set(&mut self, state: ContainerState) {
        self.container.state = state;
        if let ContainerState::Exited(_) = state {
            self.live = None;
        }
    }
}

/// A container that was started, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// What was asked for.
    pub spec: ContainerSpec,
    /// What it got on standard input.
    pub boot: String,
}

impl MemoryRuntime {
    /// An engine without images or containers.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (events, _) = broadcast::channel(64);
        Self { clock, state: Mutex::default(), events }
    }

    /// Puts an image there, or changes what it is.
    pub fn add_image(&self, name: ImageRef, image: Image) {
        self.state().images.insert(name, image);
    }

    /// The container of this name and how it was started.
    #[must_use]
    pub fn started(&self, name: &str) -> Option<Started> {
        self.state().containers.get(name).map(|running| running.started.clone())
    }

    /// Lets a container end.
    pub fn end(&self, name: &str, exit: ExitInfo) {
        self.set_state(name, ContainerState::Exited(exit));
    }

    /// Puts a container into any state, for example that of one whose orchestrator died while it made it.
    pub fn set_state(&self, name: &str, state: ContainerState) {
        if let Some(running) = self.state().containers.get_mut(name) {
            running.set(state);
        }
        self.changed();
    }

    /// Lets a container write a line.
    pub fn write(&self, name: &str, text: &str) {
        let at = Some(self.clock.now());
        if let Some(running) = self.state().containers.get_mut(name) {
            let line = LogLine { at, text: text.to_owned() };
            running.log.push(line.clone());
            // Nobody may be listening, which is fine.
            drop(running.live.as_ref().map(|live| live.send(line)));
        }
    }

    /// Makes every call fail for now, or no longer.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Makes the next starts fail, one for each fault.
    pub fn fail_starts(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().failing_starts.extend(faults);
    }

    /// What changed the world so far, in order: `start a`, `stop a`, `remove a`. Forgets it.
    #[must_use]
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The state, unless the engine is down.
    fn up(&self, operation: &str) -> Result<MutexGuard<'_, State>, PortError> {
        let state = self.state();
        if state.down {
            return Err(PortError::new(Fault::Transient, operation, "the fake is down"));
        }
        Ok(state)
    }

    fn changed(&self) {
        // Nobody may be listening, which is fine.
        drop(self.events.send(()));
    }

    fn make(&self, spec: &ContainerSpec, boot: &SecretString) -> Running {
        let boot = boot.expose_secret().trim_end_matches('\n').to_owned();
        let exit = boot.strip_prefix("exit ").and_then(|code| code.parse().ok());
        let state = exit.map_or(ContainerState::Running, |code| {
            ContainerState::Exited(ExitInfo { code, out_of_memory: false })
        });
        let at = self.clock.now();
        let live = matches!(state, ContainerState::Running).then(|| broadcast::channel(1024).0);
        Running {
            live,
            log: vec![LogLine { at: Some(at), text: format!("boot {} bytes", boot.len()) }],
            container: Container {
                name: spec.name.clone(),
                deployment: spec.deployment,
                start: spec.start,
                state,
                created_at: at,
                limits: effective(spec.limits),
            },
            started: Started { spec: spec.clone(), boot },
        }
    }
}

fn effective(limits: Limits) -> EffectiveLimits {
    EffectiveLimits {
        memory_bytes: limits.memory.unwrap_or_else(|| Memory::mib(128)).bytes(),
        nano_cpus: limits.cpus.map_or(1_000_000_000, sluice_domain::Cpus::nanos),
        pids: 128,
    }
}

#[async_trait]
impl Runtime for MemoryRuntime {
    async fn prepare(&self) -> Result<Network, PortError> {
        drop(self.up("prepare the network")?);
        Ok(Network {
            name: "memory".to_owned(),
            host: Ipv4Addr::LOCALHOST.into(),
            subnets: Vec::new(),
            fenced: true,
            own: true,
        })
    }

    async fn image(&self, image: &ImageRef) -> Result<Image, PortError> {
        let operation = format!("inspect image {image}");
        self.up(&operation)?.images.get(image).cloned().ok_or_else(|| PortError::not_found(operation))
    }

    async fn list(&self) -> Result<Vec<Container>, PortError> {
        Ok(self.up("list containers")?.containers.values().map(|running| running.container.clone()).collect())
    }

    async fn start(&self, spec: &ContainerSpec, boot: &SecretString) -> Result<EffectiveLimits, PortError> {
        let operation = format!("start container {}", spec.name);
        {
            let mut state = self.up(&operation)?;
            state.calls.push(format!("start {}", spec.name));
            if let Some(fault) = state.failing_starts.pop_front() {
                return Err(PortError::new(fault, operation, "the test says so"));
            }
            if !state.images.values().any(|image| image.digest == spec.digest) {
                return Err(PortError::not_found(format!("inspect image {}", spec.digest)));
            }
            let old = state.containers.get(&spec.name).map(|running| running.container.state);
            if old == Some(ContainerState::Running) {
                return Err(PortError::conflict(operation));
            }
            state.containers.insert(spec.name.clone(), self.make(spec, boot));
        }
        self.changed();
        Ok(effective(spec.limits))
    }

    async fn stop(&self, name: &str, _grace: Duration) -> Result<(), PortError> {
        {
            let mut state = self.up(&format!("stop container {name}"))?;
            state.calls.push(format!("stop {name}"));
            if let Some(running) = state.containers.get_mut(name)
                && running.container.state == ContainerState::Running
            {
                let exit = ExitInfo { code: 0, out_of_memory: false };
                running.set(ContainerState::Exited(exit));
            }
        }
        self.changed();
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        {
            let mut state = self.up(&format!("remove container {name}"))?;
            state.calls.push(format!("remove {name}"));
            state.containers.remove(name);
        }
        self.changed();
        Ok(())
    }

    async fn logs(
        &self,
        name: &str,
        tail: u32,
        follow: bool,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        let operation = format!("read the log of container {name}");
        let state = self.up(&operation)?;
        let running = state.containers.get(name).ok_or_else(|| PortError::not_found(operation))?;
        let skip = running.log.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX));
        let lines = futures_util::stream::iter(running.log[skip..].to_vec());
        match running.live.as_ref().filter(|_| follow) {
            None => Ok(lines.boxed()),
            Some(live) => Ok(lines.chain(heard(live.subscribe())).boxed()),
        }
    }

    async fn events(&self) -> Result<BoxStream<'static, ()>, PortError> {
        drop(self.up("follow events")?);
        Ok(heard(self.events.subscribe()).boxed())
    }

    async fn usage(&self, name: &str) -> Result<Option<Usage>, PortError> {
        let state = self.up(&format!("ask what container {name} uses"))?;
        let running = state.containers.get(name);
        let running = running.filter(|running| running.container.state == ContainerState::Running);
        Ok(running.map(|_| Usage { memory_bytes: 5 << 20, cpu: Duration::from_millis(40) }))
    }

    async fn version(&self) -> Result<String, PortError> {
        drop(self.up("ask the version")?);
        Ok("Memory 1".to_owned())
    }

    async fn facts(&self) -> Result<EngineFacts, PortError> {
        drop(self.up("ask for facts")?);
        let time = Some(self.clock.now());
        Ok(EngineFacts {
            name: "Memory".to_owned(),
            version: "1".to_owned(),
            runc: None,
            time,
            network: None,
            bridge_filter: None,
        })
    }
}

/// What comes through a channel until it is closed. Whoever is too slow misses some of it.
fn heard<T: Clone + Send + 'static>(receiver: broadcast::Receiver<T>) -> impl Stream<Item = T> + Send {
    futures_util::stream::unfold(receiver, async |mut receiver| {
        loop {
            match receiver.recv().await {
                Ok(item) => return Some((item, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    })
}
