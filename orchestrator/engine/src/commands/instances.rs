//! Looking at and deleting instances. They are made by `apply`.

use std::sync::Arc;

use sluice_domain::{Instance, InstanceName};
use sluice_ports::{Fault, PortError};

use crate::{CommandError, Engine};

impl Engine {
    /// All instances. Secrets are never shown, only their names.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn instances(&self) -> Result<Vec<Instance>, CommandError> {
        Ok(self.core.ports.store.instances().await?)
    }

    /// One instance.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn instance(&self, name: &InstanceName) -> Result<Instance, CommandError> {
        let stored = self.core.ports.store.instance(name).await?;
        stored.map(|stored| stored.instance).ok_or_else(|| CommandError::not_found("instance", name))
    }

    /// Deletes an instance with its secrets.
    ///
    /// # Errors
    /// When there is none, a flow uses it, or scripts of another instance call it.
    pub async fn delete_instance(&self, name: &InstanceName) -> Result<(), CommandError> {
        let name = name.clone();
        self.to_its_end(move |engine| async move { engine.delete_instance_now(&name).await }).await
    }

    async fn delete_instance_now(&self, name: &InstanceName) -> Result<(), CommandError> {
        let snapshot = self.core.snapshot();
        let user = snapshot
            .versions
            .values()
            .find(|live| live.compiled.steps.values().any(|step| step.instance.as_ref() == Some(name)));
        if let Some(live) = user {
            let text = format!("flow {} uses instance {name}", live.compiled.name);
            return Err(CommandError::conflict("instance_in_use", text));
        }
        let all = self.core.ports.store.instances().await?;
        if let Some(caller) = all.iter().find(|one| one.uses.values().any(|used| used == name)) {
            let text = format!("instance {} calls instance {name}", caller.name);
            return Err(CommandError::conflict("instance_in_use", text));
        }
        match self.core.ports.store.remove_instance(name).await {
            Ok(()) => {
                self.core.table.change(|snapshot| {
                    Arc::make_mut(&mut snapshot.revisions).remove(name);
                });
                Ok(())
            }
            Err(PortError { fault: Fault::NotFound, .. }) => Err(CommandError::not_found("instance", name)),
            Err(error) => Err(error.into()),
        }
    }
}
