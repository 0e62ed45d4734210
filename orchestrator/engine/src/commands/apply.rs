//! `validate`, `plan` and `apply`: from files to flows that are to run.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde_json::{Map, Value};
use sluice_domain::oauth::AuthorizationState;
use sluice_domain::{Alias, FlowId, FlowName, InstanceName, Intent, Owned, TemplateRef, TenantName};
use sluice_planner::{
    Catalogue, Documents, InstanceFacts, Report, SourceFile, TemplateDoc, check_instance, check_template,
    read,
};
use sluice_ports::store::StoredAuthorization;

use super::apply_flows::Wanted;
use super::{apply_connectors, apply_instances};
use crate::views::{Applied, PlanAction, PlanItem};
use crate::{CommandError, Engine, installed, keys};

/// What to apply.
#[derive(Default)]
pub struct ApplyRequest {
    /// Whose the instances, templates and flows of the files are; the installation's own when absent.
    pub tenant: Option<TenantName>,
    /// The files.
    pub files: Vec<SourceFile>,
    /// Parameters for the one flow that the files make.
    pub params: Map<String, Value>,
    /// Instances for the aliases of that flow.
    pub instances: BTreeMap<Alias, InstanceName>,
    /// The secrets that the files name, by instance and field.
    pub secrets: BTreeMap<InstanceName, BTreeMap<String, SecretString>>,
    /// A name for the one flow, instead of its template's.
    pub name: Option<FlowName>,
    /// Delete the flows that the files do not make.
    pub prune: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Engine {
    /// Finds what is wrong with files, with what is installed and configured here in view.
    ///
    /// # Errors
    /// When the store cannot be read. Faults of the files are in the report.
    pub async fn validate(
        &self,
        files: &[SourceFile],
        tenant: Option<&TenantName>,
    ) -> Result<Report, CommandError> {
        let (documents, mut report) = read(files);
        let documents = documents.within(tenant);
        let catalogue = self.catalogue(&documents, tenant).await?;
        check(&documents, &catalogue, &mut report);
        Ok(report.sorted())
    }

    /// Brings instances, templates and flows to what files say, or says what that would change.
    ///
    /// # Errors
    /// [`CommandError::Invalid`] with all faults of the files, and what storing may meet.
    pub async fn apply(&self, request: ApplyRequest) -> Result<Applied, CommandError> {
        self.to_its_end(|engine| async move { engine.apply_now(request).await }).await
    }

    async fn apply_now(&self, request: ApplyRequest) -> Result<Applied, CommandError> {
        let (documents, mut report) = read(&request.files);
        let tenant = request.tenant.as_ref();
        let documents = documents.within(tenant);
        if let (Some(tenant), Some(doc)) = (tenant, documents.connectors.first()) {
            let text = format!(
                "connectors belong to the whole installation, so the tenant {tenant} cannot install the one of {}",
                doc.file
            );
            return Err(CommandError::bad("tenant_connector", text));
        }
        let catalogue = self.catalogue(&documents, tenant).await?;
        check(&documents, &catalogue, &mut report);
        if report.has_errors() {
            return Err(CommandError::Invalid(report.sorted()));
        }
        if !request.dry_run {
            keys::ensure(&self.core.ports, tenant).await?;
        }
        let mut items = Vec::new();
        let connectors = apply_connectors::plan(&self.core, &documents.connectors, &mut items).await?;
        let mut instances = Vec::new();
        for doc in &documents.instances {
            let planned = apply_instances::plan(&self.core, &request, doc).await?;
            items.push(planned.item);
            instances.extend(planned.store);
        }
        let templates = self.plan_templates(&documents, &mut items).await?;
        let wanted = wanted(&documents, &request)?;
        let mut flows = Vec::new();
        for flow in &wanted {
            let planned = self.plan_flow(flow, &documents, &catalogue, &mut report).await?;
            if let Some(planned) = planned {
                items.push(planned.item);
                flows.extend(planned.new);
            }
        }
        if report.has_errors() {
            return Err(CommandError::Invalid(report.sorted()));
        }
        let report = report.sorted();
        let pruned = if request.prune { self.plan_prune(&wanted, tenant, &mut items) } else { Vec::new() };
        if request.dry_run {
            return Ok(Applied { items, report, done: false });
        }
        for connector in &connectors {
            self.core.ports.store.put_connector(connector).await?;
            self.core.installed.forget();
            self.core.news.spread();
        }
        for instance in &instances {
            self.core.put_instance(instance).await?;
        }
        for doc in templates {
            self.core.ports.store.put_template(&doc.template, &doc.source).await?;
        }
        self.store_flows(flows).await?;
        self.change_intents(&pruned, Intent::Delete).await?;
        self.core.wake.notify_one();
        Ok(Applied { items, report, done: true })
    }

    /// What is installed and configured for a tenant, the instances of the files included. Those of others are not in it.
    pub(crate) async fn catalogue(
        &self,
        documents: &Documents,
        tenant: Option<&TenantName>,
    ) -> Result<Catalogue, CommandError> {
        let mut catalogue = self.whole_catalogue(documents).await?;
        catalogue.instances.retain(|name, _| name.is_of(tenant));
        Ok(catalogue)
    }

    /// What is installed and configured for everybody.
    pub(crate) async fn whole_catalogue(&self, documents: &Documents) -> Result<Catalogue, CommandError> {
        let store = &self.core.ports.store;
        let mut granted = granted(store.authorizations().await?);
        let mut instances = BTreeMap::new();
        for instance in store.instances().await? {
            let facts = InstanceFacts {
                granted: granted.remove(&instance.name),
                connector: instance.connector,
                settings: instance.settings,
                secret_fields: instance.secret_fields,
                uses: instance.uses,
            };
            instances.insert(instance.name, facts);
        }
        for doc in &documents.instances {
            let known = instances.remove(&doc.name);
            let facts = InstanceFacts {
                granted: known.and_then(|known: InstanceFacts| known.granted),
                ..doc.facts()
            };
            instances.insert(doc.name.clone(), facts);
        }
        let mut connectors = store.connectors().await?;
        for doc in &documents.connectors {
            let connector = doc.connector(self.core.ports.clock.now());
            connectors
                .retain(|known| known.name() != connector.name() || known.version() != connector.version());
            connectors.push(connector);
        }
        let active = installed::active(store.releases().await?);
        Ok(Catalogue { connectors, active, instances })
    }

    /// Which templates are new. A version that is there must have the same content.
    async fn plan_templates<'d>(
        &self,
        documents: &'d Documents,
        items: &mut Vec<PlanItem>,
    ) -> Result<Vec<&'d TemplateDoc>, CommandError> {
        let mut new = Vec::new();
        for doc in &documents.templates {
            let template = &doc.template;
            let versions = self.core.ports.store.template_versions(&template.name).await?;
            let before = versions.iter().find(|(known, _)| known.version == template.version);
            let (action, reason) = match before {
                None => (PlanAction::Add, format!("version {} is new", template.version)),
                Some((known, _)) if known == template => (PlanAction::Keep, "unchanged".to_owned()),
                Some(_) => {
                    let text = format!(
                        "template {} {} is there already with other content; a version never changes, so raise it",
                        template.name, template.version
                    );
                    return Err(CommandError::conflict("template_exists", text));
                }
            };
            if action == PlanAction::Add {
                new.push(doc);
            }
            let name = template.name.to_string();
            items.push(PlanItem { action, kind: "template", name, reason, details: Vec::new() });
        }
        Ok(new)
    }

    fn plan_prune(
        &self,
        wanted: &[Wanted],
        tenant: Option<&TenantName>,
        items: &mut Vec<PlanItem>,
    ) -> Vec<FlowId> {
        let names: BTreeSet<&FlowName> = wanted.iter().map(|flow| &flow.name).collect();
        let snapshot = self.core.snapshot();
        let gone = snapshot
            .flows
            .values()
            .filter(|flow| flow.name.is_of(tenant))
            .filter(|flow| !names.contains(&flow.name) && !flow.intent.is_end());
        gone.map(|flow| {
            items.push(PlanItem {
                action: PlanAction::Remove,
                kind: "flow",
                name: flow.name.to_string(),
                reason: "no file makes it".to_owned(),
                details: Vec::new(),
            });
            flow.id
        })
        .collect()
    }
}

