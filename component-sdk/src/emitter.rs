//! How a listener hands over what it received.
//!
//! A message counts as handed over when the broker has confirmed it, so a listener acknowledges its own source only
//! after that. Many messages may be under way at a time: [`Emitter::enqueue`] returns as soon as there is room.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sluice_protocol::{MessageId, StepKey};

use crate::{Error, Outputs};

/// Where emitted messages go: the broker, or a test.
#[async_trait]
pub(crate) trait Outlet: Send + Sync {
    /// Waits for room, takes the messages, and returns a future that resolves when they are stored.
    async fn accept(
        &self,
        id: MessageId,
        outputs: Outputs,
    ) -> Result<BoxFuture<'static, Result<(), Error>>, Error>;
}

/// Sends what a listener received. Cheap to clone.
#[derive(Clone)]
pub struct Emitter {
    outlet: Arc<dyn Outlet>,
    namespace: Arc<str>,
}

impl Emitter {
    pub(crate) fn new(outlet: Arc<dyn Outlet>, step: &StepKey) -> Self {
        Self { outlet, namespace: namespace(step).into() }
    }

    /// Sends and waits until the broker has confirmed it.
    ///
    /// `key` is what the source calls the message. The same key gives the same id, so that a message that the source
    /// delivers twice is recognised; without a key the id is random.
    ///
    /// # Errors
    /// When the output is no JSON or too large, or the component is going down: then the source must deliver it again.
    pub async fn send(&self, key: Option<&[u8]>, outputs: impl Into<Outputs>) -> Result<(), Error> {
        self.enqueue(key, outputs).await?.await
    }

    /// Sends and returns as soon as there is room; the result resolves when the broker has confirmed it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn enqueue(&self, key: Option<&[u8]>, outputs: impl Into<Outputs>) -> Result<Confirmed, Error> {
        let id = match key {
            Some(key) => MessageId::derive(&self.namespace, key),
            None => MessageId::from_bits(rand::random()),
        };
        self.outlet.accept(id, outputs.into()).await.map(Confirmed)
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// Resolves when a message is stored by the broker. Dropping it does not take the message back.
#[must_use = "the source may be acknowledged only after this resolved"]
pub struct Confirmed(BoxFuture<'static, Result<(), Error>>);

impl Future for Confirmed {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Confirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Confirmed { .. }")
    }
}

/// The step without the version of its flow, so that a source message keeps its id over an update of the flow.
fn namespace(step: &StepKey) -> String {
    let parts: Vec<&str> = step.as_str().split('/').collect();
    match parts.as_slice() {
        [flow, _, step] => format!("{flow}/{step}"),
        _ => step.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_of_the_flow_does_not_change_the_ids() {
        let of = |text: &str| namespace(&text.parse().unwrap());
        assert_eq!(of("flow_1/3/orders"), of("flow_1/4/orders"));
        assert_ne!(of("flow_1/3/orders"), of("flow_2/3/orders"));
        assert_eq!(of("odd"), "odd");
    }
}
