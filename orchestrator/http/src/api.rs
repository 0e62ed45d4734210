//! The operator's API: one file per resource, each with its routes.

mod apply;
mod attachments;
mod connectors;
mod dead_letters;
mod deployments;
mod events;
mod executions;
mod flows;
mod health;
mod hooks;
mod instances;
mod invocations;
mod keys;
mod live;
mod mappings;
mod overview;
mod sessions;
mod templates;
mod tokens;
mod verbs;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum::{Json, Router};
use sluice_engine::Engine;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::ingress::Door;
use crate::live::Streams;
use crate::metrics::{self, Counted};
use crate::problem::{ErrorCode, Refusal};
use crate::replay::Replays;
use crate::{Access, access, guard, request_id};

/// Most bytes of a body, but for files.
const BODY: usize = 1 << 20;
/// Most bytes of a body that holds files: one of the largest, however its text is escaped.
const FILES: usize = 8 << 20;
/// Mappings that are tried at a time.
const EVALUATIONS: usize = 4;

/// What handlers share.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) engine: Arc<Engine>,
    pub(crate) access: Access,
    pub(crate) stop: CancellationToken,
    pub(crate) replays: Replays,
    pub(crate) door: Door,
    pub(crate) streams: Streams,
    pub(crate) evaluations: Arc<Semaphore>,
    pub(crate) public_url: Option<Arc<str>>,
}

impl ApiState {
    /// Streams end when `stop` is cancelled.
    #[must_use]
    pub fn new(engine: Arc<Engine>, access: Access, stop: CancellationToken) -> Self {
        Self {
            engine,
            access,
            stop,
            replays: Replays::default(),
            door: Door::default(),
            streams: Streams::default(),
            evaluations: Arc::new(Semaphore::new(EVALUATIONS)),
            public_url: None,
        }
    }

    /// The URL that the outside world reaches this listener by, for showing the URLs of webhooks.
    #[must_use]
    pub fn with_public_url(mut self, url: Option<&str>) -> Self {
        self.public_url = url.map(Arc::from);
        self
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sluice",
        description = "The operator's API. Every refusal is an `application/problem+json`; its code has a page in the documentation.",
        version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(crate::dto::Problem)),
    security(("token" = []))
)]
struct Document;

/// The document that describes the API (OpenAPI 3.1).
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes(|router| router).split_for_parts().1
}

/// The router of the operator's listener.
pub fn router(state: ApiState) -> Router {
    let replayed = {
        let state = state.clone();
        move |router: OpenApiRouter<ApiState>| {
            router.layer(from_fn_with_state(state.clone(), crate::replay::layer))
        }
    };
    let (router, document) = routes(replayed).split_for_parts();
    let document = Arc::new(document);
    let counted = Counted { engine: state.engine.clone(), listener: "api" };
    router
        .merge(crate::oauth::routes())
        .merge(crate::ingress::router())
        .route("/openapi.json", get(move || async move { Json(document) }))
        .fallback(unknown)
        .layer(from_fn(guard::encoding))
        .layer(from_fn_with_state(state.clone(), access::layer))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(from_fn(guard::time))
        .layer(from_fn(request_id::layer))
        .layer(from_fn_with_state(counted, metrics::count))
        .with_state(state)
}

/// All routes. `replayed` puts a layer around those that heed an `Idempotency-Key`.
fn routes(replayed: impl Fn(OpenApiRouter<ApiState>) -> OpenApiRouter<ApiState>) -> OpenApiRouter<ApiState> {
    let mut document = Document::openapi();
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().add_security_scheme("token", scheme.clone());
    document.components.get_or_insert_default().add_security_scheme("session", scheme);
    OpenApiRouter::with_openapi(document)
        .merge(health::routes())
        .merge(overview::routes())
        .merge(connectors::routes())
        .merge(instances::routes())
        .merge(templates::routes())
        .merge(flows::routes())
        .merge(verbs::routes())
        .merge(hooks::routes())
        .merge(live::routes())
        .merge(executions::routes())
        .merge(dead_letters::routes())
        .merge(deployments::routes())
        .merge(attachments::routes())
        .merge(events::routes())
        .merge(tokens::routes())
        .merge(keys::routes())
        .merge(sessions::routes())
        .merge(mappings::routes())
        .merge(replayed(verbs::replayed_routes()))
        .merge(replayed(executions::replayed_routes()))
        .layer(DefaultBodyLimit::max(BODY))
        .merge(invocations::routes())
        .merge(crate::embed::routes())
        .merge(replayed(apply::routes()).layer(DefaultBodyLimit::max(FILES)))
}

async fn unknown(State(_): State<ApiState>, request: Request) -> Refusal {
    let path: String = request.uri().path().chars().take(200).collect();
    Refusal::new(ErrorCode::NotFound, format!("there is no route {} {path}", request.method()))
}
