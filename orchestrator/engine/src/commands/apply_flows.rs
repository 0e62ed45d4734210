//! Applying flows: what becomes of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sluice_domain::compiled::CompiledFlow;
use sluice_domain::{
    Alias, Flow, FlowId, FlowName, FlowVersion, InstanceName, Intent, Owned, Template, TemplateName,
    TemplateRef,
};
use sluice_planner::{Catalogue, Demand, Documents, Report, SourceFile, TemplateDoc, compile, diff, read};
use sluice_ports::failpoint;
use sluice_ports::store::NewVersion;

use crate::table::LiveFlow;
use crate::views::{PlanAction, PlanItem};
use crate::{CommandError, Engine, hooks};

/// Flows that become live together: each change of the table costs in proportion to all flows that there are.
const TOGETHER: usize = 100;

/// A flow that the files make.
pub(super) struct Wanted {
    pub(super) name: FlowName,
    pub(super) template: TemplateRef,
    pub(super) params: Value,
    pub(super) instances: BTreeMap<Alias, InstanceName>,
    pub(super) place: Option<(String, sluice_planner::Places)>,
}

/// A flow to store.
pub(super) struct Planned {
    pub(super) item: PlanItem,
    pub(super) new: Option<NewVersion>,
}

impl Engine {
    pub(super) async fn plan_flow(
        &self,
        wanted: &Wanted,
        documents: &Documents,
        catalogue: &Catalogue,
        report: &mut Report,
    ) -> Result<Option<Planned>, CommandError> {
        let doc = self.find_template(wanted, documents).await?;
        self.plan_version(wanted, &doc, catalogue, report).await
    }

    /// What a version of a template makes of a flow.
    pub(super) async fn plan_version(
        &self,
        wanted: &Wanted,
        doc: &TemplateDoc,
        catalogue: &Catalogue,
        report: &mut Report,
    ) -> Result<Option<Planned>, CommandError> {
        let before = self.core.ports.store.flow_named(&wanted.name).await?;
        if before.as_ref().is_some_and(|flow| flow.intent.is_end()) {
            let text = format!("flow {} is being deleted; wait until it is gone", wanted.name);
            return Err(CommandError::conflict("flow_deleting", text));
        }
        let id =
            before.as_ref().map_or_else(|| FlowId::from_bits(self.core.ports.entropy.bits()), |flow| flow.id);
        let version = before.as_ref().map_or(FlowVersion(1), |flow| flow.version.next());
        let demand = Demand {
            doc,
            flow: id,
            name: wanted.name.clone(),
            version,
            params: wanted.params.clone(),
            instances: wanted.instances.clone(),
        };
        let (compiled, faults) = compile(&demand, catalogue);
        report.merge(faults);
        let Some(compiled) = compiled else { return Ok(None) };
        let old = match &before {
            Some(flow) => self.core.ports.store.version(id, flow.version).await?,
            None => None,
        };
        let changes = diff(old.as_ref(), &compiled);
        let details: Vec<String> = changes.to_string().lines().map(str::to_owned).collect();
        let name = wanted.name.to_string();
        if let Some(flow) = &before
            && changes.is_empty()
        {
            self.make_live(flow, old)?;
            let item = PlanItem {
                action: PlanAction::Keep,
                kind: "flow",
                name,
                reason: "unchanged".to_owned(),
                details: Vec::new(),
            };
            return Ok(Some(Planned { item, new: None }));
        }
        let (action, reason) = match &before {
            None => (PlanAction::Add, "it is new".to_owned()),
            Some(flow) => (
                PlanAction::Change,
                format!("version {} becomes {version}; its intent stays {}", flow.version, flow.intent),
            ),
        };
        let item = PlanItem { action, kind: "flow", name, reason, details };
        let now = self.core.ports.clock.now();
        let flow = Flow {
            id,
            name: wanted.name.clone(),
            template: wanted.template.clone(),
            params: wanted.params.clone(),
            instances: wanted.instances.clone(),
            version,
            intent: before.as_ref().map_or(Intent::Run, |flow| flow.intent),
            created_at: before.as_ref().map_or(now, |flow| flow.created_at),
            updated_at: now,
        };
        let new = NewVersion { flow, compiled, replaces: before.map(|flow| flow.version) };
        Ok(Some(Planned { item, new: Some(new) }))
    }

