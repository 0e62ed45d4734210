//! Looking at templates. They are stored by `apply`.

use sluice_domain::{Template, TemplateName};

use crate::{CommandError, Engine};

impl Engine {
    /// All template versions.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn templates(&self) -> Result<Vec<Template>, CommandError> {
        Ok(self.core.ports.store.templates().await?)
    }

    /// All versions of one template, newest first, each with the text it was read from.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn template(&self, name: &TemplateName) -> Result<Vec<(Template, String)>, CommandError> {
        let versions = self.core.ports.store.template_versions(name).await?;
        if versions.is_empty() { Err(CommandError::not_found("template", name)) } else { Ok(versions) }
    }
}
