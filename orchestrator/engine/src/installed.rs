//! The installed connectors, kept in memory: runs outside flows look at them every time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_planner::Catalogue;
use sluice_ports::PortError;
use sluice_ports::store::{Release, Store};
use sluice_protocol::ComponentName;

/// The installed connectors as they were read last.
#[derive(Debug, Default)]
pub(crate) struct Installed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Counts what was forgotten, so that nothing is kept that was read before a change.
    generation: u64,
    kept: Option<Arc<Catalogue>>,
}

impl Installed {
    /// A catalogue of all connectors, without instances.
    pub(crate) async fn catalogue(&self, store: &dyn Store) -> Result<Arc<Catalogue>, PortError> {
        let generation = {
            let state = self.state();
            if let Some(kept) = &state.kept {
                return Ok(Arc::clone(kept));
            }
            state.generation
        };
        let connectors = store.connectors().await?;
        let active = active(store.releases().await?);
        let read = Arc::new(Catalogue { connectors, active, ..Catalogue::default() });
        let mut state = self.state();
        if state.generation == generation {
            state.kept = Some(Arc::clone(&read));
        }
        Ok(read)
    }

    /// Counts what was forgotten.
    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Forgets what was read. Call it after every change of a connector.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.kept = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which version of each connector is in use.
pub(crate) fn active(releases: Vec<Release>) -> BTreeMap<ComponentName, semver::Version> {
    releases.into_iter().map(|release| (release.connector, release.version)).collect()
}
