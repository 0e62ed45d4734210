//! A container engine whose starts wait until the test says so, and which has a fault.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::SecretString;
use sluice_domain::ImageRef;
use sluice_ports::PortError;
use sluice_ports::runtime::{
    Container, ContainerSpec, EffectiveLimits, EngineFacts, Image, LogLine, Network, Runtime, Usage,
};
use sluice_testkit::fakes::MemoryRuntime;
use tokio::sync::Semaphore;

/// Starts wait; asking what is used panics. All else is the fake's.
pub(super) struct Slow {
    inner: Arc<MemoryRuntime>,
    begun: Semaphore,
    may: Semaphore,
}

impl Slow {
    pub(super) fn new(inner: Arc<MemoryRuntime>) -> Self {
        Self { inner, begun: Semaphore::new(0), may: Semaphore::new(0) }
    }

    /// Waits until a start is under way.
    pub(super) async fn begun(&self) {
        self.begun.acquire().await.unwrap().forget();
    }

    /// Lets one start go on.
    pub(super) fn go_on(&self) {
        self.may.add_permits(1);
    }
}

#[async_trait]
impl Runtime for Slow {
    async fn prepare(&self) -> Result<Network, PortError> {
        self.inner.prepare().await
    }

    async fn image(&self, image: &ImageRef) -> Result<Image, PortError> {
        self.inner.image(image).await
    }

    async fn list(&self) -> Result<Vec<Container>, PortError> {
        self.inner.list().await
    }

    async fn start(&self, spec: &ContainerSpec, boot: &SecretString) -> Result<EffectiveLimits, PortError> {
        self.begun.add_permits(1);
        self.may.acquire().await.unwrap().forget();
        self.inner.start(spec, boot).await
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), PortError> {
        self.inner.stop(name, grace).await
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
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

    async fn usage(&self, _name: &str) -> Result<Option<Usage>, PortError> {
        panic!("a fault of the adapter")
    }

    async fn version(&self) -> Result<String, PortError> {
        self.inner.version().await
    }

    async fn facts(&self) -> Result<EngineFacts, PortError> {
        self.inner.facts().await
    }
}
