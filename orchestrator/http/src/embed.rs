//! `/embed/v1`: what the pages of host applications may do with the instances of their session.
//!
//! Pages come from other origins, so these routes, and only these, answer to the questions of CORS. That opens nothing:
//! no cookie counts here, and each request needs the token of a session that names the instance, the deed and, if its
//! maker wished so, the origin of the page.

mod form;

use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use sluice_domain::{InstanceName, Owned, Session, SessionDeed};
use sluice_engine::{INVOKE_TIMEOUT, InvokeRequest};
use sluice_protocol::FunctionName;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{bearer, unauthorized};
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope::{Mine, MineAnd};
use crate::{ApiState, dto};

/// What all routes begin with.
pub(crate) const PREFIX: &str = "/embed/v1/";
/// Most bytes of a body: those of a message with a file in Base64, and some for what is around it.
const BODY: usize = (1 << 20) + (64 << 10);
/// How long a browser may rely on the answer to a question of CORS.
const PREFLIGHT: Duration = Duration::from_secs(600);

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT);
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(authorize))
        .routes(routes!(revoke))
        .routes(routes!(invoke))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(cors)
}

/// The session of a request whose page may use it.
struct Page(Session);

impl FromRequestParts<ApiState> for Page {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refusal> {
        let token = bearer(&parts.headers).ok_or_else(unauthorized)?;
        let session = state.engine.open_session(token).await?.ok_or_else(unauthorized)?;
        let origin = parts.headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
        if session.accepts(origin) {
            return Ok(Self(session));
        }
        Err(Refusal::new(ErrorCode::Forbidden, "this session is for pages of another origin")
            .because("session_origin"))
    }
}

impl Page {
    /// The instance in full, if the session may do this with it. A page need not name its tenant.
    fn named(&self, deed: SessionDeed, instance: &InstanceName) -> Answer<InstanceName> {
        let tenant = self.0.instances.first().and_then(Owned::tenant);
        let full = instance.within(tenant.as_ref()).filter(|full| self.0.may(deed, full));
        if let Some(full) = full {
            return Ok(full);
        }
        // Whether there is such an instance is not for the page to know.
        let text = format!("this session does not allow `{deed}` for the instance `{instance}`");
        Err(Refusal::new(ErrorCode::Forbidden, text).because("session_scope"))
    }
}

/// Shows how the authorisation of an instance stands.
#[utoipa::path(get, path = "/embed/v1/instances/{instance}", tag = "embed", security(("session" = [])),
    params(("instance" = String, Path, description = "Its name")),
    responses((status = 200, body = dto::EmbeddedInstance)))]
async fn status(
    State(state): State<ApiState>,
    page: Page,
    Mine(name): Mine<InstanceName>,
) -> Answer<Json<dto::EmbeddedInstance>> {
    let name = page.named(SessionDeed::Status, &name)?;
    show(&state, &name).await
}

/// Begins to authorise an instance: answers with the link that the page opens in a window.
#[utoipa::path(post, path = "/embed/v1/instances/{instance}/authorize", tag = "embed",
    security(("session" = [])), params(("instance" = String, Path, description = "Its name")),
    responses((status = 200, body = dto::Authorization)))]
async fn authorize(
    State(state): State<ApiState>,
    page: Page,
    Mine(name): Mine<InstanceName>,
) -> Answer<Json<dto::Authorization>> {
    let name = page.named(SessionDeed::Authorize, &name)?;
    Ok(Json(state.engine.authorize(&name).await?.into()))
}

/// Ends the authorisation of an instance, at the provider and here.
#[utoipa::path(post, path = "/embed/v1/instances/{instance}/revoke", tag = "embed",
    security(("session" = [])), params(("instance" = String, Path, description = "Its name")),
    responses((status = 200, body = dto::EmbeddedInstance)))]
async fn revoke(
    State(state): State<ApiState>,
    page: Page,
    Mine(name): Mine<InstanceName>,
) -> Answer<Json<dto::EmbeddedInstance>> {
    let name = page.named(SessionDeed::Revoke, &name)?;
    state.engine.revoke_authorization(&name).await?;
    show(&state, &name).await
}

/// Runs one function of an instance. As `multipart/form-data`, the field `request` holds the JSON and each file comes
/// into the input under the name of its field, as `{ filename, content_type, base64: true, value }`.
#[utoipa::path(post, path = "/embed/v1/instances/{instance}/invoke/{function}", tag = "embed",
    security(("session" = [])), request_body = dto::EmbeddedInvoke,
    params(("instance" = String, Path, description = "Its name"),
        ("function" = String, Path, description = "An action or polling trigger of its connector")),
    responses((status = 200, body = dto::Invoked)))]
async fn invoke(
    State(state): State<ApiState>,
    page: Page,
    MineAnd(instance, function): MineAnd<InstanceName, FunctionName>,
    form::Asked(body): form::Asked,
) -> Answer<Json<dto::Invoked>> {
    let instance = page.named(SessionDeed::Invoke, &instance)?;
    let dto::EmbeddedInvoke { input, config } = body;
    // What is told about requests to the other side is for operators only.
    let timeout = INVOKE_TIMEOUT;
    let request = InvokeRequest { instance, function, config, input, timeout, trace: false, depth: 0 };
    Ok(Json(state.engine.invoke(request).await?.into()))
}

async fn show(state: &ApiState, name: &InstanceName) -> Answer<Json<dto::EmbeddedInstance>> {
    let instance = state.engine.instance(name).await?.into();
    let authorization = state.engine.authorization(name).await?.map(Into::into);
    Ok(Json(dto::EmbeddedInstance::new(instance, authorization)))
}
