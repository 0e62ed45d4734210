//! How many containers there are. Asking the engine at each start would cost more than the start, so names are counted
//! here, and looked up once at first and whenever the count says that it is enough.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_ports::PortError;
use sluice_ports::runtime::Runtime;
use tokio::sync::OnceCell;

/// The containers that there are, and those that are being made.
pub(super) struct Census {
    most: usize,
    counted: Mutex<Counted>,
    first: OnceCell<()>,
    /// One look-up at a time.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Counted {
    there: BTreeSet<String>,
    making: BTreeSet<String>,
    /// Made since the last look-up began, which may not have seen them.
    fresh: BTreeSet<String>,
}

/// A container that is being made. It counts until this is dropped, and from then on only if it was made.
pub(super) struct Making<'a> {
    census: &'a Census,
    name: String,
}

impl Census {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            counted: Mutex::default(),
            first: OnceCell::new(),
            looking: tokio::sync::Mutex::const_new(()),
        }
    }

    /// Counts a container that is to be made. Nothing when there are as many as there may be.
    pub(super) async fn begin(
        &self,
        name: &str,
        runtime: &dyn Runtime,
    ) -> Result<Option<Making<'_>>, PortError> {
        self.first.get_or_try_init(|| self.look(runtime)).await?;
        if let Some(making) = self.try_begin(name) {
            return Ok(Some(making));
        }
        // Some may be gone that were not removed by way of here.
        let _one = self.looking.lock().await;
        if let Some(making) = self.try_begin(name) {
            return Ok(Some(making));
        }
        self.look(runtime).await?;
        Ok(self.try_begin(name))
    }

    /// A container was removed.
    pub(super) fn gone(&self, name: &str) {
        let mut counted = self.counted();
        counted.there.remove(name);
        counted.fresh.remove(name);
    }

    async fn look(&self, runtime: &dyn Runtime) -> Result<(), PortError> {
        self.counted().fresh.clear();
        let listed = runtime.list().await?;
        let mut counted = self.counted();
        counted.there = listed.into_iter().map(|container| container.name).collect();
        let fresh = counted.fresh.clone();
        counted.there.extend(fresh);
        Ok(())
    }

    fn try_begin(&self, name: &str) -> Option<Making<'_>> {
        let mut counted = self.counted();
        // One that is there already makes way for the new one, or keeps it from being made.
        let others = counted.there.union(&counted.making).filter(|other| *other != name).count();
        if others >= self.most {
            return None;
        }
        counted.making.insert(name.to_owned());
        Some(Making { census: self, name: name.to_owned() })
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Making<'_> {
    /// It is there now.
    pub(super) fn made(self) {
        // Let go of before `self` is, which takes it too.
        {
            let mut counted = self.census.counted();
            counted.there.insert(self.name.clone());
            counted.fresh.insert(self.name.clone());
        }
        drop(self);
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.census.counted().making.remove(&self.name);
    }
}
