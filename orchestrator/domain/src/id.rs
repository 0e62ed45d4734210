//! Ids of the things that the orchestrator keeps. The text form is that of the wire protocol's ids.

use sluice_protocol::define_id;

define_id!(
    /// The id of a flow. It stays the same through all versions of the flow.
    FlowId,
    "flow"
);
define_id!(
    /// The id of a deployment, derived from what it runs, so that equal demands meet in one deployment.
    DeploymentId,
    "dep"
);
define_id!(
    /// The id of a dead letter.
    DeadLetterId,
    "dead"
);
define_id!(
    /// The id of an API token. Not the token itself.
    TokenId,
    "tok"
);
define_id!(
    /// The id of a session of a browser. Not its token.
    SessionId,
    "ses"
);
define_id!(
    /// The id of one start of one container, or of one process in the place of a container.
    ContainerStartId,
    "run"
);
define_id!(
    /// The id of an attachment: processes of an author in the place of a component's containers.
    AttachmentId,
    "att"
);

impl FlowId {
    /// Which of the router's shards the flow belongs to.
    #[must_use]
    pub fn shard(self) -> u8 {
        // The low bits of an id are random or hashed; the high ones may be a time.
        u8::try_from(self.bits() % u128::from(crate::topology::SHARDS))
            .expect("there are fewer than 256 shards")
    }
}
