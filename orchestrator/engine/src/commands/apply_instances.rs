//! Applying instances: which are new or changed, and sealing their secrets.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use sluice_domain::{Instance, InstanceName};
use sluice_planner::InstanceDoc;
use sluice_ports::store::StoredInstance;

use crate::core::Core;
use crate::secrets::Shelf;
use crate::views::{PlanAction, PlanItem};
use crate::{ApplyRequest, CommandError};

/// An instance as it will be stored, and what that changes.
pub(crate) struct PlannedInstance {
    pub(crate) item: PlanItem,
    pub(crate) store: Option<StoredInstance>,
}

/// Plans an instance of the files.
pub(crate) async fn plan(
    core: &Core,
    request: &ApplyRequest,
    doc: &InstanceDoc,
) -> Result<PlannedInstance, CommandError> {
    let before = core.ports.store.instance(&doc.name).await?;
    let given = request.secrets.get(&doc.name);
    let revision = before.as_ref().map_or(1, |stored| stored.instance.revision + 1);
    let mut revisions =
        before.as_ref().map(|stored| stored.instance.secret_revisions.clone()).unwrap_or_default();
    revisions.retain(|field, _| doc.secrets.contains_key(field));
    let mut sealed = BTreeMap::new();
    let mut changed = Vec::new();
    for field in doc.secrets.keys() {
        let old = before.as_ref().and_then(|stored| stored.secrets.get(field));
        match (given.and_then(|fields| fields.get(field)), old) {
            (Some(secret), old) => {
                let shelf = before.as_ref().map(|stored| Shelf::of(&stored.instance, field));
                let opens = |(shelf, old)| opens_to((core, shelf), (&doc.name, field), old, secret);
                let same = shelf.zip(old).is_some_and(opens);
                if let (true, Some(old)) = (same, old) {
                    sealed.insert(field.clone(), old.clone());
                } else {
                    changed.push(format!("secret {field}"));
                    let shelf = Shelf::Instance(Some(revision));
                    sealed.insert(field.clone(), shelf.seal(core, (&doc.name, field), secret)?);
                    revisions.insert(field.clone(), revision);
                }
            }
            (None, Some(old)) => {
                sealed.insert(field.clone(), old.clone());
            }
            (None, None) => {
                let text = format!("the secret `{field}` of instance {} was not sent along", doc.name);
                return Err(CommandError::bad("secret_missing", text));
            }
        }
    }
    Ok(compare(core, doc, before, (sealed, revisions, changed)))
}

fn compare(
    core: &Core,
    doc: &InstanceDoc,
    before: Option<StoredInstance>,
    (secrets, secret_revisions, mut changed): (
        BTreeMap<String, sluice_ports::SealedSecret>,
        BTreeMap<String, u64>,
        Vec<String>,
    ),
) -> PlannedInstance {
    let now = core.ports.clock.now();
    let item = |action, reason: &str, details| PlanItem {
        action,
        kind: "instance",
        name: doc.name.to_string(),
        reason: reason.to_owned(),
        details,
    };
    let mut instance = Instance {
        name: doc.name.clone(),
        connector: doc.connector.clone(),
        settings: doc.settings.clone(),
        secret_fields: secrets.keys().cloned().collect(),
        secret_revisions,
        uses: doc.instances.clone(),
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    let Some(before) = before else {
        let store = Some(StoredInstance { instance, secrets });
        return PlannedInstance { item: item(PlanAction::Add, "it is new", Vec::new()), store };
    };
    if before.instance.connector != instance.connector {
        changed.push(format!("connector {} -> {}", before.instance.connector, instance.connector));
    }
    for (key, value) in &instance.settings {
        if before.instance.settings.get(key) != Some(value) {
            changed.push(format!("setting {key}"));
        }
    }
    let gone = before.instance.settings.keys().filter(|key| !instance.settings.contains_key(*key));
    changed.extend(gone.map(|key| format!("setting {key} removed")));
    let gone = before.instance.secret_fields.iter().filter(|field| !instance.secret_fields.contains(*field));
    changed.extend(gone.map(|field| format!("secret {field} removed")));
    if before.instance.uses != instance.uses {
        changed.push("instances that it calls".to_owned());
    }
    if changed.is_empty() {
        return PlannedInstance { item: item(PlanAction::Keep, "unchanged", Vec::new()), store: None };
    }
    instance.revision = before.instance.revision + 1;
    instance.created_at = before.instance.created_at;
    let store = Some(StoredInstance { instance, secrets });
    PlannedInstance { item: item(PlanAction::Change, "its file changed", changed), store }
}

fn opens_to(
    (core, shelf): (&Core, Shelf),
    place: (&InstanceName, &str),
    sealed: &sluice_ports::SealedSecret,
    secret: &SecretString,
) -> bool {
    let opened = shelf.open(core, place, sealed);
    opened.is_ok_and(|opened| opened.expose_secret() == secret.expose_secret())
}
