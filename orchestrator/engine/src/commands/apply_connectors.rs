//! Applying declarative connectors: which are new.

use sluice_domain::Connector;
use sluice_planner::{BUILTIN, ConnectorDoc};
use sluice_protocol::ComponentName;

use crate::CommandError;
use crate::core::Core;
use crate::installed;
use crate::views::{PlanAction, PlanItem};

/// Plans the connectors of the files. A version that is there must have the same content; what is to be stored is
/// returned.
pub(crate) async fn plan(
    core: &Core,
    documents: &[ConnectorDoc],
    items: &mut Vec<PlanItem>,
) -> Result<Vec<Connector>, CommandError> {
    let installed = core.ports.store.connectors().await?;
    let active = installed::active(core.ports.store.releases().await?);
    let mut new = Vec::new();
    for doc in documents {
        let connector = doc.connector(core.ports.clock.now());
        let conflict = |text: String| Err(CommandError::conflict("connector_exists", text));
        let (name, version) = (connector.name(), connector.version());
        let of_name = || installed.iter().filter(|known| known.name() == name);
        if name.as_str() == BUILTIN {
            return conflict(format!("a connector cannot be named `{BUILTIN}`: that is what is built in"));
        }
        if of_name().any(|known| known.manifest().is_none()) {
            return conflict(format!("a connector {name} is installed that has an image of its own"));
        }
        let (action, reason) = match of_name().find(|known| known.version() == version) {
            None => (PlanAction::Add, novelty(name, version, active.get(name))),
            Some(known) if known.source == connector.source => (PlanAction::Keep, "unchanged".to_owned()),
            Some(_) => {
                return conflict(format!(
                    "connector {name} {version} is there already with other content; a version never changes, so raise it"
                ));
            }
        };
        items.push(PlanItem {
            action,
            kind: "connector",
            name: name.to_string(),
            reason,
            details: Vec::new(),
        });
        if action == PlanAction::Add {
            new.push(connector);
        }
    }
    Ok(new)
}

fn novelty(name: &ComponentName, version: &semver::Version, active: Option<&semver::Version>) -> String {
    match active {
        None => format!("version {version} is new"),
        Some(active) => format!(
            "version {version} is new; {active} stays in use until `sluice connector upgrade {name} --apply`"
        ),
    }
}
