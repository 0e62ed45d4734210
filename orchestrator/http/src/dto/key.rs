//! The keys of secrets.

use serde::{Deserialize, Serialize};
use sluice_engine::KeyKind;
use utoipa::ToSchema;

/// A key, without the key itself.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// `master`, which is in the key file and seals data keys, or `data`, which is in the store and seals secrets.
    pub kind: String,
    /// The master key that seals it, if it is a data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_by: Option<String>,
    /// Whose secrets it seals, if it is a data key: a tenant's, or `default` for those of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Whether it seals what is sealed now.
    pub current: bool,
    /// How many keys or secrets it seals.
    pub seals: u64,
}

/// What to replace.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKeys {
    /// Whether to make a new data key too, and seal every secret with it.
    #[serde(default)]
    pub secrets: bool,
}

/// What was replaced.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RotatedKeys {
    /// The master key that seals now.
    pub master: String,
    /// The data keys that seal now, one of each tenant.
    pub data: Vec<String>,
    /// The data keys that were sealed anew.
    pub rewrapped: u64,
    /// The secrets that were sealed anew.
    pub resealed: u64,
}

impl From<sluice_engine::KeyView> for Key {
    fn from(key: sluice_engine::KeyView) -> Self {
        let (kind, sealed_by, tenant) = match key.kind {
            KeyKind::Master => ("master", None, None),
            KeyKind::Data { by, tenant } => ("data", Some(by), Some(tenant)),
        };
        Self { id: key.id, kind: kind.to_owned(), sealed_by, tenant, current: key.current, seals: key.seals }
    }
}

impl From<sluice_engine::Rotated> for RotatedKeys {
    fn from(rotated: sluice_engine::Rotated) -> Self {
        let sluice_engine::Rotated { master, rewrapped, data, resealed } = rotated;
        Self { master, data, rewrapped, resealed }
    }
}
