//! Template versions.

use sluice_domain::{Template, TemplateName};

use crate::failure::{Failure, Outcome};
use crate::row::{get, json, to_json};
use crate::sqlite::SqliteStore;

impl SqliteStore {
    pub(super) async fn insert_template(&self, template: &Template, source: &str) -> Outcome<()> {
        let mut write = self.begin().await?;
        let published = sqlx::query("SELECT doc FROM templates WHERE name = ? AND version = ?")
            .bind(template.name.as_str())
            .bind(template.version.to_string())
            .fetch_optional(&mut *write)
            .await?;
        if let Some(row) = published {
            let same = json::<Template>(&row, "doc")? == *template;
            return if same { Ok(()) } else { Err(Failure::Conflict("this version is published already")) };
        }
        sqlx::query("INSERT INTO templates VALUES (?, ?, ?, ?)")
            .bind(template.name.as_str())
            .bind(template.version.to_string())
            .bind(to_json(template)?)
            .bind(source)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    pub(super) async fn list_templates(&self) -> Outcome<Vec<Template>> {
        let rows = sqlx::query("SELECT doc FROM templates").fetch_all(&self.readers).await?;
        let mut templates =
            rows.iter().map(|row| json::<Template>(row, "doc")).collect::<Outcome<Vec<_>>>()?;
        // Versions do not sort as text.
        templates.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
        Ok(templates)
    }

    pub(super) async fn list_template_versions(
        &self,
        name: &TemplateName,
    ) -> Outcome<Vec<(Template, String)>> {
        let rows = sqlx::query("SELECT doc, source FROM templates WHERE name = ?")
            .bind(name.as_str())
            .fetch_all(&self.readers)
            .await?;
        let read = rows.iter().map(|row| Ok((json::<Template>(row, "doc")?, get(row, "source")?)));
        let mut versions = read.collect::<Outcome<Vec<(Template, String)>>>()?;
        versions.sort_by(|(a, _), (b, _)| b.version.cmp(&a.version));
        Ok(versions)
    }

    pub(super) async fn delete_template(
        &self,
        name: &TemplateName,
        version: &semver::Version,
    ) -> Outcome<()> {
        let mut write = self.begin().await?;
        let deleted = sqlx::query("DELETE FROM templates WHERE name = ? AND version = ?")
            .bind(name.as_str())
            .bind(version.to_string())
            .execute(&mut *write)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(Failure::NotFound("there is no such template version"));
        }
        Ok(write.commit().await?)
    }
}
