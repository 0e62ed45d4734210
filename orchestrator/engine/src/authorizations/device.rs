//! The authorisation on another device (RFC 8628): the engine asks until the person has acted.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sluice_domain::InstanceName;
use sluice_ports::oauth::{DeviceAuthorization, DevicePoll, DeviceStart, Waiting};
use tokio::time::{Instant, sleep};
use tracing::{Instrument, info_span, warn};

use super::provider::Provider;
use crate::{CommandError, Engine, chain};

/// How much longer to wait when the provider says that it is asked too often (RFC 8628, section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// An authorisation that a person has to finish on another device.
#[derive(Debug, Clone)]
pub struct PendingDevice {
    /// What the person types in.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

impl Engine {
    pub(crate) async fn begin_on_device(
        self: &Arc<Self>,
        instance: &InstanceName,
        provider: Provider,
    ) -> Result<PendingDevice, CommandError> {
        let Some(endpoint) = provider.device() else {
            let text = "the connector's `device_url` comes to nothing with the settings of this instance";
            return Err(CommandError::bad("provider_unclear", text));
        };
        let start = DeviceStart { endpoint, scopes: provider.declared.scopes.clone() };
        let begun = self.core.ports.oauth.start_device(&start).await;
        let device = begun.map_err(|error| CommandError::conflict("provider_refused", chain(&error)))?;
        let lasts = chrono::TimeDelta::from_std(device.expires_in).unwrap_or_default();
        let pending = PendingDevice {
            user_code: device.user_code.clone(),
            verification_uri: device.verification_uri.to_string(),
            verification_uri_complete: device.verification_uri_complete.as_ref().map(ToString::to_string),
            expires_at: self.core.ports.clock.now() + lasts,
        };
        let id = self.core.ports.entropy.secret();
        self.core.authorizations.attempts.begin(instance, id);
        let (engine, name) = (Arc::clone(self), instance.clone());
        let span = info_span!("device", instance.name = %name);
        let stop = self.stop.clone();
        self.tasks.spawn(
            async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    outcome = wait(&engine, &name, &provider, device) => if let Err(why) = outcome {
                        warn!(why, "the authorisation on a device came to nothing");
                        engine.core.authorizations.attempts.fail(&name, id, why);
                    },
                }
            }
            .instrument(span),
        );
        Ok(pending)
    }
}

/// Asks until the person has acted. Once more after the end of the codes, so that the provider says itself that they are
/// over.
///
/// # Errors
/// With the reason, where it came to nothing.
async fn wait(
    engine: &Engine,
    name: &InstanceName,
    provider: &Provider,
    device: DeviceAuthorization,
) -> Result<(), String> {
    let until = Instant::now() + device.expires_in;
    let mut interval = device.interval;
    let poll = DevicePoll { endpoint: provider.token(), device_code: device.device_code };
    loop {
        sleep(interval).await;
        let is_last = Instant::now() >= until;
        let error = match engine.core.ports.oauth.poll_device(&poll).await {
            Ok(tokens) => {
                let kept = engine.authorized(name, provider, tokens).await;
                return kept.map(drop).map_err(|error| chain(&error));
            }
            Err(error) => error,
        };
        match error.waiting() {
            _ if is_last => return Err(chain(&error)),
            Some(Waiting::Pending) => {}
            Some(Waiting::SlowDown(asked)) => interval = asked.unwrap_or(interval + SLOWER),
            None if error.is_transient() => {}
            None => return Err(chain(&error)),
        }
    }
}
