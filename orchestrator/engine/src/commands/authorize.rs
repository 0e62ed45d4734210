//! Authorising instances by OAuth 2.0, looking at how that stands, and revoking it.

use std::sync::Arc;

use sluice_domain::InstanceName;
use sluice_domain::oauth::{AuthorizationState, Grant, TokenKind};
use sluice_ports::oauth::{ClientCredentials, Revoke};
use tracing::warn;

use crate::authorizations::{
    BrowserAuthorization, Change, PendingDevice, Provider, change, declared, state_of,
};
use crate::secrets::Shelf;
use crate::views::AuthorizationView;
use crate::{CommandError, Engine, chain};

/// What a person has to do to authorise an instance.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// Nothing: the client acts for itself, and has its token now.
    Done,
    /// Open a link.
    Browser(BrowserAuthorization),
    /// Type a code in on another device.
    Device(PendingDevice),
}

impl Engine {
    /// Begins to authorise an instance, in the way that its connector names.
    ///
    /// # Errors
    /// When there is no such instance, its connector uses no OAuth, or the provider refuses.
    pub async fn authorize(self: &Arc<Self>, name: &InstanceName) -> Result<Authorization, CommandError> {
        let provider = self.provider(name).await?;
        match provider.declared.grant {
            Grant::AuthorizationCode => {
                Ok(Authorization::Browser(self.begin_in_browser(name, &provider).await?))
            }
            Grant::DeviceCode => Ok(Authorization::Device(self.begin_on_device(name, provider).await?)),
            Grant::ClientCredentials => {
                let scopes = provider.declared.scopes.clone();
                let request = ClientCredentials { endpoint: provider.token(), scopes };
                let tokens = self.core.ports.oauth.client_credentials(&request).await;
                let tokens =
                    tokens.map_err(|error| CommandError::conflict("provider_refused", chain(&error)))?;
                self.authorized(name, &provider, tokens).await?;
                Ok(Authorization::Done)
            }
        }
    }

    /// How the authorisation of an instance stands; nothing where its connector uses no OAuth.
    ///
    /// # Errors
    /// When the store cannot be read, or there is no such instance.
    pub async fn authorization(
        &self,
        name: &InstanceName,
    ) -> Result<Option<AuthorizationView>, CommandError> {
        let instance = self.instance(name).await?;
        let catalogue = self.core.catalogue().await?;
        let connector = catalogue.choose(instance.connector.as_str(), None);
        let Some(declared) = connector.and_then(declared) else { return Ok(None) };
        let known = self.core.ports.store.authorization(name).await?;
        let failure = self.core.authorizations.attempts.failure(name);
        let Some(known) = known else {
            return Ok(Some(AuthorizationView {
                state: AuthorizationState::NeedsAuthorization,
                detail: None,
                scopes: Vec::new(),
                expires_at: None,
                updated_at: None,
                authorized_at: None,
                failure,
            }));
        };
        Ok(Some(AuthorizationView {
            state: state_of(declared, &known, self.core.ports.clock.now()),
            detail: known.detail,
            scopes: known.scopes,
            expires_at: known.expires_at,
            updated_at: Some(known.updated_at),
            authorized_at: known.authorized_at,
            failure,
        }))
    }

    /// Ends the authorisation of an instance: calls the connector's hook, tells the provider, and forgets the tokens. When
    /// the provider cannot be told, the tokens are forgotten all the same, and the answer says so.
    ///
    /// # Errors
    /// When there is no such instance, its connector uses no OAuth, or the store is away.
    pub async fn revoke_authorization(&self, name: &InstanceName) -> Result<Option<String>, CommandError> {
        let provider = self.provider(name).await?;
        if let Some(hook) = &provider.declared.on_revoke
            && let Err(error) = self.hook(name, hook, serde_json::json!({})).await
        {
            warn!(instance.name = %name, %hook, error, "the hook before a revocation failed");
        }
        let flight = self.core.authorizations.flight(name);
        let _one_at_a_time = flight.lock().await;
        let known = self.core.ports.store.authorization(name).await?;
        let told = match &known {
            Some(known) => self.tell_provider(name, &provider, known).await?,
            None => None,
        };
        change(&self.core, name, known.as_ref(), Change::Revoked).await?;
        Ok(told)
    }

    /// Revokes the token at the provider. Says why it was not, if it was not.
    async fn tell_provider(
        &self,
        name: &InstanceName,
        provider: &Provider,
        known: &sluice_ports::store::StoredAuthorization,
    ) -> Result<Option<String>, CommandError> {
        let Some(endpoint) = provider.revoke() else {
            return Ok(Some("the connector names no place to revoke tokens at".to_owned()));
        };
        let wanted = provider.declared.revokes();
        let (kind, sealed) = match (wanted, &known.refresh, &known.access) {
            (TokenKind::Refresh, Some(sealed), _) => (TokenKind::Refresh, sealed),
            (_, _, Some(sealed)) => (TokenKind::Access, sealed),
            (_, _, None) => return Ok(None),
        };
        let field = if kind == TokenKind::Refresh { "refresh_token" } else { "access_token" };
        let token = Shelf::Authorization.open(&self.core, (name, field), sealed)?;
        let told = self.core.ports.oauth.revoke(&Revoke { endpoint, token, kind }).await;
        Ok(told.err().map(|error| chain(&error)))
    }
}
