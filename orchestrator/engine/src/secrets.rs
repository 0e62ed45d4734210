//! Secrets of instances, each sealed for the place where it is kept, so that nobody can move one.

use secrecy::SecretString;
use sluice_domain::{Instance, InstanceName, Owned, TenantName};
use sluice_ports::{Fault, PortError, SealedSecret};

use crate::core::Core;

/// Which of an instance's secrets are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shelf {
    /// Those that its file gives, with the revision of the instance that one came with.
    Instance(Option<u64>),
    /// Those that its authorisation brought.
    Authorization,
}

impl Shelf {
    /// Where a secret of this instance's file is.
    pub(crate) fn of(instance: &Instance, field: &str) -> Self {
        Self::Instance(instance.secret_revisions.get(field).copied())
    }

    /// The place as the vault is told. Stored secrets depend on it.
    fn place(self, instance: &InstanceName, field: &str) -> Vec<String> {
        let (shelf, revision) = match self {
            Self::Instance(revision) => ("instance", revision),
            Self::Authorization => ("authorization", None),
        };
        let mut place = vec![shelf.to_owned(), instance.to_string(), field.to_owned()];
        place.extend(revision.map(|revision| revision.to_string()));
        place
    }

    /// Seals a secret for its place.
    pub(crate) fn seal(
        self,
        core: &Core,
        (instance, field): (&InstanceName, &str),
        secret: &SecretString,
    ) -> Result<SealedSecret, PortError> {
        let sealed = core.ports.vault.seal(tenant_of(instance), &parts(&self.place(instance, field)), secret);
        sealed.map_err(|error| PortError::new(Fault::Permanent, "seal a secret", error))
    }

    /// Opens a secret of this place.
    pub(crate) fn open(
        self,
        core: &Core,
        (instance, field): (&InstanceName, &str),
        sealed: &SealedSecret,
    ) -> Result<SecretString, PortError> {
        let opened = core.ports.vault.open(&parts(&self.place(instance, field)), sealed);
        opened.map_err(|error| PortError::new(Fault::Permanent, "open a secret", error))
    }
}

fn parts(place: &[String]) -> Vec<&str> {
    place.iter().map(String::as_str).collect()
}

/// Whose data key seals what belongs to this name.
pub(crate) fn tenant_of(name: &impl Owned) -> &str {
    match name.text().split_once('.') {
        Some((tenant, _)) => tenant,
        None => TenantName::or_default(None),
    }
}
