//! Events.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Something that happened.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its number; later events have greater ones.
    pub id: u64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened: `instance.state_changed`, `connector.version_changed`, `step.stuck`, `step.unstuck` or
    /// `messages.undelivered`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What there is to say of it, by its type.
    pub data: Value,
}

impl From<sluice_domain::Event> for Event {
    fn from(event: sluice_domain::Event) -> Self {
        let mut what = serde_json::to_value(&event.what).unwrap_or_default();
        Self {
            id: event.id,
            at: event.at,
            kind: what["type"].as_str().unwrap_or_default().to_owned(),
            data: what["data"].take(),
        }
    }
}
