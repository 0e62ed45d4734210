//! The provider of an instance's tokens: what the connector's file says, with the instance's settings and secrets filled in.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sluice_domain::Connector;
use sluice_domain::oauth::{Endpoints, OAuth2};
use sluice_ports::oauth::{Client, Endpoint};
use sluice_ports::store::StoredInstance;
use sluice_ports::{Fault, PortError};
use url::Url;

use crate::commands::{EvaluateRequest, evaluate};
use crate::core::Core;
use crate::secrets::Shelf;
use crate::{CommandError, chain};

/// The provider of an instance's tokens.
pub(crate) struct Provider {
    pub(crate) declared: OAuth2,
    pub(crate) endpoints: Endpoints,
    client: Client,
}

/// What the connector says of OAuth; nothing where it uses none.
pub(crate) fn declared(connector: &Connector) -> Option<&OAuth2> {
    connector.manifest()?.auth.authorization()
}

impl Provider {
    /// Fills in the settings and the client.
    ///
    /// # Errors
    /// When the connector uses no OAuth, a URL comes to nothing, or the client's id is not there.
    pub(crate) async fn of(
        core: &Core,
        connector: &Connector,
        stored: &StoredInstance,
    ) -> Result<Self, CommandError> {
        let name = &stored.instance.name;
        let Some(declared) = declared(connector).cloned() else {
            let text = format!(
                "connector {} uses no OAuth, so instance {name} has nothing to authorise",
                connector.name()
            );
            return Err(CommandError::bad("no_oauth", text));
        };
        let id = secret(core, stored, "client_id")?.ok_or_else(|| {
            CommandError::bad("client_missing", format!("instance {name} has no secret `client_id`"))
        })?;
        let client = Client {
            id: id.expose_secret().to_owned(),
            secret: secret(core, stored, "client_secret")?,
            auth: declared.client_auth,
        };
        let vars = json!({ "vars": stored.instance.settings });
        let (asked, place) = (declared.clone(), name.to_string());
        // Expressions may compute for as long as their limits allow.
        let resolved =
            tokio::task::spawn_blocking(move || Endpoints::resolve(&asked, |text| value(text, &vars)));
        let resolved = resolved.await.map_err(|error| internal("evaluate the URLs of a provider", error))?;
        let endpoints = resolved.map_err(|error| {
            CommandError::bad("provider_unclear", format!("instance {place}: {}", chain(&error)))
        })?;
        Ok(Self { declared, endpoints, client })
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client.id
    }

    /// Where tokens come from.
    pub(crate) fn token(&self) -> Endpoint {
        self.endpoint(&self.endpoints.token, &self.declared.token_params)
    }

    /// Where tokens are refreshed.
    pub(crate) fn refresh(&self) -> Endpoint {
        self.endpoint(&self.endpoints.refresh, &self.declared.refresh_params)
    }

    /// Where tokens are revoked.
    pub(crate) fn revoke(&self) -> Option<Endpoint> {
        self.endpoints.revoke.as_ref().map(|url| self.endpoint(url, &self.declared.revoke_params))
    }

    /// Where a device asks for its codes.
    pub(crate) fn device(&self) -> Option<Endpoint> {
        self.endpoints.device.as_ref().map(|url| self.endpoint(url, &self.declared.authorize_params))
    }

    fn endpoint(&self, url: &Url, params: &BTreeMap<String, String>) -> Endpoint {
        Endpoint {
            url: url.clone(),
            client: self.client.clone(),
            body: self.declared.token_body,
            params: params.clone(),
            headers: self.declared.token_headers.clone(),
            fields: self.declared.fields.clone(),
            scope_separator: self.declared.separator(),
        }
    }
}

/// What a text comes to that may be an expression.
fn value(text: &str, vars: &Value) -> Result<Value, CommandError> {
    let found = evaluate(EvaluateRequest::Mapping { mapping: Value::from(text), input: vars.clone() })?;
    Ok(found.unwrap_or(Value::Null))
}

/// A secret of an instance, opened.
fn secret(core: &Core, stored: &StoredInstance, field: &str) -> Result<Option<SecretString>, CommandError> {
    let Some(sealed) = stored.secrets.get(field) else { return Ok(None) };
    Ok(Some(Shelf::of(&stored.instance, field).open(core, (&stored.instance.name, field), sealed)?))
}

fn internal(operation: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CommandError {
    CommandError::Internal(PortError::new(Fault::Permanent, operation, error))
}
