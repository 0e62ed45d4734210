//! Connectors, instances and templates.

use async_trait::async_trait;
use sluice_domain::{Connector, Instance, InstanceName, Template, TemplateName};
use sluice_ports::PortError;
use sluice_ports::store::{CatalogueStore, Release, StoredInstance};
use sluice_protocol::ComponentName;

use super::{MemoryStore, State};

#[async_trait]
impl CatalogueStore for MemoryStore {
    async fn put_connector(&self, connector: &Connector) -> Result<(), PortError> {
        let key = (connector.name().clone(), connector.version().clone());
        let mut state = self.write(format!("install connector {} {}", key.0, key.1))?;
        if !state.releases.iter().any(|release| release.connector == key.0) {
            let (name, version) = key.clone();
            let release = Release { connector: name, version, at: connector.installed_at };
            state.happened(release.at, release.event(None));
            state.releases.push(release);
        }
        state.connectors.insert(key, connector.clone());
        Ok(())
    }

    async fn release_connector(&self, release: &Release) -> Result<(), PortError> {
        let operation = format!("release connector {} {}", release.connector, release.version);
        let mut state = self.write(&operation)?;
        if !state.connectors.contains_key(&(release.connector.clone(), release.version.clone())) {
            return Err(PortError::not_found(operation));
        }
        let last = state.releases.iter().rfind(|known| known.connector == release.connector);
        let last = last.map(|last| last.version.clone());
        if last.as_ref() != Some(&release.version) {
            state.happened(release.at, release.event(last));
            state.releases.push(release.clone());
        }
        Ok(())
    }

    async fn releases(&self) -> Result<Vec<Release>, PortError> {
        Ok(self.read("list releases")?.releases.clone())
    }

    async fn connectors(&self) -> Result<Vec<Connector>, PortError> {
        let mut connectors: Vec<_> = self.read("list connectors")?.connectors.values().cloned().collect();
        connectors.sort_by(|a, b| a.name().cmp(b.name()).then_with(|| b.version().cmp(a.version())));
        Ok(connectors)
    }

    async fn remove_connector(
        &self,
        name: &ComponentName,
        version: Option<&semver::Version>,
    ) -> Result<(), PortError> {
        let operation = format!("remove connector {name}");
        let mut state = self.write(&operation)?;
        let before = state.connectors.len();
        state.connectors.retain(|key, _| key.0 != *name || version.is_some_and(|version| key.1 != *version));
        let State { connectors, releases, .. } = &mut *state;
        releases.retain(|one| connectors.contains_key(&(one.connector.clone(), one.version.clone())));
        if state.connectors.len() == before { Err(PortError::not_found(operation)) } else { Ok(()) }
    }

    async fn put_instance(&self, stored: &StoredInstance) -> Result<(), PortError> {
        let name = stored.instance.name.clone();
        self.write(format!("keep instance {name}"))?.instances.insert(name, stored.clone());
        Ok(())
    }

    async fn instance(&self, name: &InstanceName) -> Result<Option<StoredInstance>, PortError> {
        Ok(self.read(format!("read instance {name}"))?.instances.get(name).cloned())
    }

    async fn instances(&self) -> Result<Vec<Instance>, PortError> {
        Ok(self.read("list instances")?.instances.values().map(|stored| stored.instance.clone()).collect())
    }

    async fn remove_instance(&self, name: &InstanceName) -> Result<(), PortError> {
        let operation = format!("remove instance {name}");
        let mut state = self.write(&operation)?;
        let removed = state.instances.remove(name);
        state.authorizations.remove(name);
        state.attempts.retain(|_, attempt| attempt.instance != *name);
        removed.map(|_| ()).ok_or_else(|| PortError::not_found(operation))
    }

    async fn put_template(&self, template: &Template, source: &str) -> Result<(), PortError> {
        let key = (template.name.clone(), template.version.clone());
        let operation = format!("publish template {} {}", key.0, key.1);
        let mut state = self.write(&operation)?;
        match state.templates.get(&key) {
            Some((published, _)) if published == template => Ok(()),
            Some(_) => Err(PortError::conflict(operation)),
            None => {
                state.templates.insert(key, (template.clone(), source.to_owned()));
                Ok(())
            }
        }
    }

    async fn templates(&self) -> Result<Vec<Template>, PortError> {
        let state = self.read("list templates")?;
        let mut templates: Vec<_> = state.templates.values().map(|(template, _)| template.clone()).collect();
        templates.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
        Ok(templates)
    }

    async fn template_versions(&self, name: &TemplateName) -> Result<Vec<(Template, String)>, PortError> {
        let state = self.read(format!("read template {name}"))?;
        let versions = state.templates.iter().filter(|(key, _)| key.0 == *name);
        Ok(versions.rev().map(|(_, version)| version.clone()).collect())
    }

    async fn remove_template(&self, name: &TemplateName, version: &semver::Version) -> Result<(), PortError> {
        let operation = format!("remove template {name} {version}");
        let removed = self.write(&operation)?.templates.remove(&(name.clone(), version.clone()));
        removed.map(|_| ()).ok_or_else(|| PortError::not_found(operation))
    }
}
