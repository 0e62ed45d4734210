//! Whose things a request is about.
//!
//! A tenant sees and changes its own and nothing else: what belongs to another is not there for it (404), and a route
//! that no rule here opens to tenants is the operators' alone (403). A token may be limited to a tenant; an operator
//! speaks for one with the header `Sluice-Tenant`.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use sluice_domain::{
    ApiToken, DeadLetterId, FlowId, InstanceName, KeptSession, Owned, SessionId, TemplateName, TenantName,
    TokenId,
};
use sluice_engine::FlowRef;
use sluice_protocol::ExecutionId;

use crate::ApiState;
use crate::access::Caller;
use crate::extract::{Param, params, parsed};
use crate::problem::{Answer, ErrorCode, Refusal};

/// The header by which an operator speaks for a tenant.
pub const TENANT_HEADER: &str = "sluice-tenant";

/// What tenants get at all, by the first part of the route after `/api/v1/`.
const FOR_TENANTS: [&str; 12] = [
    "apply",
    "dead-letters",
    "events",
    "executions",
    "flows",
    "instances",
    "mappings",
    "sessions",
    "tail",
    "templates",
    "tokens",
    "validate",
];
/// What tenants may look at and not change.
const TO_READ: [&str; 1] = ["connectors"];

/// Whether a route is there for tenants.
pub(crate) fn is_for_tenants(method: &Method, route: &str) -> bool {
    let Some(rest) = route.strip_prefix("/api/v1/") else { return true };
    let first = rest.split('/').next().unwrap_or_default();
    FOR_TENANTS.contains(&first) || (TO_READ.contains(&first) && method.is_safe())
}

/// The tenant of a request: the token's, or the one that an operator names.
pub(crate) fn tenant_of(token: Option<&ApiToken>, parts: &Parts) -> Answer<Option<TenantName>> {
    let mut named = parts.headers.get_all(TENANT_HEADER).iter();
    let asked = match (named.next(), named.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => {
            return Err(Refusal::new(ErrorCode::BadQuery, "`Sluice-Tenant` stands there more than once"));
        }
    };
    let wrong = |error: &dyn Display| Refusal::new(ErrorCode::BadQuery, format!("Sluice-Tenant: {error}"));
    let asked: Option<TenantName> = asked.map(str::parse).transpose().map_err(|error| wrong(&error))?;
    match (token.and_then(|token| token.tenant.clone()), asked) {
        (Some(own), Some(asked)) if own != asked => {
            let detail = format!("this token is limited to the tenant {own}");
            Err(Refusal::new(ErrorCode::Forbidden, detail).because("tenant"))
        }
        (Some(own), _) => Ok(Some(own)),
        (None, asked) => Ok(asked),
    }
}

/// Whose things a request is about; everybody's when no tenant is named.
#[derive(Debug, Clone)]
pub(crate) struct Scope(Option<TenantName>);

impl Scope {
    /// The tenant.
    pub(crate) fn tenant(&self) -> Option<&TenantName> {
        self.0.as_ref()
    }

    /// Whether something of this name may be seen.
    pub(crate) fn sees<T: Owned>(&self, name: &T) -> bool {
        self.0.is_none() || name.is_of(self.tenant())
    }

    /// A name as it was said, in full. Nothing when it is somebody else's.
    pub(crate) fn full<T: Owned>(&self, name: &T) -> Option<T> {
        match &self.0 {
            None => Some(name.clone()),
            tenant @ Some(_) => name.within(tenant.as_ref()),
        }
    }

    /// A name in a field, in full.
    pub(crate) fn named<T: Owned>(&self, what: &str, name: &T) -> Answer<T> {
        self.full(name).ok_or_else(|| Refusal::not_found(what, name))
    }

