//! Secrets of instances, each sealed for the place where it is kept, so that nobody can move one.

use secrecy::SecretString;
use sluice_domain::{InstanceName, Owned, TenantName};
use sluice_ports::{Fault, PortError, SealedSecret};

use crate::core::Core;

/// Which of an instance's secrets are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shelf {
    /// Those that its file gives.
    Instance,
    /// Those that its authorisation brought.
    Authorization,
}

impl Shelf {
    /// The place as the vault is told. Stored secrets depend on it.
    fn place<'a>(self, instance: &'a InstanceName, field: &'a str) -> [&'a str; 3] {
        let shelf = match self {
            Self::Instance => "instance",
            Self::Authorization => "authorization",
        };
        [shelf, instance.as_str(), field]
    }

    /// Seals a secret for its place.
    pub(crate) fn seal(
        self,
        core: &Core,
        (instance, field): (&InstanceName, &str),
        secret: &SecretString,
    ) -> Result<SealedSecret, PortError> {
        let sealed = core.ports.vault.seal(tenant_of(instance), &self.place(instance, field), secret);
        sealed.map_err(|error| PortError::new(Fault::Permanent, "seal a secret", error))
    }

    /// Opens a secret of this place.
    pub(crate) fn open(
        self,
        core: &Core,
        (instance, field): (&InstanceName, &str),
        sealed: &SealedSecret,
    ) -> Result<SecretString, PortError> {
        let opened = core.ports.vault.open(&self.place(instance, field), sealed);
        opened.map_err(|error| PortError::new(Fault::Permanent, "open a secret", error))
    }
}

/// Whose data key seals what belongs to this name.
pub(crate) fn tenant_of(name: &impl Owned) -> &str {
    name.text().split_once('.').map_or(TenantName::or_default(None), |(tenant, _)| tenant)
}
