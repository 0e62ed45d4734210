//! Who may call what: denied unless a rule here allows it.
//!
//! The decision is made for the route that matched, never for the text of the path, so that no spelling of a path gets
//! around it. What matches no route needs a token too, so that nobody without one learns which routes there are.

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sluice_domain::{ApiToken, Permission, TenantName, TokenId};

use crate::ApiState;
use crate::oauth;
use crate::problem::{Answer, ErrorCode, Refusal};
use crate::scope;

/// Whether callers need a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They do.
    Tokens,
    /// They do not: everybody may do everything. Only for listeners on the loopback address.
    Insecure,
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    token: Option<ApiToken>,
    tenant: Option<TenantName>,
}

impl Caller {
    /// The token that it sent, if it needed one.
    pub(crate) fn token(&self) -> Option<TokenId> {
        self.token.as_ref().map(|token| token.id)
    }

    /// The tenant whose things the request is about; everybody's when absent.
    pub(crate) fn tenant(&self) -> Option<&TenantName> {
        self.tenant.as_ref()
    }

    /// Tells callers apart.
    pub(crate) fn id(&self) -> String {
        let token = self.token.as_ref().map_or_else(|| "anybody".to_owned(), |token| token.id.to_string());
        match &self.tenant {
            Some(tenant) => format!("{token} for {tenant}"),
            None => token,
        }
    }
}

/// Routes that need no token: they answer nothing that is worth one, or know who asks in another way.
const OPEN: [&str; 5] = ["/healthz", "/readyz", "/openapi.json", oauth::START, oauth::CALLBACK];

/// Reading methods whose answers let into something.
const REVEALS: [&str; 1] = ["/api/v1/flows/{flow}/hooks"];

/// Mutating methods that change nothing: they only evaluate what they are given.
const EVALUATES: [&str; 2] = ["/api/v1/validate", "/api/v1/mappings/evaluate"];

/// Most bytes of a token: one of a session with its instances.
const TOKEN: usize = 4096;

pub(crate) async fn layer(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&state, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn admit(state: &ApiState, parts: &Parts) -> Answer<Caller> {
    let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let hook = route == Some(crate::ingress::ROUTE);
    let embedded = route.is_some_and(|route| route.starts_with(crate::embed::PREFIX));
    let open = hook || embedded || route.is_some_and(|route| OPEN.contains(&route)) && parts.method.is_safe();
    if open {
        return Ok(Caller { token: None, tenant: None });
    }
    let token = match state.access {
        Access::Insecure => None,
        Access::Tokens => {
            let token = bearer(&parts.headers).ok_or_else(unauthorized)?;
            Some(state.engine.authenticate(token).await?.ok_or_else(unauthorized)?)
        }
    };
    let route = route.unwrap_or_default();
    let needed = needed(&parts.method, route);
    if let Some(token) = token.as_ref().filter(|token| !token.may(needed)) {
        let detail =
            format!("this needs the permission `{needed}`, which the token `{}` does not have", token.name);
        return Err(Refusal::new(ErrorCode::Forbidden, detail));
    }
    let tenant = scope::tenant_of(token.as_ref(), parts)?;
    if tenant.is_some() && !scope::is_for_tenants(&parts.method, route) {
        let detail = "this belongs to the whole installation and is not for tenants";
        return Err(Refusal::new(ErrorCode::Forbidden, detail).because("tenant"));
    }
    Ok(Caller { token, tenant })
}

/// The permission that a route needs.
fn needed(method: &Method, route: &str) -> Permission {
    let keys = route.starts_with("/api/v1/tokens") || route.starts_with("/api/v1/keys");
    let programs = route.starts_with("/api/v1/connectors") || route.starts_with("/api/v1/attachments");
    if keys || (programs && !method.is_safe()) {
        Permission::Admin
    } else if (method.is_safe() && !REVEALS.contains(&route)) || EVALUATES.contains(&route) {
        Permission::Read
    } else {
        Permission::Write
    }
}

/// The one answer to a missing, malformed, unknown, expired or revoked token.
pub(crate) fn unauthorized() -> Refusal {
    Refusal::new(ErrorCode::Unauthorized, "send a valid token in the header `Authorization: Bearer …`")
}

/// The token of the one `Authorization` header, if it has the form of one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let fits = scheme.eq_ignore_ascii_case("bearer") && (1..=TOKEN).contains(&token.len());
    let plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    (fits && plain).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_well_formed_bearer_is_a_token() {
        for (values, expect) in [
            (&["Bearer abc"][..], Some("abc")),
            (&["bearer abc"], Some("abc")),
            (&["Basic abc"], None),
            (&["Bearer "], None),
            (&["Bearer a b"], None),
            (&["Bearer"], None),
            (&["Bearer a", "Bearer a"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(bearer(&headers), expect, "{values:?}");
        }
    }

    #[test]
    fn tokens_and_programs_are_the_administrators_affair() {
        for (method, route, expect) in [
            (Method::GET, "/api/v1/flows", Permission::Read),
            (Method::POST, "/api/v1/flows/{flow}/start", Permission::Write),
            (Method::POST, "/api/v1/validate", Permission::Read),
            (Method::GET, "/api/v1/tokens", Permission::Admin),
            (Method::GET, "/api/v1/keys", Permission::Admin),
            (Method::GET, "/api/v1/connectors", Permission::Read),
            (Method::POST, "/api/v1/connectors", Permission::Admin),
            (Method::GET, "/api/v1/attachments", Permission::Read),
            (Method::POST, "/api/v1/attachments/{attachment}/starts", Permission::Admin),
            (Method::GET, "/api/v1/flows/{flow}/hooks", Permission::Write),
            (Method::DELETE, "/", Permission::Write),
        ] {
            assert_eq!(needed(&method, route), expect, "{method} {route}");
        }
    }
}
