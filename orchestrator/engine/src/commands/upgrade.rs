//! Putting another version of a connector to use: what it changes, and the flows that it moves.

use std::collections::BTreeMap;

use semver::Version;
use sluice_domain::{Connector, Flow, FlowName, InstanceName, TemplateName};
use sluice_planner::{
    BUILTIN, Catalogue, ConnectorChange, Documents, Report, TemplateDoc, connector_changes, instance_faults,
    uses,
};
use sluice_ports::store::{NewVersion, Release};
use sluice_protocol::ComponentName;

use super::apply_flows::Wanted;
use crate::views::PlanAction;
use crate::{CommandError, Engine};

/// Flows and instances that a refusal names.
const NAMED: usize = 5;

/// What to put to use.
#[derive(Debug, Clone)]
pub struct UpgradeRequest {
    /// The connector.
    pub connector: ComponentName,
    /// Which version of it.
    pub to: UpgradeTo,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Do it even if flows or instances do not fit the version. Such flows stay on the version that they run.
    pub force: bool,
}

/// A version of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeTo {
    /// The newest that is installed; a release is preferred to any pre-release.
    Newest,
    /// This one.
    Version(Version),
    /// The one that was in use before the present one.
    Before,
}

/// What another version of a connector changes.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// The connector.
    pub connector: ComponentName,
    /// The version in use.
    pub from: Version,
    /// The version to use.
    pub to: Version,
    /// How they differ.
    pub changes: Vec<ConnectorChange>,
    /// The instances of the connector.
    pub instances: Vec<UpgradedInstance>,
    /// The flows that use the connector.
    pub flows: Vec<UpgradedFlow>,
    /// Whether it was done, or only planned.
    pub done: bool,
}

/// An instance held against another version of its connector.
#[derive(Debug, Clone)]
pub struct UpgradedInstance {
    /// Its name.
    pub name: InstanceName,
    /// What does not fit, a sentence each.
    pub faults: Vec<String>,
}

/// What becomes of a flow with another version of a connector.
#[derive(Debug, Clone)]
pub struct UpgradedFlow {
    /// Its name.
    pub name: FlowName,
    /// [`PlanAction::Change`], or [`PlanAction::Keep`] where it stays as it is.
    pub action: PlanAction,
    /// What changes in it, a line each.
    pub details: Vec<String>,
    /// Why it does not work with the version, where it does not. It stays as it is then.
    pub report: Report,
}

impl Upgrade {
    fn misfits(&self) -> Vec<String> {
        let flows = self.flows.iter().filter(|flow| flow.report.has_errors());
        let instances = self.instances.iter().filter(|instance| !instance.faults.is_empty());
        let flows = flows.map(|flow| format!("flow {}", flow.name));
        flows.chain(instances.map(|instance| format!("instance {}", instance.name))).collect()
    }
}

impl Engine {
    /// Puts another version of a connector to use, or says what that would change. Instances have it at once; flows get a
    /// new version of their own, on the version of their template that they run, and messages under way finish where they
    /// began. The same call again finishes what an interrupted one began.
    ///
    /// # Errors
    /// When the connector or version is not installed, or flows or instances do not fit it and nothing forces it.
    pub async fn upgrade_connector(&self, request: &UpgradeRequest) -> Result<Upgrade, CommandError> {
        let request = request.clone();
        self.to_its_end(move |engine| async move { engine.upgrade_now(&request).await }).await
    }

    async fn upgrade_now(&self, request: &UpgradeRequest) -> Result<Upgrade, CommandError> {
        let name = &request.connector;
        if name.as_str() == BUILTIN {
            return Err(CommandError::bad(
                "reserved_name",
                format!("`{BUILTIN}` is built in and has no versions"),
            ));
        }
        let mut catalogue = self.whole_catalogue(&Documents::default()).await?;
        let not_installed = || CommandError::not_found("connector", name);
        let before = catalogue.choose(name.as_str(), None).ok_or_else(not_installed)?.clone();
        let after = self.target(request, &before, &catalogue).await?;
        catalogue.active.insert(name.clone(), after.version().clone());
        let (flows, new) = self.plan_moves(name, &catalogue).await?;
        let mut upgrade = Upgrade {
            connector: name.clone(),
            from: before.version().clone(),
            to: after.version().clone(),
            changes: connector_changes(&before, &after),
            instances: self.misfits_of_instances(&after).await?,
            flows,
            done: false,
        };
        if request.dry_run {
            return Ok(upgrade);
        }
        let misfits = upgrade.misfits();
        if !misfits.is_empty() && !request.force {
            return Err(refusal(&upgrade, &misfits));
        }
        // The version first: a flow that is made meanwhile has it too, and a repeated call moves the rest.
        let release =
            Release { connector: name.clone(), version: upgrade.to.clone(), at: self.core.ports.clock.now() };
        self.core.ports.store.release_connector(&release).await?;
        self.core.installed.forget();
        self.core.news.spread();
        self.store_flows(new).await?;
        self.core.wake.notify_one();
        upgrade.done = true;
        Ok(upgrade)
    }

