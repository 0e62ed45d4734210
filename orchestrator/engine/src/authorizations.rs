//! The authorisations of instances: who holds a token that works, who has to be asked, and who refreshes.
//!
//! One flight per instance: whoever needs a token waits for the one who is getting it. What came from the provider is
//! stored before anybody uses it, since a provider that rotates refresh tokens has forgotten the old one by then.

mod attempts;
mod callback;
mod device;
mod provider;
mod refresh;
mod reports;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_domain::InstanceName;

use attempts::Attempts;
pub use callback::{BrowserAuthorization, CallbackRefusal, Departure};
pub use device::PendingDevice;
pub(crate) use provider::{Provider, declared};
pub(crate) use refresh::{NoToken, token};
pub(crate) use reports::follow_reports;
pub(crate) use store::{Change, change, parked, state_of, version_of};

/// The authorisations that are being changed.
#[derive(Debug, Default)]
pub(crate) struct Authorizations {
    flights: Mutex<HashMap<InstanceName, Arc<tokio::sync::Mutex<()>>>>,
    pub(crate) attempts: Attempts,
}

impl Authorizations {
    /// The lock of those who change the authorisation of an instance.
    pub(crate) fn flight(&self, instance: &InstanceName) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        // A lock that nobody holds or waits for need not be kept.
        flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        Arc::clone(flights.entry(instance.clone()).or_default())
    }
}
