//! Which step of which version of which flow: what a step key on the wire means to the orchestrator.

use std::fmt;
use std::str::FromStr;

use sluice_protocol::StepKey;

use crate::{FlowId, FlowVersion, StepId};

/// The address of a step. Its text form `<flow id>/<version>/<step id>` is the step key on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepAddress {
    /// The flow.
    pub flow: FlowId,
    /// The version of the flow.
    pub version: FlowVersion,
    /// The step in that version.
    pub step: StepId,
}

/// A step key that no orchestrator wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the step key is not of the form <flow id>/<version>/<step id>")]
pub struct StepAddressError;

impl StepAddress {
    /// The address as a step key.
    #[must_use]
    pub fn to_key(&self) -> StepKey {
        self.to_string().parse().expect("ids and names are short printable ASCII")
    }
}

impl fmt::Display for StepAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.flow, self.version, self.step)
    }
}

impl FromStr for StepAddress {
    type Err = StepAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '/');
        let mut part = || parts.next().ok_or(StepAddressError);
        let flow = part()?.parse().map_err(|_| StepAddressError)?;
        let version = FlowVersion(part()?.parse().map_err(|_| StepAddressError)?);
        let step = part()?.parse().map_err(|_| StepAddressError)?;
        Ok(Self { flow, version, step })
    }
}

impl TryFrom<&StepKey> for StepAddress {
    type Error = StepAddressError;

    fn try_from(key: &StepKey) -> Result<Self, Self::Error> {
        key.as_str().parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_wire() {
        let address = StepAddress {
            flow: FlowId::from_bits(9),
            version: FlowVersion(3),
            step: "push".parse().unwrap(),
        };
        assert_eq!(StepAddress::try_from(&address.to_key()), Ok(address));
    }

    #[test]
    fn a_forged_key_is_refused() {
        for text in
            ["", "a/b/c", "flow_00000000000000000000000000/x/push", "flow_00000000000000000000000000/1/../x"]
        {
            assert_eq!(text.parse::<StepAddress>(), Err(StepAddressError), "{text}");
        }
    }
}