    /// The flows that a list is about: the named one, or all that may be seen; nothing when there is no limit.
    pub(crate) async fn flows(&self, state: &ApiState, named: Option<&str>) -> Answer<Option<Vec<FlowId>>> {
        let Some(text) = named else {
            return Ok(self.tenant().map(|tenant| state.engine.flow_ids(tenant)));
        };
        let flow: FlowRef =
            text.parse().map_err(|error| Refusal::new(ErrorCode::BadQuery, format!("flow: {error}")))?;
        match (flow, self.tenant()) {
            // History may be looked at when its flow is gone.
            (FlowRef::Id(id), None) => Ok(Some(vec![id])),
            (flow, _) => {
                let flow = flow.scoped(self, state).await?;
                Ok(Some(vec![state.engine.flow_id(&flow)?]))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Scope {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // Without a caller nobody decided what may be seen.
        let caller = parts.extensions.get::<Caller>();
        let caller = caller.ok_or_else(|| Refusal::new(ErrorCode::Internal, "the request has no caller"))?;
        Ok(Self(caller.tenant().cloned()))
    }
}

/// Something that a tenant may own, as a request names it.
pub(crate) trait Scoped: Sized + Send {
    /// The same, in full. Refused as if it were not there when it is another tenant's.
    fn scoped(self, scope: &Scope, state: &ApiState) -> impl Future<Output = Answer<Self>> + Send;
}

impl Scoped for InstanceName {
    async fn scoped(self, scope: &Scope, _: &ApiState) -> Answer<Self> {
        scope.named("instance", &self)
    }
}

impl Scoped for TemplateName {
    /// What a tenant does not have itself may be the installation's.
    async fn scoped(self, scope: &Scope, state: &ApiState) -> Answer<Self> {
        let own = scope.named("template", &self)?;
        if own == self || state.engine.template(&own).await.is_ok() { Ok(own) } else { Ok(self) }
    }
}

impl Scoped for FlowRef {
    async fn scoped(self, scope: &Scope, state: &ApiState) -> Answer<Self> {
        match self {
            Self::Name(name) => scope.named("flow", &name).map(Self::Name),
            Self::Id(id) => {
                of_flow(scope, state, id, || Refusal::not_found("flow", id)).map(|()| Self::Id(id))
            }
        }
    }
}

impl Scoped for ExecutionId {
    async fn scoped(self, scope: &Scope, state: &ApiState) -> Answer<Self> {
        if scope.tenant().is_some() {
            let (execution, _) = state.engine.execution(self).await?;
            of_flow(scope, state, execution.flow, || Refusal::not_found("execution", self))?;
        }
        Ok(self)
    }
}

impl Scoped for DeadLetterId {
    async fn scoped(self, scope: &Scope, state: &ApiState) -> Answer<Self> {
        if scope.tenant().is_some() {
            let missing = || Refusal::not_found("dead letter", self);
            // One that belongs to no step is the operators' affair.
            let step = state.engine.dead_letter(self).await?.step.ok_or_else(missing)?;
            of_flow(scope, state, step.flow, missing)?;
        }
        Ok(self)
    }
}

impl Scoped for TokenId {
    async fn scoped(self, scope: &Scope, state: &ApiState) -> Answer<Self> {
        if scope.tenant().is_none() {
            return Ok(self);
        }
        let tokens = state.engine.tokens().await?;
        let own = tokens.iter().any(|token| token.id == self && token.tenant.as_ref() == scope.tenant());
        own.then_some(self).ok_or_else(|| Refusal::not_found("token", self))
    }
}

impl Scoped for SessionId {
    /// Whose a session is its instances say.
    async fn scoped(self, scope: &Scope, state: &ApiState) -> Answer<Self> {
        if scope.tenant().is_none() {
            return Ok(self);
        }
        let sessions = state.engine.sessions().await?;
        let sees = |kept: &KeptSession| kept.session.instances.iter().all(|name| scope.sees(name));
        let own = sessions.iter().any(|kept| kept.session.id == self && sees(kept));
        own.then_some(self).ok_or_else(|| Refusal::not_found("session", self))
    }
}

/// Refuses what belongs to a flow that may not be seen.
fn of_flow(scope: &Scope, state: &ApiState, flow: FlowId, missing: impl FnOnce() -> Refusal) -> Answer<()> {
    match scope.tenant() {
        Some(tenant) if !state.engine.is_flow_of(flow, tenant) => Err(missing()),
        _ => Ok(()),
    }
}

/// The one parameter of a path that names what a tenant may own, in full.
pub(crate) struct Mine<T>(pub(crate) T);

impl<T> FromRequestParts<ApiState> for Mine<T>
where
    T: FromStr<Err: Display> + Scoped,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refusal> {
        let params = params(parts, state).await?;
        mine(params.first(), parts, state).await.map(Self)
    }
}

/// The two parameters of a path, of which the first names what a tenant may own, in full.
pub(crate) struct MineAnd<T, U>(pub(crate) T, pub(crate) U);

impl<T, U> FromRequestParts<ApiState> for MineAnd<T, U>
where
    T: FromStr<Err: Display> + Scoped,
    U: FromStr<Err: Display> + Send,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refusal> {
        let params = params(parts, state).await?;
        let second = parsed(params.get(1))?;
        Ok(Self(mine(params.first(), parts, state).await?, second))
    }
}

async fn mine<T: FromStr<Err: Display> + Scoped>(
    param: Option<&Param>,
    parts: &mut Parts,
    state: &ApiState,
) -> Answer<T> {
    let scope = Scope::from_request_parts(parts, state).await?;
    parsed::<T>(param)?.scoped(&scope, state).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_get_what_is_listed_and_nothing_else() {
        for (method, route, expect) in [
            (Method::GET, "/api/v1/flows/{flow}", true),
            (Method::POST, "/api/v1/apply", true),
            (Method::GET, "/api/v1/connectors", true),
            (Method::POST, "/api/v1/connectors", false),
            (Method::POST, "/api/v1/connectors/{connector}/upgrade", false),
            (Method::GET, "/api/v1/keys", false),
            (Method::GET, "/api/v1/deployments", false),
            (Method::GET, "/api/v1/flowsy", false),
            (Method::GET, "/healthz", true),
        ] {
            assert_eq!(is_for_tenants(&method, route), expect, "{method} {route}");
        }
    }
}
