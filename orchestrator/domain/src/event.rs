//! Events: changes that people and other programs may want to hear of.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sluice_protocol::ComponentName;

use crate::oauth::AuthorizationState;
use crate::{FlowName, InstanceName, Owned, StepId, TenantName};

/// Something that happened. In JSON: `id`, `at`, `type`, and `data` by its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts events; later ones have greater numbers. Numbers may be missing.
    pub id: u64,
    /// When it happened, in whole milliseconds.
    pub at: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub what: Happened,
}

impl Event {
    /// Whether it concerns this tenant: its own instances and flows, and the connectors, which are everybody's. With none
    /// named every event does.
    #[must_use]
    pub fn is_for(&self, tenant: Option<&TenantName>) -> bool {
        match &self.what {
            Happened::InstanceState { instance, .. } => tenant.is_none() || instance.is_of(tenant),
            Happened::ConnectorVersion { .. } => true,
            Happened::StepStuck { flow, .. } | Happened::StepUnstuck { flow, .. } => {
                tenant.is_none() || flow.is_of(tenant)
            }
            Happened::Undelivered { .. } => tenant.is_none(),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Happened {
    /// The authorisation of an instance stands otherwise than before.
    #[serde(rename = "instance.state_changed")]
    InstanceState {
        /// The instance.
        instance: InstanceName,
        /// How it stood before; absent where it was never authorised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<AuthorizationState>,
        /// How it stands.
        state: AuthorizationState,
        /// The provider's own words on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Another version of a connector is in use.
    #[serde(rename = "connector.version_changed")]
    ConnectorVersion {
        /// The connector.
        connector: ComponentName,
        /// The version before; absent for the first one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<semver::Version>,
        /// The version in use.
        version: semver::Version,
    },
    /// Messages were delivered to a step, and nothing came of any of them for much longer than the step's timeout.
    #[serde(rename = "step.stuck")]
    StepStuck {
        /// The flow.
        flow: FlowName,
        /// The step.
        step: StepId,
        /// Since when nothing came of them.
        since: DateTime<Utc>,
        /// Batches that were delivered and not acknowledged.
        unacknowledged: u64,
    },
    /// A step that was stuck goes on.
    #[serde(rename = "step.unstuck")]
    StepUnstuck {
        /// The flow.
        flow: FlowName,
        /// The step.
        step: StepId,
    },
    /// The broker could not deliver messages to their steps.
    #[serde(rename = "messages.undelivered")]
    Undelivered {
        /// Messages that became dead letters.
        dead: u64,
        /// Batches that were sent again meanwhile, to lanes that were declared anew.
        restored: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_has_a_type_and_data() {
        let what = Happened::InstanceState {
            instance: "crm".parse().unwrap(),
            before: Some(AuthorizationState::Ok),
            state: AuthorizationState::NeedsReauth,
            detail: Some("expired".to_owned()),
        };
        let event = Event { id: 7, at: DateTime::UNIX_EPOCH, what };
        let text = json!({
            "id": 7, "at": "1970-01-01T00:00:00Z", "type": "instance.state_changed",
            "data": { "instance": "crm", "before": "ok", "state": "needs_reauth", "detail": "expired" },
        });
        assert_eq!(serde_json::to_value(&event).unwrap(), text);
        assert_eq!(serde_json::from_value::<Event>(text).unwrap(), event);
    }
}
