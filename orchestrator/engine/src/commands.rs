//! What operators ask for: one file per verb or noun, each a few methods of [`Engine`](crate::Engine).

mod apply;
mod apply_connectors;
mod apply_flows;
mod apply_instances;
mod authorize;
mod connectors;
mod dead_letters;
mod deployments;
mod evaluate;
mod events;
mod executions;
mod flow_ref;
mod flows;
mod health;
mod hooks;
mod instances;
mod invoke;
mod keys;
mod replay;
mod sessions;
mod templates;
mod tokens;
mod trigger;
mod upgrade;

pub use apply::ApplyRequest;
pub use authorize::Authorization;
pub use evaluate::{EvaluateRequest, evaluate};
pub use flow_ref::FlowRef;
pub use flows::LogEntry;
pub use health::{Metric, MetricKind};
pub use hooks::{HookKeyView, HookView};
pub(crate) use invoke::chosen;
pub use invoke::{INVOKE_TIMEOUT, INVOKE_TIMEOUT_MOST, InvokeRequest, Invoked, Trial};
pub use keys::{KeyKind, KeyView, Rotated};
pub use sessions::SessionRequest;
pub use upgrade::{Upgrade, UpgradeRequest, UpgradeTo, UpgradedFlow, UpgradedInstance};
