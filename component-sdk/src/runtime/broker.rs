//! One connection to the broker that is rebuilt for ever.
//!
//! A component has two: one to publish and one to consume, since a broker that blocks a publisher blocks its whole
//! connection, acknowledgements included. Nothing is recovered by the library: whoever holds a channel treats its end as
//! the end, and asks for a new one.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use sluice_protocol::gateway::Session;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::session::Sessions;
use crate::Egress;
use crate::error::chain;

const HEARTBEAT_SECONDS: u16 = 15;
/// The library keeps buffers of 32 frames each way. With the usual 128 KiB a frame two idle connections take 16 MiB.
const FRAME_BYTES: u32 = 16 * 1024;
/// How long any answer of the broker may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    #[error("the broker does not answer within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the broker refuses")]
    Refused(#[source] lapin::Error),
}

/// A connection that is made when a channel is asked for, and made anew when it was lost.
pub(crate) struct Link {
    purpose: &'static str,
    sessions: Arc<Sessions>,
    connection: Mutex<Option<Connection>>,
}

impl Link {
    pub(crate) fn new(purpose: &'static str, sessions: Arc<Sessions>) -> Self {
        Self { purpose, sessions, connection: Mutex::new(None) }
    }

    /// A new channel and the session it belongs to. Tries for ever.
    pub(crate) async fn channel(&self) -> (Channel, Arc<Session>) {
        let mut backoff = Backoff::new();
        loop {
            let session = self.sessions.current().await;
            match self.try_channel(&session).await {
                Ok(channel) => return (channel, session),
                Err(error) => {
                    warn!(purpose = self.purpose, error = chain(&error), "no channel to the broker yet");
                    backoff.wait().await;
                    if is_stale_user(&error) {
                        self.sessions.renew(Some(&session)).await;
                    }
                }
            }
        }
    }

    /// As [`channel`](Self::channel), with publisher confirms.
    pub(crate) async fn publishing_channel(&self) -> (Channel, Arc<Session>) {
        let mut backoff = Backoff::new();
        loop {
            let (channel, session) = self.channel().await;
            match answered(channel.confirm_select(ConfirmSelectOptions::default())).await {
                Ok(()) => return (channel, session),
                Err(error) => {
                    warn!(error = chain(&error), "the broker does not confirm");
                    self.discard().await;
                    backoff.wait().await;
                }
            }
        }
    }

    /// Closes the connection; the next channel makes a new one. For a broker that went silent, and for the end.
    pub(crate) async fn discard(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // Nobody can do anything about a connection that does not close properly.
            drop(timeout(Duration::from_secs(2), connection.close(200, "OK".into())).await);
        }
    }

    async fn try_channel(&self, session: &Session) -> Result<Channel, BrokerError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.status().connected()) {
            match answered(connection.create_channel()).await {
                Ok(channel) => return Ok(channel),
                // A connection that gives no channel is of no use, whatever its status says.
                Err(error) => warn!(purpose = self.purpose, error = chain(&error), "connecting anew"),
            }
        }
        *slot = None;
        let connection = self.connect(session).await?;
        let channel = answered(connection.create_channel()).await?;
        *slot = Some(connection);
        Ok(channel)
    }

    async fn connect(&self, session: &Session) -> Result<Connection, BrokerError> {
        let name = format!("{} {}", session.deployment, self.purpose);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        // A broker elsewhere is reached the way that everything else is.
        let by = session.egress.as_ref().filter(|egress| egress.broker);
        let egress = Egress::new(by).unwrap_or_default();
        let connection = answered(egress.amqp(uri(session), properties)).await?;
        info!(purpose = self.purpose, "connected to the broker");
        Ok(connection)
    }
}

/// Bounds a wait for the broker.
pub(crate) async fn answered<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    match timeout(PATIENCE, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BrokerError::Refused(error)),
        Err(_) => Err(BrokerError::Silent),
    }
}

/// Whether the broker refused the user: it was rotated, or may no longer use the virtual host.
fn is_stale_user(error: &BrokerError) -> bool {
    let BrokerError::Refused(error) = error else { return false };
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(
        error.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
    )
}

fn uri(session: &Session) -> AMQPUri {
    let broker = &session.broker;
    AMQPUri {
        scheme: if broker.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: broker.username.clone(), password: broker.password.clone() },
            host: broker.host.clone(),
            port: broker.port,
        },
        vhost: broker.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(HEARTBEAT_SECONDS),
            frame_max: Some(FRAME_BYTES),
            ..AMQPQueryString::default()
        },
    }
}
