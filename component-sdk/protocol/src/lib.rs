//! The wire protocol between the orchestrator and a component.
//!
//! Everything that crosses the border of a container is defined here and nowhere else: the records on the broker
//! ([`Envelope`] towards a component, [`Outcome`] back), how records are batched and compressed ([`batch`]), the
//! descriptor of a component ([`Descriptor`]) and the answers of the component gateway ([`gateway`]).
//! `docs/protocol.md` describes the same for authors in other languages.
//!
//! This crate does no input or output.
#![deny(missing_docs)]

pub mod batch;
mod descriptor;
mod egress;
mod envelope;
pub mod gateway;
mod id;
pub mod invocation;
pub mod limits;
mod outcome;
mod step_key;
mod trace;

pub use descriptor::{
    Action, ComponentName, Descriptor, DescriptorError, FunctionName, IMAGE_LABEL, NameError, OPENED,
    Trigger, TriggerKind,
};
pub use egress::{Egress, EgressFault, HostRule, HostRuleError, Reach};
pub use envelope::{Envelope, Headers};
pub use id::{ExecutionId, IdError, MessageId, decode_id, encode_id};
pub use outcome::{ErrorInfo, Outcome, Output, Port, PortError, Retained, Status};
pub use step_key::{StepKey, StepKeyError};
pub use trace::{TraceContext, TraceContextError, span_of};
