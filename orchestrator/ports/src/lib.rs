//! What the engine asks of the world, as traits.
//!
//! Each trait is a contract: its documentation says what is idempotent, what is ordered and what an error means. Every
//! adapter and its in-memory fake pass the same suite (`testkit`). Port errors answer one question: is it worth trying
//! again ([`Fault`])?
#![deny(missing_docs)]

pub mod broker;
mod clock;
pub mod egress;
pub mod failpoint;
mod fault;
mod notifier;
pub mod oauth;
pub mod runtime;
pub mod store;
mod traces;
mod vault;

use std::sync::Arc;

pub use clock::{Clock, Entropy};
pub use fault::{Fault, PortError};
pub use notifier::{Notice, Notifier};
pub use traces::{Span, SpanKind, SpanSink, SpanValue};
pub use vault::{DataKey, SealedSecret, Vault, VaultError};

/// All ports, as the engine holds them.
#[derive(Clone)]
pub struct Ports {
    /// The message broker.
    pub broker: Arc<dyn broker::Broker>,
    /// The users of the broker, where its management API is configured.
    pub users: Option<Arc<dyn broker::BrokerUsers>>,
    /// What the broker tells of its queues, where its management API is configured.
    pub watch: Option<Arc<dyn broker::BrokerWatch>>,
    /// The container engine.
    pub runtime: Arc<dyn runtime::Runtime>,
    /// The store.
    pub store: Arc<dyn store::Store>,
    /// Providers of tokens.
    pub oauth: Arc<dyn oauth::OAuth>,
    /// Secrets.
    pub vault: Arc<dyn Vault>,
    /// Whoever is told of events, if anybody is.
    pub notifier: Option<Arc<dyn Notifier>>,
    /// Whoever takes spans, if anybody does.
    pub spans: Option<Arc<dyn SpanSink>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}
