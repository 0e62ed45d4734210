//! Installing what is under test, and its instances.

use serde_json::{Value, json};
use sluice_domain::InstanceName;
use sluice_engine::{ApplyRequest, CommandError};
use sluice_planner::SourceFile;

use super::call::{BAD, GOOD, describe};
use super::{Subject, Suite};
use crate::{Check, CheckName, Secrets};

impl Suite<'_> {
    /// Installs the component and makes its instances. False when nothing further can be checked.
    pub(super) async fn prepare(&mut self) -> bool {
        let installed = self.install().await;
        let fine = installed.is_ok();
        self.add(Check::of(CheckName::Descriptor, installed.map_err(|error| describe(&error))));
        if !fine {
            return false;
        }
        let made = self.instance(GOOD, &self.secrets).await;
        let fine = made.is_ok();
        self.add(Check::of(CheckName::Instance, made.map_err(|error| describe(&error))));
        fine
    }

    async fn install(&self) -> Result<String, CommandError> {
        let engine = &self.bench.engine;
        let image = match self.subject {
            Subject::Image { image, .. } => image,
            Subject::Declaration { runner, .. } => runner,
        };
        engine.install_connector(image).await?;
        if let Some(manifest) = self.subject.manifest() {
            let manifest = serde_json::to_value(manifest).expect("a manifest is plain JSON");
            engine
                .apply(ApplyRequest { files: vec![file("connector", &manifest)], ..ApplyRequest::default() })
                .await?;
        }
        Ok(format!("{} {} installed", self.descriptor.name, self.descriptor.version))
    }

    /// Makes an instance with these secrets.
    pub(super) async fn instance(
        &self,
        name: &'static str,
        secrets: &Secrets,
    ) -> Result<String, CommandError> {
        let sources: serde_json::Map<String, Value> =
            secrets.keys().map(|field| (field.clone(), json!({ "env": "ACCEPTANCE" }))).collect();
        let document = json!({
            "sluice": 1, "kind": "instance", "name": name, "connector": self.descriptor.name,
            "settings": self.acceptance.settings, "secrets": sources,
        });
        let instance: InstanceName = name.parse().expect("it is the name of an instance");
        let request = ApplyRequest {
            files: vec![file(name, &document)],
            secrets: [(instance, secrets.clone())].into(),
            ..ApplyRequest::default()
        };
        self.bench.engine.apply(request).await?;
        Ok(format!("{} settings and {} secrets", self.acceptance.settings.len(), secrets.len()))
    }

    /// Makes the instance whose secrets must be refused.
    pub(super) async fn bad_instance(&self) -> Result<String, CommandError> {
        self.instance(BAD, &self.bad_secrets).await
    }
}

fn file(name: &str, document: &Value) -> SourceFile {
    SourceFile { name: format!("{name}.json"), text: document.to_string() }
}