    /// Makes a version live that was stored by a call which failed then: the store may keep what it could not confirm.
    fn make_live(&self, flow: &Flow, stored: Option<CompiledFlow>) -> Result<(), CommandError> {
        let key = (flow.id, flow.version);
        let snapshot = self.core.snapshot();
        if snapshot.versions.contains_key(&key) && snapshot.flows.contains_key(&flow.id) {
            return Ok(());
        }
        let Some(stored) = stored else { return Ok(()) };
        let live = loaded(stored)?;
        self.core.table.change(|snapshot| {
            snapshot.versions.insert(key, Arc::new(live));
            snapshot.flows.insert(flow.id, flow.clone());
        });
        Ok(())
    }

    /// The newest template version that a flow asks for, from the files or the store. What a tenant does not have itself
    /// may be the installation's.
    async fn find_template(
        &self,
        wanted: &Wanted,
        documents: &Documents,
    ) -> Result<TemplateDoc, CommandError> {
        let reference = &wanted.template;
        let names = [Some(reference.name.clone()), reference.name.general()];
        for name in names.into_iter().flatten() {
            let version = reference.version.clone();
            if let Some(found) = self.newest_template(&TemplateRef { name, version }, documents).await? {
                return Ok(found);
            }
        }
        let at = wanted.place.as_ref().map(|(file, _)| format!(" (asked for in {file})")).unwrap_or_default();
        Err(CommandError::not_found("template", format!("{reference}{at}")))
    }

    async fn newest_template(
        &self,
        reference: &TemplateRef,
        documents: &Documents,
    ) -> Result<Option<TemplateDoc>, CommandError> {
        let fits = |name: &TemplateName, version: &semver::Version| {
            *name == reference.name && reference.version.matches(version)
        };
        let in_files =
            documents.templates.iter().filter(|doc| fits(&doc.template.name, &doc.template.version));
        let newest = in_files.max_by_key(|doc| &doc.template.version).cloned();
        let stored = self.core.ports.store.template_versions(&reference.name).await?;
        let stored = stored
            .into_iter()
            .filter(|(template, _)| fits(&template.name, &template.version))
            .max_by(|a, b| a.0.version.cmp(&b.0.version));
        match (newest, stored) {
            (Some(doc), Some((template, _))) if template.version <= doc.template.version => Ok(Some(doc)),
            (_, Some((template, text))) => {
                let doc = parsed(&template, text);
                doc.map(Some).ok_or_else(|| CommandError::not_found("template", reference))
            }
            (newest, None) => Ok(newest),
        }
    }

    /// A template as it is stored.
    pub(super) async fn stored_template(
        &self,
        name: &TemplateName,
        version: &semver::Version,
    ) -> Result<Option<TemplateDoc>, CommandError> {
        let versions = self.core.ports.store.template_versions(name).await?;
        let found = versions.into_iter().find(|(template, _)| template.version == *version);
        Ok(found.and_then(|(template, text)| parsed(&template, text)))
    }

    /// Stores flows, and makes those live that were stored. The first that cannot be stored is the last that is tried.
    pub(super) async fn store_flows(&self, mut all: Vec<NewVersion>) -> Result<(), CommandError> {
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(TOGETHER));
            let mut stored = Vec::with_capacity(all.len());
            let outcome = self.store_some(std::mem::replace(&mut all, rest), &mut stored).await;
            let ids: Vec<FlowId> = stored.iter().map(|(flow, _)| flow.id).collect();
            self.core.table.change(|snapshot| {
                for (flow, live) in stored {
                    snapshot.versions.insert((flow.id, flow.version), Arc::new(live));
                    snapshot.flows.insert(flow.id, flow);
                }
            });
            outcome?;
            for id in ids {
                hooks::ensure(&self.core, id).await?;
            }
        }
        Ok(())
    }

    async fn store_some(
        &self,
        some: Vec<NewVersion>,
        stored: &mut Vec<(Flow, LiveFlow)>,
    ) -> Result<(), CommandError> {
        for new in some {
            failpoint::reach("apply_before_flow").await?;
            self.core.ports.store.put_version(&new).await?;
            failpoint::reach("apply_after_flow").await?;
            let live = loaded(new.compiled)?;
            stored.push((new.flow, live));
        }
        Ok(())
    }
}

fn loaded(compiled: CompiledFlow) -> Result<LiveFlow, CommandError> {
    LiveFlow::load(compiled).map_err(|error| CommandError::bad("flow_unreadable", error.to_string()))
}

fn parsed(template: &Template, text: String) -> Option<TemplateDoc> {
    let name = format!("{}@{}", template.name, template.version);
    let (read, _) = read(&[SourceFile { name, text }]);
    read.within(template.name.tenant().as_ref()).templates.pop()
}
