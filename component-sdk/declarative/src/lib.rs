//! Declarative connectors: a REST API described in one file instead of programmed.
//!
//! A [`Manifest`] says how to reach an API, how to sign requests, and which actions and triggers it has. The component
//! `rest` executes it; nothing of it needs an image of its own. The planner reads and checks the file ([`schema`],
//! [`Manifest::check`]), derives the [descriptor](Manifest::descriptor) that templates are checked against, and gives each
//! step that uses a function of it a [`Call`]: the part of the manifest that this function needs. So a message that is under
//! way ends on the version of the connector that it began on. Only webhooks need no component: the orchestrator takes the
//! requests by their [`WebhookCall`].
//!
//! Values of requests are mappings (see `sluice-mapping`): a text that begins with `$.` is a JSONPath, one that begins with
//! `=` is JSONata, anything else is literal. What they see is documented at each field.

mod auth;
mod call;
mod check;
mod descriptor;
mod http;
mod manifest;
mod oauth;
mod request;
mod script;
mod session;
mod signature;
mod trigger;
mod webhook;

pub use auth::{Auth, AuthPlace, AuthType};
pub use call::{Call, CallKind, WebhookCall};
pub use check::{Problem, ProblemKind};
pub use http::{ErrorRule, Http, RateLimit, Reaction};
pub use manifest::{Action, Manifest, ManifestError, PollingKind, PollingTrigger, Use, schema};
pub use oauth::{ClientAuth, Grant, Hook, OAuth2, ScriptHook, TokenBody, TokenFields, TokenKind, TokenPlace};
pub use request::{
    Body, BodyFormat, Incremental, Initial, Pagination, PaginationType, Request, Response, ResponseFormat,
    TimeFormat,
};
pub use script::Script;
pub use session::{Lifetime, Login, Session};
pub use signature::{Algorithm, Encoding, Place, Preset, SIGNING_SECRET, SecretEncoding, Signature};
pub use trigger::Trigger;
pub use webhook::{Challenge, DeliveryId, WebhookKind, WebhookTrigger};

/// The name of the component that executes declarative connectors.
pub const COMPONENT: &str = "rest";
/// The action of that component that executes a [`Call`] of an action.
pub const CALL: &str = "call";
/// The polling trigger of that component that executes a [`Call`] of a trigger.
pub const POLL: &str = "poll";
