//! What the API says in JSON. The command line reads the same types. Secrets come in, and never go out.

mod apply;
mod attachment;
mod authorization;
mod connector;
mod dead_letter;
mod deployment;
mod event;
mod execution;
mod flow;
mod health;
mod hook;
mod instance;
mod invocation;
mod key;
mod mapping;
mod overview;
mod page;
mod problem;
mod session;
mod template;
mod token;
mod upgrade;

pub use apply::{Applied, Apply, File, PlanItem, Validate, Validated};
pub use attachment::{
    Attach, AttachableDeployment, AttachedBoot, Attachment, RenewAttachment, StartAttached,
};
pub use authorization::{Authorization, AuthorizationState, Revoked};
pub use connector::{Connector, Function, InstallConnector};
pub use dead_letter::{Count, DeadLetter, EditDeadLetter, Exit, Moved};
pub use deployment::{Container, Deployment};
pub use event::Event;
pub use execution::{Execution, ExecutionDetail, Failure, Recorded, Retried, Retry, StepRun};
pub use flow::{Flow, FlowState, LogLine, Step, StepCounters, Trigger, Triggered};
pub use health::{Live, Ready};
pub use hook::{Hook, HookUrl, RotateHook};
pub use instance::Instance;
pub use invocation::{Invoke, Invoked, InvokedOutput};
pub use key::{Key, RotateKeys, RotatedKeys};
pub use mapping::{Evaluate, Evaluated};
pub use overview::{AlarmAtAGlance, BrokerAtAGlance, DeploymentAtAGlance, FlowAtAGlance, Overview};
pub use page::Page;
pub use problem::{Diagnostic, Problem};
pub use session::{CreateSession, CreatedSession, EmbeddedInstance, EmbeddedInvoke, Session};
pub use template::{AskedInstance, Template, TemplateVersion};
pub use token::{CreateToken, CreatedToken, Token};
pub use upgrade::{ConnectorChange, ConnectorUpgrade, UpgradeConnector, UpgradedFlow, UpgradedInstance};
