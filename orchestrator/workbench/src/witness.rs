//! The container engine of a suite, and what it saw: how containers ended and everything that they wrote, which is gone
//! with them otherwise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use secrecy::{ExposeSecret, SecretString};
use sluice_domain::{ContainerStartId, ExitInfo, ImageRef};
use sluice_ports::runtime::{
    Container, ContainerSpec, ContainerState, EffectiveLimits, EngineFacts, Image, LogLine, Network, Runtime,
    Usage,
};
use sluice_ports::{Fault, PortError};
use sluice_protocol::gateway::Boot;

/// Most lines that are kept of a container.
const LINES: u32 = 20_000;

/// A container engine that remembers. Everything else is that of the engine behind it.
pub struct Witness {
    inner: Arc<dyn Runtime>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// What containers wrote that are gone.
    lines: Vec<String>,
    exits: BTreeMap<ContainerStartId, ExitInfo>,
    /// How many containers were started.
    starts: usize,
    tokens: Vec<SecretString>,
}

impl Witness {
    /// Stands before a container engine.
    #[must_use]
    pub fn new(inner: Arc<dyn Runtime>) -> Self {
        Self { inner, seen: Mutex::default() }
    }

    /// The containers that run.
    pub(crate) async fn running(&self) -> Result<Vec<Container>, PortError> {
        let mut all = self.list().await?;
        all.retain(|container| container.state == ContainerState::Running);
        Ok(all)
    }

    /// How a start ended, if it did.
    pub(crate) async fn exit(&self, start: ContainerStartId) -> Result<Option<ExitInfo>, PortError> {
        if let Some(exit) = self.seen().exits.get(&start) {
            return Ok(Some(*exit));
        }
        self.list().await?;
        Ok(self.seen().exits.get(&start).copied())
    }

    /// Whether a start is known to have ended.
    pub(crate) fn has_ended(&self, start: ContainerStartId) -> bool {
        self.seen().exits.contains_key(&start)
    }

    /// How many containers were started until now.
    pub(crate) fn starts(&self) -> usize {
        self.seen().starts
    }

    /// How the containers ended that did, in a few words.
    pub(crate) fn ends(&self) -> String {
        let codes: Vec<String> = self.seen().exits.values().map(|exit| exit.code.to_string()).collect();
        codes.join(", ")
    }

    /// The boot tokens of all starts.
    pub(crate) fn tokens(&self) -> Vec<SecretString> {
        self.seen().tokens.clone()
    }

    /// Everything that all containers wrote until now.
    pub(crate) async fn lines(&self) -> Result<Vec<String>, PortError> {
        let mut lines = Vec::new();
        for container in self.inner.list().await? {
            match self.log_of(&container.name).await {
                Ok(log) => lines.extend(log),
                // One that went away meanwhile is among those below.
                Err(error) if error.fault == Fault::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // Last, since a container's lines are kept before it is removed: some may come twice, and none is missed.
        lines.extend(self.seen().lines.iter().cloned());
        Ok(lines)
    }

    async fn log_of(&self, name: &str) -> Result<Vec<String>, PortError> {
        let lines = self.inner.logs(name, LINES, false).await?;
        Ok(lines.map(|line| line.text).collect().await)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Runtime for Witness {
    async fn prepare(&self) -> Result<Network, PortError> {
        self.inner.prepare().await
    }

    async fn image(&self, image: &ImageRef) -> Result<Image, PortError> {
        self.inner.image(image).await
    }

    async fn list(&self) -> Result<Vec<Container>, PortError> {
        let all = self.inner.list().await?;
        let mut seen = self.seen();
        for container in &all {
            if let ContainerState::Exited(exit) = container.state {
                seen.exits.insert(container.start, exit);
            }
        }
        Ok(all)
    }

    async fn start(&self, spec: &ContainerSpec, boot: &SecretString) -> Result<EffectiveLimits, PortError> {
        if let Ok(boot) = serde_json::from_str::<Boot>(boot.expose_secret()) {
            self.seen().tokens.push(boot.token.into());
        }
        let started = self.inner.start(spec, boot).await?;
        self.seen().starts += 1;
        Ok(started)
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), PortError> {
        self.inner.stop(name, grace).await
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        // One that is gone already has nothing to tell.
        if let Ok(lines) = self.log_of(name).await {
            self.seen().lines.extend(lines);
        }
        self.inner.remove(name).await
    }

    async fn logs(
        &self,
        name: &str,
        tail: u32,
        follow: bool,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        self.inner.logs(name, tail, follow).await
    }

    async fn events(&self) -> Result<BoxStream<'static, ()>, PortError> {
        self.inner.events().await
    }

    async fn usage(&self, name: &str) -> Result<Option<Usage>, PortError> {
        self.inner.usage(name).await
    }

    async fn version(&self) -> Result<String, PortError> {
        self.inner.version().await
    }

    async fn facts(&self) -> Result<EngineFacts, PortError> {
        self.inner.facts().await
    }
}
