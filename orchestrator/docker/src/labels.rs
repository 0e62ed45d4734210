//! The labels by which a restarted orchestrator finds its own.

use std::collections::HashMap;

/// Which installation a container or network belongs to.
pub(crate) const INSTALLATION: &str = "io.sluice.installation";
/// Which deployment a container serves.
pub(crate) const DEPLOYMENT: &str = "io.sluice.deployment";
/// Which start a container is.
pub(crate) const START: &str = "io.sluice.start";
/// The image's name as it was installed, for people.
pub(crate) const IMAGE: &str = "io.sluice.image";

/// Whether these labels say that the thing belongs to `installation`.
pub(crate) fn are_ours(labels: Option<&HashMap<String, String>>, installation: &str) -> bool {
    labels.and_then(|labels| labels.get(INSTALLATION)).is_some_and(|value| value == installation)
}

/// The filter that finds what belongs to `installation`.
pub(crate) fn filter(installation: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{INSTALLATION}={installation}")])])
}
