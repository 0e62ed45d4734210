//! When things happen: the engine's loops and use cases. Names no adapter; everything outside comes through the ports.
//!
//! - the **router** takes outcomes from the broker and sends messages to steps;
//! - the **reconciler** brings containers and broker objects to what the flows need;
//! - the **scheduler** sends ticks to polling triggers;
//! - the **backlog** watch pauses triggers of flows where too much waits;
//! - **ingress** takes the requests of webhooks;
//! - the **recorder** writes history and counters;
//! - **commands**, one file per verb or noun, are what operators and components ask for.

mod attachments;
mod authorizations;
mod backlog;
mod calls;
mod commands;
mod core;
mod egress;
mod engine;
mod error;
mod events;
#[cfg(test)]
mod fixtures;
mod gateway;
mod hooks;
mod ingress;
mod installed;
mod invocations;
mod keys;
mod metered;
mod meters;
mod placements;
mod reconciler;
mod recorder;
mod replies;
mod router;
mod scheduler;
mod secrets;
mod settings;
mod states;
mod survey;
mod table;
mod task;
mod traces;
mod views;

pub use authorizations::{BrowserAuthorization, CallbackRefusal, Departure, PendingDevice};
pub use commands::{
    Alarm, ApplyRequest, Authorization, BrokerOverview, DeploymentOverview, EvaluateRequest, FlowOverview,
    FlowRef, HookKeyView, HookView, INVOKE_TIMEOUT, INVOKE_TIMEOUT_MOST, InvokeRequest, Invoked, KeyKind,
    KeyView, LogEntry, Metric, MetricKind, Overview, RequestNote, Rotated, Sample, SessionRequest, Trial,
    Upgrade, UpgradeRequest, UpgradeTo, UpgradedFlow, UpgradedInstance, evaluate,
};
pub use engine::Engine;
pub use error::CommandError;
pub use gateway::GatewayError;
pub use ingress::{HookAnswer, HookError, HookRequest, read_form};
pub use replies::{Answered, Reply, Waiting};
pub use settings::{ComponentBroker, EgressPlace, Settings};
pub use table::{Changes, LiveFlow, LoadError, Snapshot, Table};
pub use task::chain;
pub use views::{
    Applied, AttachedDeployment, AttachmentView, AuthorizationView, ContainerView, DeploymentStatus,
    DeploymentView, FlowStatus, FlowView, PlanAction, PlanItem, Readiness, StepView,
};
