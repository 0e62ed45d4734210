//! The names of the broker's objects, and what stands behind them.
//!
//! | object | who writes | who reads |
//! | --- | --- | --- |
//! | exchange `v1.x.<deployment>`, bound to each `v1.router.NN` by the key `NN` | the containers of the deployment | |
//! | queues `v1.router.00` to `.15`, single active consumer | those exchanges | the orchestrator that holds the shard |
//! | exchange `v1.lanes`, alternate exchange `v1.unroutable` | router | |
//! | queue `v1.q.<deployment>.<lane>`, bound to `v1.lanes` by its own name | router | the deployment's containers |
//! | queue `v1.q.<deployment>.common`: the lane that its quiet steps share, bound likewise | router | the deployment's containers |
//! | queues `v1.q.<deployment>.suspects` and `.invocations`, bound likewise | router | the deployment's containers |
//! | queues `v1.retry.<tier>`: time to live, then to `v1.due` | router | nobody |
//! | queue `v1.due`: retries whose stay is over | broker | router |
//! | queue `v1.dead`: what the broker itself dead-lettered | broker | router |
//! | exchange and queue `v1.unroutable` | broker | router |
//!
//! Names hold generated ids only, never text of users, and begin with the version of the topology, because a broker
//! refuses to declare an object again with other arguments.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{DeploymentId, FlowId, StepId, Tier};

/// How many router queues there are.
pub const SHARDS: u8 = 16;

/// The exchange that lanes are bound to.
pub const LANES: &str = "v1.lanes";
/// The exchange and the queue of messages that fit no lane.
pub const UNROUTABLE: &str = "v1.unroutable";
/// The queue of retries whose stay is over.
pub const DUE: &str = "v1.due";
/// The queue of messages that the broker dead-lettered.
pub const DEAD: &str = "v1.dead";
/// What the names of all lanes and suspect queues begin with.
pub const LANE_PREFIX: &str = "v1.q.";
/// What the names of all deployments' exchanges begin with.
pub const EXCHANGE_PREFIX: &str = "v1.x.";

/// What stands in the name of a common lane where others have 26 characters of their own.
const COMMON: &str = "common";

/// The name of a lane's queue: `v1.q.<deployment>.<26 characters>` of a step's own lane, `v1.q.<deployment>.common` of the
/// lane that the quiet steps of a deployment share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct LaneName(Arc<str>);

/// A text that names no lane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no lane")]
pub struct LaneNameError(String);

impl LaneName {
    /// The lane of one step of one flow in a deployment. It is the same in all versions of the flow.
    #[must_use]
    pub fn of_step(deployment: DeploymentId, flow: FlowId, step: &StepId) -> Self {
        let id = sluice_protocol::MessageId::derive(&flow.to_string(), step.as_str().as_bytes());
        let text = sluice_protocol::encode_id("", id.bits());
        Self(format!("{LANE_PREFIX}{deployment}.{}", text.trim_start_matches('_')).into())
    }

    /// The lane that the quiet steps of a deployment share.
    #[must_use]
    pub fn common(deployment: DeploymentId) -> Self {
        Self(format!("{LANE_PREFIX}{deployment}.{COMMON}").into())
    }

    /// Whether several steps share it.
    #[must_use]
    pub fn is_common(&self) -> bool {
        self.0.ends_with(".common")
    }

    /// The name of the queue.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The deployment that reads the lane.
    #[must_use]
    pub fn deployment(&self) -> DeploymentId {
        let rest = &self.0[LANE_PREFIX.len()..];
        rest.split('.').next().and_then(|id| id.parse().ok()).expect("checked when it was made")
    }
}

impl FromStr for LaneName {
    type Err = LaneNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || LaneNameError(text.chars().take(100).collect());
        let (deployment, lane) =
            text.strip_prefix(LANE_PREFIX).and_then(|rest| rest.split_once('.')).ok_or_else(refuse)?;
        deployment.parse::<DeploymentId>().map_err(|_| refuse())?;
        let fits =
            lane.len() == 26 && lane.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if fits || lane == COMMON { Ok(Self(text.into())) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for LaneName {
    type Error = LaneNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LaneName> for String {
    fn from(name: LaneName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The queue of a shard.
#[must_use]
pub fn router_queue(shard: u8) -> String {
    format!("v1.router.{shard:02}")
}

/// The routing key of a shard on the deployments' exchanges.
#[must_use]
pub fn routing_key(shard: u8) -> String {
    format!("{shard:02}")
}

/// The queue of a retry tier.
#[must_use]
pub fn retry_queue(tier: Tier) -> String {
    format!("v1.retry.{}", tier.as_str())
}

/// The exchange that a deployment's containers write to.
#[must_use]
pub fn exchange(deployment: DeploymentId) -> String {
    format!("{EXCHANGE_PREFIX}{deployment}")
}

/// The deployment whose exchange this is.
#[must_use]
pub fn deployment_of_exchange(exchange: &str) -> Option<DeploymentId> {
    exchange.strip_prefix(EXCHANGE_PREFIX)?.parse().ok()
}

/// The queue of a deployment's suspects: inputs whose consumer died, run one at a time.
#[must_use]
pub fn suspects_queue(deployment: DeploymentId) -> String {
    format!("{LANE_PREFIX}{deployment}.suspects")
}

/// The queue of a deployment's invocations: runs of functions outside any flow.
#[must_use]
pub fn invocations_queue(deployment: DeploymentId) -> String {
    format!("{LANE_PREFIX}{deployment}.invocations")
}

/// What the broker user of a deployment's container may write: its exchange.
#[must_use]
pub fn write_pattern(deployment: DeploymentId) -> String {
    format!("^v1\\.x\\.{deployment}$")
}

/// What the broker user of a deployment's container may read: its lanes.
#[must_use]
pub fn read_pattern(deployment: DeploymentId) -> String {
    format!("^v1\\.q\\.{deployment}\\.[0-9a-z]+$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_named_for_its_deployment_flow_and_step() {
        let deployment = DeploymentId::from_bits(5);
        let step = "push".parse().unwrap();
        let lane = LaneName::of_step(deployment, FlowId::from_bits(1), &step);
        assert_eq!(lane.as_str().parse::<LaneName>().as_ref(), Ok(&lane));
        assert_eq!(lane.deployment(), deployment);
        assert_ne!(lane, LaneName::of_step(deployment, FlowId::from_bits(2), &step));
    }

    #[test]
    fn a_deployment_has_a_common_lane() {
        let deployment = DeploymentId::from_bits(5);
        let lane = LaneName::common(deployment);
        assert_eq!(lane.as_str().parse::<LaneName>().as_ref(), Ok(&lane));
        assert_eq!((lane.deployment(), lane.is_common()), (deployment, true));
        assert!(!LaneName::of_step(deployment, FlowId::from_bits(1), &"common".parse().unwrap()).is_common());
    }

    #[test]
    fn a_name_that_is_no_lane_is_refused() {
        for text in ["", "v1.q.", "amq.default", "v1.q.dep_x.y", "v1.router.00"] {
            assert!(text.parse::<LaneName>().is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_name_the_deployment_and_nothing_around_it() {
        let deployment = DeploymentId::from_bits(5);
        assert_eq!(write_pattern(deployment), format!("^v1\\.x\\.{deployment}$"));
        assert_eq!(deployment_of_exchange(&exchange(deployment)), Some(deployment));
    }
}
