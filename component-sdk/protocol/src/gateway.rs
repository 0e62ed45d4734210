//! The component gateway: what a component asks the orchestrator over HTTP, and the answers.
//!
//! Each container start has a token of its own. It reaches the process as one line of JSON on standard input
//! ([`Boot`]), so that neither the environment nor `docker inspect` ever holds it.
//!
//! | call | answer |
//! | --- | --- |
//! | `POST /gateway/v1/session` with [`SessionRequest`] | [`Session`] |
//! | `GET /gateway/v1/assignments?since=REV&wait=SECONDS` | [`Assignments`]; 204 when nothing changed in that time |
//! | `POST /gateway/v1/credentials/{instance}` | [`Credentials`]; 409 when a person has to authorise the instance |
//! | `POST /gateway/v1/credentials/{instance}/refresh` with [`RefreshRequest`] | [`Credentials`]; 409 as above |
//! | `POST /gateway/v1/invoke/{instance}` with [`InvokeRequest`] | [`InvokeAnswer`] |
//! | `POST /gateway/v1/state` with [`StateRequest`] | [`StepState`]; 204 when the step has none; 404 when the container serves no such step |
//! | `PUT /gateway/v1/state` with [`StepState`] | 204; 404 as above |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ErrorInfo, FunctionName, StepKey};

/// The first line on the standard input of a component.
#[derive(Clone, Serialize, Deserialize)]
pub struct Boot {
    /// The base URL of the gateway, for example `http://172.18.0.1:7402`.
    pub gateway: String,
    /// The bearer token of this container start.
    pub token: String,
}

/// What a component says of itself when it starts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SessionRequest {
    /// The SDK and its version, for example `sluice-sdk/0.1.0`.
    pub sdk: String,
    /// The component's name, as in its descriptor.
    pub component: String,
    /// The component's version, as in its descriptor.
    pub version: String,
}

/// Where a component finds its broker, and what it may do there.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// The deployment this container belongs to.
    pub deployment: String,
    /// Broker access, valid while the container runs.
    pub broker: BrokerAccess,
    /// The exchange that outcomes go to; the only one that the broker user may write to.
    pub exchange: String,
    /// The queue of suspects: inputs whose consumer died. They are run one at a time.
    pub suspects: String,
    /// The queue of invocations: envelopes that say themselves what to run.
    pub invocations: String,
    /// The lane that the quiet steps of the deployment share. It is read whether or not an assignment names it, since a step
    /// may have left it before all its inputs were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common: Option<String>,
    /// The way out; absent where a component reaches others by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<EgressAccess>,
}

/// The forward proxy of the orchestrator, and what proves to it who asks (RFC 9110, section 11.7; RFC 7617). It takes
/// CONNECT, and requests for `http` URLs.
#[derive(Clone, Serialize, Deserialize)]
pub struct EgressAccess {
    /// Its URL as seen from the component's network, for example `http://172.18.0.1:7403`.
    pub url: String,
    /// User.
    pub username: String,
    /// Password, valid while the container runs.
    pub password: String,
    /// Whether the broker is behind it too.
    #[serde(default)]
    pub broker: bool,
}

/// The address and the credentials of a broker.
#[derive(Clone, Serialize, Deserialize)]
pub struct BrokerAccess {
    /// Host name or address as seen from the component's network.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether to use TLS.
    #[serde(default)]
    pub tls: bool,
    /// Virtual host.
    pub vhost: String,
    /// User.
    pub username: String,
    /// Password.
    pub password: String,
}

/// All that a component is to serve, as of a revision.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Assignments {
    /// The revision; ask again with `since` set to it.
    pub revision: u64,
    /// Finish what was begun, take nothing new, then exit.
    #[serde(default)]
    pub drain: bool,
    /// One entry per step.
    pub assignments: Vec<Assignment>,
}

/// One step that a component serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The step.
    pub step: StepKey,
    /// The function that serves it.
    pub function: FunctionName,
    /// How the function gets its work.
    pub role: Role,
    /// The lane its inputs come from; several steps may share one. None for listeners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The step's config, valid against the function's config schema.
    #[serde(default)]
    pub config: Value,
    /// The instance whose credentials it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The [`Credentials::revision`] of now: what is kept of another one is out of date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// How many inputs of this step may run at a time.
    pub concurrency: u32,
    /// Milliseconds that one run may take.
    pub timeout_ms: u64,
    /// The routing key of this step's outcomes on the exchange.
    pub routing_key: String,
    /// Take nothing new for now.
    #[serde(default)]
    pub paused: bool,
}

/// How a function gets its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It processes inputs from a lane.
    Action,
    /// It is a trigger that runs once for each tick that comes through a lane.
    Polling,
    /// It is a trigger that runs all the time and pushes.
    Listener,
    /// It is a trigger that others call by its URL. The orchestrator serves it; no component is ever given one.
    Webhook,
    /// It answers the request that a webhook took. The orchestrator does it; no component is ever given one.
    Respond,
}

/// The settings and secrets of an instance, ready to use.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// Changes whenever the settings or secrets do.
    pub version: u64,
    /// Changes whenever a person changes the settings or secrets, and not when an access token is replaced.
    #[serde(default)]
    pub revision: u64,
    /// Plain settings.
    pub settings: Map<String, Value>,
    /// Secrets. Never log them.
    pub secrets: Map<String, Value>,
}

/// Asks for credentials other than those that the other side refused, such as a new access token (RFC 6749, section 6).
/// When they were replaced meanwhile the answer has those, and nothing is refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRequest {
    /// The [`Credentials::version`] that was refused.
    pub version: u64,
}

/// Asks for a run of an action of another instance, on behalf of one that the container serves and that binds it to an
/// alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvokeRequest {
    /// The alias, as the connector of the calling instance has it under `uses`.
    pub alias: FunctionName,
    /// The action.
    pub function: FunctionName,
    /// What it gets.
    #[serde(default)]
    pub input: Value,
    /// Milliseconds that it may take.
    pub timeout_ms: u64,
    /// How many calls of this kind led here, this one included: 1 to [`INVOKE_DEPTH`].
    pub depth: u8,
}

/// How deep instances may call each other.
pub const INVOKE_DEPTH: u8 = 4;

/// What came of an [`InvokeRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvokeAnswer {
    /// The action's result: what it emitted, a list where it may emit several, `null` where it emitted nothing.
    Result(Value),
    /// Why it failed, or was not run at all.
    Error(ErrorInfo),
}

/// Asks for what a step keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRequest {
    /// The step: one that the container serves.
    pub step: StepKey,
}

/// What a step keeps from run to run. It belongs to the step of the flow, whichever version of it asks, and goes with the flow.
/// The last one that is put stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepState {
    /// The step: one that the container serves.
    pub step: StepKey,
    /// At most [`STATE_BYTES`](crate::limits::STATE_BYTES) as JSON.
    pub value: Value,
}

/// The code of the refusal (409), and of the error that it becomes, where a person has to authorise an instance again.
pub const NEEDS_REAUTH: &str = "needs_reauth";

/// Keeps secrets out of debug output.
macro_rules! redacted_debug {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), " { .. }"))
            }
        }
    )*};
}

redacted_debug!(Boot, Session, BrokerAccess, EgressAccess, Credentials);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_secret() {
        let boot = Boot { gateway: "http://x".into(), token: "hunter2".into() };
        assert!(!format!("{boot:?}").contains("hunter2"));
    }
}
