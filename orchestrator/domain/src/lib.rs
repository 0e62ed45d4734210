//! What exists: the words of Sluice as types.
//!
//! Ids, names, connectors, instances, templates, flows, executions, retry policies, schedules, and the names of the
//! broker's objects. Everything here is a value: no clock, randomness, environment or input and output; `now` is an
//! argument. Parsing happens once, at the door, so that no function takes a bare `String` for an identity.
#![deny(missing_docs)]
#![warn(clippy::wildcard_enum_match_arm)]

pub mod compiled;
mod connector;
mod container;
mod counters;
mod dead_letter;
mod deployment;
mod duration;
mod event;
mod execution;
mod flow;
mod id;
mod instance;
mod name;
pub mod oauth;
mod resources;
mod retry;
mod schedule;
mod session;
mod step_address;
mod template;
mod token;
pub mod topology;

pub use connector::{Connector, ImageDigest, ImageRef, ImageRefError, PinnedImage, Source};
pub use container::{ContainerStart, ExitInfo};
pub use counters::{Counters, StepCounters};
pub use dead_letter::{DeadLetter, DeadLetterState, DeadReason};
pub use deployment::{DeploymentSpec, Scope};
pub use duration::{Delay, DelayError};
pub use event::{Event, Happened};
pub use execution::{Execution, ExecutionStatus, RecordedBody, RunStatus, StepRun};
pub use flow::{Flow, FlowVersion, Intent, TemplateRef};
pub use id::{AttachmentId, ContainerStartId, DeadLetterId, DeploymentId, FlowId, SessionId, TokenId};
pub use instance::{Instance, SecretFields};
pub use name::{Alias, FlowName, InstanceName, Name, NameError, Owned, StepId, TemplateName, TenantName};
pub use resources::{Cpus, Limits, Memory, ResourceError};
pub use retry::{Backoff, ErrorClass, RetryDecision, RetryPolicy, Tier};
pub use schedule::{Schedule, ScheduleError, Timing};
pub use session::{KeptSession, Session, SessionDeed, SessionDeedError};
pub use step_address::{StepAddress, StepAddressError};
pub use template::{After, Binding, ErrorRoute, Gate, Isolation, Step, Template, Use};
pub use token::{ApiToken, Permission, PermissionError};
