//! What operators ask for: one file per verb or noun, each a few methods of [`Engine`].

mod apply;
mod apply_connectors;
mod apply_flows;
mod apply_instances;
mod attach;
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
mod metrics;
mod overview;
mod replay;
mod sessions;
mod templates;
mod tokens;
mod trigger;
mod upgrade;

use sluice_ports::{Fault, PortError};
use tracing::Instrument;

use crate::{CommandError, Engine};

pub use apply::ApplyRequest;
pub use authorize::Authorization;
pub use evaluate::{EvaluateRequest, evaluate};
pub use flow_ref::FlowRef;
pub use flows::LogEntry;
pub use hooks::{HookKeyView, HookView};
pub(crate) use invoke::chosen;
pub use invoke::{INVOKE_TIMEOUT, INVOKE_TIMEOUT_MOST, InvokeRequest, Invoked, Trial};
pub use keys::{KeyKind, KeyView, Rotated};
pub use metrics::{Metric, MetricKind, RequestNote, Sample};
pub use overview::{Alarm, BrokerOverview, DeploymentOverview, FlowOverview, Overview};
pub use sessions::SessionRequest;
pub use upgrade::{Upgrade, UpgradeRequest, UpgradeTo, UpgradedFlow, UpgradedInstance};

impl Engine {
    /// Makes a change, one at a time, and to its end whatever becomes of the caller: a request whose sender hangs up is
    /// dropped at any await, and between the store and the table of what is live that would leave a flow that is stored
    /// and does not run. Who hangs up while others have their turn changes nothing.
    pub(crate) async fn to_its_end<T, F>(&self, change: impl FnOnce(Self) -> F) -> Result<T, CommandError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CommandError>> + Send + 'static,
    {
        let turn = self.core.changing.clone().lock_owned().await;
        let change =
            change(Self { core: self.core.clone(), tasks: self.tasks.clone(), stop: self.stop.clone() });
        let work = async move {
            let _one_at_a_time = turn;
            change.await
        };
        match self.tasks.spawn(work.in_current_span()).await {
            Ok(done) => done,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(PortError::new(Fault::Transient, "finish a change", error).into()),
            },
        }
    }
}
