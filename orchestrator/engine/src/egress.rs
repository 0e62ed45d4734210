//! Where components may go: the answers to what the proxy asks that they go out by.
//!
//! Nothing is pushed and nothing is kept that could be out of date: each answer is made of the table of now. So the rules
//! of a container are there before its first request can come, and those of a changed instance are gone at once.
//!
//! A deployment may go where any step that it serves may go, and where what it runs outside of flows may go.

mod held;
mod passes;
mod rules;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::Value;
use sluice_domain::{DeploymentId, DeploymentSpec, InstanceName};
use sluice_ports::PortError;
use sluice_ports::egress::{Caller, EgressRules, Target};
use sluice_protocol::{Egress as Declared, HostRule, Reach};

use crate::Engine;
use crate::core::Core;
use crate::table::Snapshot;

pub(crate) use held::Held;
pub(crate) use passes::{Passes, password};

/// Most rules of a deployment. What is beyond them is not let out.
const MOST: usize = 50_000;

/// What is kept to answer quickly.
#[derive(Debug, Default)]
pub(crate) struct Egress {
    kept: Mutex<HashMap<DeploymentId, Kept>>,
    held: Held,
    pub(crate) passes: Passes,
}

/// The rules of a deployment, and what they were made of.
#[derive(Debug, Clone)]
struct Kept {
    of: Mark,
    rules: Arc<BTreeSet<HostRule>>,
}

/// Tells one state of what rules are made of from another.
type Mark = (u64, u64);

/// Where a run outside of flows may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    instance: InstanceName,
    revision: Option<u64>,
    rules: Arc<BTreeSet<HostRule>>,
}

impl Way {
    /// How far it reaches. Nowhere when the instance was changed since.
    fn reach(&self, snapshot: &Snapshot, target: &Target) -> Option<Reach> {
        let current = snapshot.revisions.get(&self.instance).copied() == self.revision;
        if current { reach(&self.rules, target) } else { None }
    }
}

fn reach(rules: &BTreeSet<HostRule>, target: &Target) -> Option<Reach> {
    rules.iter().filter_map(|rule| rule.reach(&target.host, target.port)).max()
}

impl Egress {
    fn kept(&self) -> MutexGuard<'_, HashMap<DeploymentId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules of all steps that a deployment serves.
    async fn of_steps(
        &self,
        core: &Core,
        deployment: DeploymentId,
    ) -> Result<Arc<BTreeSet<HostRule>>, PortError> {
        // Before anything is read: what changes meanwhile is read anew the next time.
        let mark = (core.table.count(), core.installed.generation());
        if let Some(kept) = self.kept().get(&deployment).filter(|kept| kept.of == mark) {
            return Ok(Arc::clone(&kept.rules));
        }
        let snapshot = core.snapshot();
        let rules = Arc::new(self.read(core, &snapshot, deployment).await?);
        let mut all = self.kept();
        // Deployments that are no more are forgotten with the others.
        all.retain(|_, kept| kept.of == mark);
        all.insert(deployment, Kept { of: mark, rules: Arc::clone(&rules) });
        Ok(rules)
    }

    async fn read(
        &self,
        core: &Core,
        snapshot: &Snapshot,
        deployment: DeploymentId,
    ) -> Result<BTreeSet<HostRule>, PortError> {
        let mut rules = BTreeSet::new();
        let mut seen = rules::Seen::default();
        // All steps of a deployment have the same component.
        let mut known = None;
        for live in snapshot.versions.values() {
            let steps = live.compiled.steps.values();
            for step in steps.filter(|step| step.deployment.id == deployment && step.is_served()) {
                let declared: &Declared = match known {
                    Some(ref declared) => declared,
                    None => {
                        let Some(found) = declared(core, &step.deployment).await? else { return Ok(rules) };
                        known.insert(found)
                    }
                };
                let instance = match &step.instance {
                    Some(name) => self.held.instance(core, snapshot, (name, &declared.secrets)).await?,
                    None => None,
                };
                let source = rules::Source {
                    instance: step.instance.as_ref().zip(instance.as_deref()),
                    config: &step.config,
                    input: step.gate.input.as_ref(),
                };
                rules::read(declared, &source, &mut seen, &mut rules);
                if rules.len() > MOST {
                    return Ok(rules);
                }
            }
        }
        Ok(rules)
    }

    /// Where a run outside of flows may go. Call it before the run begins.
    pub(crate) async fn way(
        &self,
        core: &Core,
        (spec, config): (&DeploymentSpec, &Value),
        instance: &InstanceName,
    ) -> Result<Way, PortError> {
        let snapshot = core.snapshot();
        let mut rules = BTreeSet::new();
        if let Some(declared) = declared(core, spec).await? {
            let held = self.held.instance(core, &snapshot, (instance, &declared.secrets)).await?;
            let named = held.as_deref().map(|held| (instance, held));
            let source = rules::Source { instance: named, config, input: None };
            rules::read(&declared, &source, &mut rules::Seen::default(), &mut rules);
        }
        let revision = snapshot.revisions.get(instance).copied();
        Ok(Way { instance: instance.clone(), revision, rules: Arc::new(rules) })
    }
}

/// What the component of a deployment says of its way out.
async fn declared(core: &Core, spec: &DeploymentSpec) -> Result<Option<Declared>, PortError> {
    let catalogue = core.catalogue().await?;
    let mut versions = catalogue.versions(spec.component.as_str());
    let connector = versions.find(|connector| *connector.version() == spec.version);
    Ok(connector.and_then(|connector| connector.descriptor.egress.clone()))
}

#[async_trait]
impl EgressRules for Engine {
    async fn caller(&self, username: &str, password: &str) -> Result<Option<Caller>, PortError> {
        self.core.egress.passes.prove(&self.core, username, password).await
    }

    async fn reach(&self, caller: Caller, target: &Target) -> Result<Option<Reach>, PortError> {
        let core = &self.core;
        if core.egress.passes.find(core, caller.start).await?.is_none() {
            return Ok(None);
        }
        let steps = core.egress.of_steps(core, caller.deployment).await?;
        let snapshot = core.snapshot();
        let runs = core.invocations.ways(caller.deployment);
        let runs = runs.iter().filter_map(|way| way.reach(&snapshot, target));
        let place = &core.settings.broker;
        let proxied = core.settings.egress.as_ref().is_some_and(|egress| egress.broker);
        let broker = proxied && target.port == place.port && target.host.eq_ignore_ascii_case(&place.host);
        let broker = broker.then_some(Reach::Internal);
        Ok(reach(&steps, target).max(runs.max()).max(broker))
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        futures_util::stream::unfold(self.core.table.changes(), |mut changes| async move {
            changes.changed().await;
            Some(((), changes))
        })
        .boxed()
    }

    fn count(&self, outcome: &'static str) {
        self.core.recorder.meters().egress.add([outcome]);
    }

    fn carry(&self, opened: i64, bytes: u64) {
        let meters = self.core.recorder.meters();
        meters.egress_open.shift(opened);
        meters.egress_bytes.add(bytes);
    }
}
