//! The port, each call a verb.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use secrecy::SecretString;
use sluice_domain::ImageRef;
use sluice_ports::PortError;
use sluice_ports::runtime::{
    Container, ContainerSpec, EffectiveLimits, EngineFacts, Image, LogLine, Network, Runtime, Usage,
};

use super::{Call, Launcher, lines};
use crate::wire::{self, LogsBody, NamedBody, StartBody, StopBody, Verb, empty_body, encode, image_body};

/// A call that is about nothing in particular.
fn plain(verb: Verb, operation: &str) -> Call {
    Call { verb, operation: operation.to_owned(), body: empty_body(), grace: Duration::ZERO }
}

/// A call that is about a container.
fn named(verb: Verb, operation: &str, name: &str) -> Call {
    let operation = format!("{operation} container {name}");
    Call { verb, operation, body: encode(&NamedBody { name: name.to_owned() }), grace: Duration::ZERO }
}

#[async_trait]
impl Runtime for Launcher {
    async fn prepare(&self) -> Result<Network, PortError> {
        let network: wire::Network = self.call(plain(Verb::Prepare, "prepare the network")).await?;
        Ok(network.into())
    }

    async fn image(&self, image: &ImageRef) -> Result<Image, PortError> {
        let operation = format!("inspect image {image}");
        let body = image_body(image);
        let call = Call { verb: Verb::Image, operation, body, grace: Duration::ZERO };
        let image: wire::Image = self.call(call).await?;
        Ok(image.into())
    }

    async fn list(&self) -> Result<Vec<Container>, PortError> {
        let containers: wire::Containers = self.call(plain(Verb::List, "list containers")).await?;
        Ok(containers.into())
    }

    async fn start(&self, spec: &ContainerSpec, boot: &SecretString) -> Result<EffectiveLimits, PortError> {
        let body = encode(&StartBody::new(spec, boot));
        let operation = format!("start container {}", spec.name);
        let call = Call { verb: Verb::Start, operation, body, grace: Duration::ZERO };
        let limits: wire::EffectiveLimits = self.call(call).await?;
        Ok(limits.into())
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), PortError> {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let body = encode(&StopBody { name: name.to_owned(), grace_ms });
        let call = Call { verb: Verb::Stop, operation: format!("stop container {name}"), body, grace };
        let wire::Done {} = self.call(call).await?;
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        let wire::Done {} = self.call(named(Verb::Remove, "remove", name)).await?;
        Ok(())
    }

    async fn logs(
        &self,
        name: &str,
        tail: u32,
        follow: bool,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        let body = encode(&LogsBody { name: name.to_owned(), tail, follow });
        let call = Call { body, ..named(Verb::Logs, "read the log of", name) };
        let begun = self.begin(call).await?;
        Ok(lines::items::<wire::Line>(begun).map(Into::into).boxed())
    }

    async fn events(&self) -> Result<BoxStream<'static, ()>, PortError> {
        let begun = self.begin(plain(Verb::Events, "follow the container engine's events")).await?;
        Ok(lines::items::<wire::Event>(begun).map(|wire::Event {}| ()).boxed())
    }

    async fn usage(&self, name: &str) -> Result<Option<Usage>, PortError> {
        let usage: wire::Usage = self.call(named(Verb::Usage, "ask what is used by", name)).await?;
        Ok(usage.into())
    }

    async fn version(&self) -> Result<String, PortError> {
        let version: wire::Version =
            self.call(plain(Verb::Version, "ask the container engine's version")).await?;
        Ok(version.version)
    }

    async fn facts(&self) -> Result<EngineFacts, PortError> {
        let facts: wire::EngineFacts =
            self.call(plain(Verb::Facts, "ask for the container engine's facts")).await?;
        Ok(facts.into())
    }
}