/// What instances were granted, where they are authorised and their providers told.
fn granted(known: Vec<StoredAuthorization>) -> BTreeMap<InstanceName, BTreeSet<String>> {
    let told = known.into_iter().filter(|one| one.state == AuthorizationState::Ok && !one.scopes.is_empty());
    told.map(|one| (one.instance, one.scopes.into_iter().collect())).collect()
}

fn check(documents: &Documents, catalogue: &Catalogue, report: &mut Report) {
    for doc in &documents.instances {
        report.merge(check_instance(doc, catalogue));
    }
    for doc in &documents.templates {
        report.merge(check_template(doc, catalogue));
    }
}

/// The flows that the files make: those that they describe, else one of each template.
fn wanted(documents: &Documents, request: &ApplyRequest) -> Result<Vec<Wanted>, CommandError> {
    let mut flows: Vec<Wanted> = documents
        .flows
        .iter()
        .map(|doc| Wanted {
            name: doc.name.clone(),
            template: doc.template.clone(),
            params: doc.params.clone(),
            instances: doc.instances.clone(),
            place: Some((doc.file.clone(), doc.places.clone())),
        })
        .collect();
    if flows.is_empty() {
        flows.extend(documents.templates.iter().map(|doc| Wanted {
            name: FlowName::from(&doc.template.name),
            template: TemplateRef {
                name: doc.template.name.clone(),
                version: exactly(&doc.template.version),
            },
            params: Value::Object(Map::new()),
            instances: BTreeMap::new(),
            place: None,
        }));
    }
    let options = !request.params.is_empty() || !request.instances.is_empty() || request.name.is_some();
    match flows.as_mut_slice() {
        [flow] => {
            if let Value::Object(params) = &mut flow.params {
                params.extend(request.params.clone());
            }
            flow.instances.extend(request.instances.clone());
            if let Some(name) = &request.name {
                flow.name = name.clone();
            }
        }
        _ if options => {
            let text = format!(
                "parameters, instances and a name need files that make one flow; these make {}",
                flows.len()
            );
            return Err(CommandError::bad("not_one_flow", text));
        }
        _ => {}
    }
    Ok(flows)
}

fn exactly(version: &semver::Version) -> semver::VersionReq {
    format!("={version}").parse().unwrap_or(semver::VersionReq::STAR)
}