    /// The version in use of each installed connector.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn active_versions(&self) -> Result<BTreeMap<ComponentName, Version>, CommandError> {
        let catalogue = self.core.catalogue().await?;
        let names = catalogue.connectors.iter().map(Connector::name);
        let chosen = names.filter_map(|name| catalogue.choose(name.as_str(), None));
        Ok(chosen.map(|connector| (connector.name().clone(), connector.version().clone())).collect())
    }

    async fn target(
        &self,
        request: &UpgradeRequest,
        now: &Connector,
        catalogue: &Catalogue,
    ) -> Result<Connector, CommandError> {
        let name = &request.connector;
        let installed = || catalogue.versions(name.as_str());
        let wanted = match &request.to {
            UpgradeTo::Version(version) => version.clone(),
            UpgradeTo::Newest => {
                let rank = |one: &&Connector| (one.version().pre.is_empty(), one.version().clone());
                installed().max_by_key(rank).unwrap_or(now).version().clone()
            }
            UpgradeTo::Before => {
                let releases = self.core.ports.store.releases().await?;
                let mut of_it = releases.iter().rev().filter(|release| release.connector == *name);
                let there = |version: &Version| installed().any(|connector| connector.version() == version);
                let before =
                    of_it.find(|release| release.version != *now.version() && there(&release.version));
                let none = || {
                    let text =
                        format!("no other installed version of {name} was in use before {}", now.version());
                    CommandError::conflict("no_release_before", text)
                };
                before.ok_or_else(none)?.version.clone()
            }
        };
        let found = installed().find(|connector| *connector.version() == wanted);
        found.cloned().ok_or_else(|| CommandError::not_found("connector", format!("{name} {wanted}")))
    }

    async fn misfits_of_instances(&self, after: &Connector) -> Result<Vec<UpgradedInstance>, CommandError> {
        let instances = self.core.ports.store.instances().await?;
        let of_it = instances.iter().filter(|instance| instance.connector == *after.name());
        Ok(of_it
            .map(|instance| UpgradedInstance {
                name: instance.name.clone(),
                faults: instance_faults(instance, after),
            })
            .collect())
    }

    /// What becomes of the flows that use a connector, and the versions of them to store.
    async fn plan_moves(
        &self,
        connector: &ComponentName,
        catalogue: &Catalogue,
    ) -> Result<(Vec<UpgradedFlow>, Vec<NewVersion>), CommandError> {
        let snapshot = self.core.snapshot();
        let mut templates: BTreeMap<(TemplateName, Version), Option<TemplateDoc>> = BTreeMap::new();
        let (mut flows, mut new) = (Vec::new(), Vec::new());
        let mut of_names: Vec<&Flow> = snapshot.flows.values().filter(|flow| !flow.intent.is_end()).collect();
        of_names.sort_by(|a, b| a.name.cmp(&b.name));
        for flow in of_names {
            let Some(live) = snapshot.versions.get(&(flow.id, flow.version)) else { continue };
            let key = (live.compiled.template.clone(), live.compiled.template_version.clone());
            let doc = match templates.get(&key) {
                Some(doc) => doc,
                None => {
                    let doc = self.stored_template(&key.0, &key.1).await?;
                    templates.entry(key.clone()).or_insert(doc)
                }
            };
            // Without its template a flow cannot be made anew; it runs on as it is.
            let Some(doc) = doc.as_ref().filter(|doc| uses(&doc.template, connector, catalogue)) else {
                continue;
            };
            let wanted = Wanted {
                name: flow.name.clone(),
                template: flow.template.clone(),
                params: flow.params.clone(),
                instances: flow.instances.clone(),
                place: None,
            };
            let mut report = Report::default();
            let planned = self.plan_version(&wanted, doc, catalogue, &mut report).await?;
            let (action, details) = match planned {
                Some(planned) if !report.has_errors() => {
                    new.extend(planned.new);
                    (planned.item.action, planned.item.details)
                }
                _ => (PlanAction::Keep, Vec::new()),
            };
            flows.push(UpgradedFlow { name: flow.name.clone(), action, details, report: report.sorted() });
        }
        Ok((flows, new))
    }
}

fn refusal(upgrade: &Upgrade, misfits: &[String]) -> CommandError {
    let mut named = misfits[..misfits.len().min(NAMED)].join(", ");
    if misfits.len() > NAMED {
        named += &format!(" and {} more", misfits.len() - NAMED);
    }
    let text = format!(
        "{named} would not work with {} {}; the plan says why; mend that, or force it to leave such flows as they are",
        upgrade.connector, upgrade.to
    );
    CommandError::conflict("upgrade_breaks", text)
}
