//! Connectors; the rest of the catalogue is in files of its own.

use async_trait::async_trait;
use sluice_domain::{Connector, Instance, InstanceName, Template, TemplateName};
use sluice_ports::PortError;
use sluice_ports::store::{CatalogueStore, Release, StoredInstance};
use sluice_protocol::ComponentName;

use crate::failure::{Failure, Outcome};
use crate::row::{json, to_json};
use crate::sqlite::SqliteStore;

#[async_trait]
impl CatalogueStore for SqliteStore {
    async fn put_connector(&self, connector: &Connector) -> Result<(), PortError> {
        let operation = || format!("install connector {} {}", connector.name(), connector.version());
        self.upsert_connector(connector).await.map_err(|failure| failure.of(operation()))
    }

    async fn connectors(&self) -> Result<Vec<Connector>, PortError> {
        self.list_connectors().await.map_err(|failure| failure.of("list connectors"))
    }

    async fn release_connector(&self, release: &Release) -> Result<(), PortError> {
        let operation = || format!("release connector {} {}", release.connector, release.version);
        self.insert_release(release).await.map_err(|failure| failure.of(operation()))
    }

    async fn releases(&self) -> Result<Vec<Release>, PortError> {
        self.list_releases().await.map_err(|failure| failure.of("list releases"))
    }

    async fn remove_connector(
        &self,
        name: &ComponentName,
        version: Option<&semver::Version>,
    ) -> Result<(), PortError> {
        let removed = self.delete_connector(name, version).await;
        removed.map_err(|failure| failure.of(format!("remove connector {name}")))
    }

    async fn put_instance(&self, instance: &StoredInstance) -> Result<(), PortError> {
        let operation = || format!("keep instance {}", instance.instance.name);
        self.upsert_instance(instance).await.map_err(|failure| failure.of(operation()))
    }

    async fn instance(&self, name: &InstanceName) -> Result<Option<StoredInstance>, PortError> {
        self.find_instance(name).await.map_err(|failure| failure.of(format!("read instance {name}")))
    }

    async fn instances(&self) -> Result<Vec<Instance>, PortError> {
        self.list_instances().await.map_err(|failure| failure.of("list instances"))
    }

    async fn remove_instance(&self, name: &InstanceName) -> Result<(), PortError> {
        self.delete_instance(name).await.map_err(|failure| failure.of(format!("remove instance {name}")))
    }

    async fn put_template(&self, template: &Template, source: &str) -> Result<(), PortError> {
        let operation = || format!("publish template {} {}", template.name, template.version);
        self.insert_template(template, source).await.map_err(|failure| failure.of(operation()))
    }

    async fn templates(&self) -> Result<Vec<Template>, PortError> {
        self.list_templates().await.map_err(|failure| failure.of("list templates"))
    }

    async fn template_versions(&self, name: &TemplateName) -> Result<Vec<(Template, String)>, PortError> {
        self.list_template_versions(name).await.map_err(|failure| failure.of(format!("read template {name}")))
    }

    async fn remove_template(&self, name: &TemplateName, version: &semver::Version) -> Result<(), PortError> {
        let operation = || format!("remove template {name} {version}");
        self.delete_template(name, version).await.map_err(|failure| failure.of(operation()))
    }
}

impl SqliteStore {
    async fn upsert_connector(&self, connector: &Connector) -> Outcome<()> {
        let mut write = self.begin().await?;
        sqlx::query("INSERT INTO connectors VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc")
            .bind(connector.name().as_str())
            .bind(connector.version().to_string())
            .bind(to_json(connector)?)
            .execute(&mut *write)
            .await?;
        super::releases::release_first(&mut write, connector).await?;
        Ok(write.commit().await?)
    }

    async fn list_connectors(&self) -> Outcome<Vec<Connector>> {
        let rows = sqlx::query("SELECT doc FROM connectors").fetch_all(&self.readers).await?;
        let mut connectors =
            rows.iter().map(|row| json::<Connector>(row, "doc")).collect::<Outcome<Vec<_>>>()?;
        // Versions do not sort as text.
        connectors.sort_by(|a, b| a.name().cmp(b.name()).then_with(|| b.version().cmp(a.version())));
        Ok(connectors)
    }

    async fn delete_connector(&self, name: &ComponentName, version: Option<&semver::Version>) -> Outcome<()> {
        let mut write = self.begin().await?;
        let deleted = sqlx::query("DELETE FROM connectors WHERE name = ?1 AND (?2 IS NULL OR version = ?2)")
            .bind(name.as_str())
            .bind(version.map(ToString::to_string))
            .execute(&mut *write)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(Failure::NotFound("there is no such connector"));
        }
        Ok(write.commit().await?)
    }
}
