//! The session: where the broker is and which user to be there.
//!
//! The orchestrator may rotate the broker user. A connection that is refused then asks for a new session, and all
//! connections share the answer.

use std::sync::Arc;

use sluice_protocol::Descriptor;
use sluice_protocol::gateway::{Session, SessionRequest};
use tokio::sync::{Mutex, watch};
use tracing::{error, info, warn};

use super::backoff::Backoff;
use super::gateway::{Gateway, GatewayError};
use super::stop::{Reason, Stop};
use crate::error::chain;

/// Hands out the current session.
pub(crate) struct Sessions {
    gateway: Gateway,
    request: SessionRequest,
    stop: Stop,
    current: watch::Sender<Option<Arc<Session>>>,
    renewing: Mutex<()>,
}

impl Sessions {
    pub(crate) fn new(gateway: Gateway, descriptor: &Descriptor, stop: Stop) -> Self {
        let request = SessionRequest {
            sdk: concat!("sluice-sdk/", env!("CARGO_PKG_VERSION")).to_owned(),
            component: descriptor.name.to_string(),
            version: descriptor.version.to_string(),
        };
        Self { gateway, request, stop, current: watch::Sender::new(None), renewing: Mutex::new(()) }
    }

    /// The current session; asks for the first one.
    pub(crate) async fn current(&self) -> Arc<Session> {
        let known = self.current.borrow().clone();
        match known {
            Some(session) => session,
            None => self.renew(None).await,
        }
    }

    /// A session other than the one that the broker refused.
    pub(crate) async fn renew(&self, refused: Option<&Arc<Session>>) -> Arc<Session> {
        let _one_at_a_time = self.renewing.lock().await;
        if let Some(session) = self.current.borrow().clone()
            && refused.is_none_or(|refused| !Arc::ptr_eq(refused, &session))
        {
            return session;
        }
        let session = Arc::new(self.ask().await);
        info!(deployment = session.deployment, "session opened");
        self.current.send_replace(Some(Arc::clone(&session)));
        session
    }

    /// Asks for ever; a gateway that does not know the token ends the component instead.
    async fn ask(&self) -> Session {
        let mut backoff = Backoff::new();
        loop {
            match self.gateway.session(&self.request).await {
                Ok(session) => return session,
                Err(refusal @ GatewayError::Unauthorised) => {
                    error!(error = %refusal, "no session");
                    self.stop.request(Reason::Unauthorised);
                }
                Err(failure) => warn!(error = chain(&failure), "no session yet"),
            }
            backoff.wait().await;
        }
    }
}
