//! Why the last attempts to authorise instances came to nothing.
//!
//! Kept in memory only: attempts on devices end with the process, and a browser shows its person what went wrong.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_domain::InstanceName;

/// The last attempt of each instance.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<InstanceName, Attempt>>);

#[derive(Debug)]
struct Attempt {
    id: [u8; 32],
    failure: Option<String>,
}

impl Attempts {
    /// Somebody begins. What went wrong before counts no more.
    pub(crate) fn begin(&self, instance: &InstanceName, id: [u8; 32]) {
        self.all().insert(instance.clone(), Attempt { id, failure: None });
    }

    /// An attempt came to nothing. That is no news where a later one was begun.
    pub(crate) fn fail(&self, instance: &InstanceName, id: [u8; 32], why: String) {
        let mut all = self.all();
        let last = all.entry(instance.clone()).or_insert(Attempt { id, failure: None });
        if last.id == id {
            last.failure = Some(why);
        }
    }

    /// The instance is authorised.
    pub(crate) fn succeed(&self, instance: &InstanceName) {
        self.all().remove(instance);
    }

    /// Why the last attempt came to nothing, if it did.
    pub(crate) fn failure(&self, instance: &InstanceName) -> Option<String> {
        self.all().get(instance)?.failure.clone()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<InstanceName, Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_attempt_counts() {
        let attempts = Attempts::default();
        let crm: InstanceName = "crm".parse().unwrap();
        attempts.begin(&crm, [1; 32]);
        attempts.fail(&crm, [1; 32], "denied".to_owned());
        assert_eq!(attempts.failure(&crm).as_deref(), Some("denied"));
        attempts.begin(&crm, [2; 32]);
        attempts.fail(&crm, [1; 32], "too late".to_owned());
        assert_eq!(attempts.failure(&crm), None);
        attempts.fail(&crm, [2; 32], "denied again".to_owned());
        attempts.succeed(&crm);
        assert_eq!(attempts.failure(&crm), None);
        // Begun before this process.
        attempts.fail(&crm, [3; 32], "denied".to_owned());
        assert_eq!(attempts.failure(&crm).as_deref(), Some("denied"));
    }
}
