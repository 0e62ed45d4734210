//! HTTP: the operator's API, webhooks, the gateway of components and the metrics. The only crate that knows axum.
//!
//! Handlers extract, call one command of the engine and present its answer; what they say in JSON is in [`dto`], and
//! every refusal is a [`Problem`](dto::Problem) with a code that has a page under `docs/errors/`. Each of the three
//! routers has a listener of its own, served by [`serve`] with bounds on everything that a client decides.

mod access;
mod api;
pub mod dto;
mod embed;
mod etag;
mod extract;
mod gateway;
mod guard;
mod ingress;
mod listen;
mod live;
mod metrics;
mod oauth;
mod page;
mod problem;
mod replay;
mod request_id;
mod scope;

pub use access::Access;
pub use api::{ApiState, openapi, router as api_router};
/// What a listener serves. Callers only hand it on.
pub use axum::Router;
pub use gateway::router as gateway_router;
pub use listen::{ServeLimits, serve};
pub use metrics::{MoreMetrics, router as metrics_router};
pub use problem::ErrorCode;
pub use scope::TENANT_HEADER;
