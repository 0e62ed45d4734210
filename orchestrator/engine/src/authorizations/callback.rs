//! The authorisation by a browser: its beginning, and the answer that the browser brings back.
//!
//! An attempt is known by its `state`, of which only the hash is stored. It is bound to the browser that opens the link:
//! a callback that another browser brings is refused, so nobody can be made to finish what somebody else began.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use sluice_domain::InstanceName;
use sluice_domain::oauth::{AuthorizeRequest, Callback, CallbackError, Hook, Pkce};
use sluice_ports::oauth::{CodeExchange, Tokens};
use sluice_ports::store::{AuthorizationAttempt, StoredAuthorization};
use subtle::ConstantTimeEq;
use tracing::{info, warn};
use url::Url;

use super::provider::Provider;
use super::{refresh, store};
use crate::commands::chosen;
use crate::gateway::hex;
use crate::secrets::Shelf;
use crate::{CommandError, Engine, chain};

/// How long a person may take to authorise.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);

/// An authorisation that a person has to finish in a browser.
#[derive(Debug, Clone)]
pub struct BrowserAuthorization {
    /// What the person opens. It works once, in one browser.
    pub url: String,
    /// The redirect URI, as the provider must know it.
    pub redirect_uri: String,
    /// Until when it works.
    pub expires_at: DateTime<Utc>,
}

/// Where a browser is sent to, and what it has to remember meanwhile.
pub struct Departure {
    /// The provider's page.
    pub url: Url,
    /// A secret for a cookie that scripts cannot read.
    pub browser: SecretString,
    /// How long the cookie is needed.
    pub lasts: TimeDelta,
}

/// Why an authorisation by a browser came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallbackRefusal {
    /// It is unknown, over, was finished already, or belongs to another browser.
    #[error("this authorisation is unknown or over, or was begun in another browser; begin anew")]
    Unknown,
    /// The provider or the person said no, or what came back is not what was asked for.
    #[error("{0}")]
    Callback(#[from] CallbackError),
    /// The provider gave no tokens.
    #[error("the provider gave no tokens: {0}")]
    Provider(String),
    /// Something else is wrong.
    #[error("the authorisation cannot be finished now")]
    Command(#[from] CommandError),
}

impl From<sluice_ports::PortError> for CallbackRefusal {
    fn from(error: sluice_ports::PortError) -> Self {
        Self::Command(error.into())
    }
}

impl Engine {
    /// Where providers send browsers back to.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("{}/oauth/callback", self.core.settings.public_url.trim_end_matches('/'))
    }

    pub(crate) async fn begin_in_browser(
        &self,
        instance: &InstanceName,
        provider: &Provider,
    ) -> Result<BrowserAuthorization, CommandError> {
        if provider.endpoints.authorize.is_none() {
            let text = "the connector's `authorize_url` comes to nothing with the settings of this instance";
            return Err(CommandError::bad("provider_unclear", text));
        }
        let ports = &self.core.ports;
        let state = hex(&ports.entropy.secret());
        let now = ports.clock.now();
        let verifier = if provider.declared.pkce {
            let pkce = Pkce::new(ports.entropy.secret());
            Some(Shelf::Authorization.seal(&self.core, (instance, "verifier"), &pkce.verifier)?)
        } else {
            None
        };
        let attempt = AuthorizationAttempt {
            state: hash(&state),
            browser: None,
            instance: instance.clone(),
            verifier,
            redirect_uri: self.redirect_uri(),
            expires_at: now + PATIENCE,
        };
        ports.store.begin_attempt(&attempt, now).await?;
        self.core.authorizations.attempts.begin(instance, attempt.state);
        let base = self.core.settings.public_url.trim_end_matches('/');
        Ok(BrowserAuthorization {
            url: format!("{base}/oauth/start/{state}"),
            redirect_uri: attempt.redirect_uri,
            expires_at: attempt.expires_at,
        })
    }

    /// A browser opens the link of an authorisation: binds it to that browser and says where to go.
    ///
    /// # Errors
    /// When the link is unknown, over, or was opened already.
    pub async fn start_authorization(&self, state: &str) -> Result<Departure, CallbackRefusal> {
        let ports = &self.core.ports;
        let (key, now) = (hash(state), ports.clock.now());
        let browser = SecretString::from(hex(&ports.entropy.secret()));
        let bound = ports.store.bind_attempt(&key, &hash(browser.expose_secret()), now).await?;
        let attempt = bound.ok_or(CallbackRefusal::Unknown)?;
        let provider = self.provider(&attempt.instance).await?;
        let challenge = match &attempt.verifier {
            Some(sealed) => {
                let verifier =
                    Shelf::Authorization.open(&self.core, (&attempt.instance, "verifier"), sealed)?;
                Some(Pkce::challenge_of(&verifier))
            }
            None => None,
        };
        let endpoint = provider.endpoints.authorize.as_ref().ok_or(CallbackRefusal::Unknown)?;
        let url = AuthorizeRequest {
            endpoint,
            client_id: provider.client_id(),
            redirect_uri: &attempt.redirect_uri,
            scopes: &provider.declared.scopes,
            separator: provider.declared.separator(),
            state,
            challenge: challenge.as_deref(),
            extra: &provider.declared.authorize_params,
        }
        .url();
        Ok(Departure { url, browser, lasts: PATIENCE })
    }

    /// A browser comes back from the provider. Gives the instance that is authorised now.
    ///
    /// # Errors
    /// When the answer is not one to an attempt of this browser, or the provider refuses; see [`CallbackRefusal`].
    pub async fn finish_authorization(
        &self,
        query: &str,
        browser: Option<&str>,
    ) -> Result<InstanceName, CallbackRefusal> {
        let callback = Callback::parse(query)?;
        let core = &self.core;
        let (state, now) = (callback.state().to_owned(), core.ports.clock.now());
        let attempt = core.ports.store.take_attempt(&hash(&state), now).await?;
        let attempt = attempt.filter(|attempt| is_of(attempt, browser)).ok_or(CallbackRefusal::Unknown)?;
        let (name, id) = (attempt.instance.clone(), attempt.state);
        match self.finish(callback, &state, attempt).await {
            Ok(()) => Ok(name),
            Err(refusal) => {
                if let CallbackRefusal::Callback(_) | CallbackRefusal::Provider(_) = &refusal {
                    core.authorizations.attempts.fail(&name, id, refusal.to_string());
                }
                Err(refusal)
            }
        }
    }

    /// Gets the tokens of an attempt and keeps them.
    async fn finish(
        &self,
        callback: Callback,
        state: &str,
        attempt: AuthorizationAttempt,
    ) -> Result<(), CallbackRefusal> {
        let (core, name) = (&self.core, &attempt.instance);
        let provider = self.provider(name).await?;
        let code = callback.code(state, provider.endpoints.issuer.as_deref())?;
        let verifier = match &attempt.verifier {
            Some(sealed) => Some(Shelf::Authorization.open(core, (name, "verifier"), sealed)?),
            None => None,
        };
        let redirect_uri = attempt.redirect_uri.clone();
        let exchange = CodeExchange { endpoint: provider.token(), code, verifier, redirect_uri };
        let tokens = core.ports.oauth.exchange(&exchange).await;
        let tokens = tokens.map_err(|error| CallbackRefusal::Provider(chain(&error)))?;
        self.authorized(name, &provider, tokens).await?;
        Ok(())
    }

    /// Keeps the first tokens of an authorisation, then calls the connector's hook.
    pub(crate) async fn authorized(
        &self,
        name: &InstanceName,
        provider: &Provider,
        tokens: Tokens,
    ) -> Result<StoredAuthorization, CommandError> {
        let core = &self.core;
        let extra = tokens.extra.clone();
        let after = {
            let flight = core.authorizations.flight(name);
            let _one_at_a_time = flight.lock().await;
            let before = core.ports.store.authorization(name).await?;
            let got = refresh::got(&provider.declared, tokens, true);
            store::change(core, name, before.as_ref(), got).await?
        };
        core.authorizations.attempts.succeed(name);
        info!(instance.name = %name, "an instance was authorised");
        if let Some(hook) = &provider.declared.on_authorize {
            let input = json!({ "token_response": extra });
            if let Err(error) = self.hook(name, hook, input).await {
                warn!(instance.name = %name, %hook, error, "the hook after an authorisation failed");
            }
        }
        Ok(after)
    }

    /// Calls what the connector names as a hook, in its component. Settings that it gives become those of the instance.
    pub(crate) async fn hook(&self, name: &InstanceName, hook: &Hook, input: Value) -> Result<(), String> {
        let given = self.invoke_hook(name, hook, input).await.map_err(|error| chain(&error))?;
        let mut settings = Map::new();
        for body in given {
            if let Some(Value::Object(given)) = body.get("settings") {
                settings.extend(given.clone());
            }
        }
        self.keep_settings(name, settings).await.map_err(|error| chain(&error))
    }

    async fn keep_settings(
        &self,
        name: &InstanceName,
        settings: Map<String, Value>,
    ) -> Result<(), CommandError> {
        if settings.is_empty() {
            return Ok(());
        }
        let name = name.clone();
        let keep = |engine: Self| async move {
            let core = &engine.core;
            let Some(mut stored) = core.ports.store.instance(&name).await? else { return Ok(()) };
            stored.instance.settings.extend(settings);
            stored.instance.revision += 1;
            stored.instance.updated_at = core.ports.clock.now();
            Ok(core.put_instance(&stored).await?)
        };
        self.to_its_end(keep).await
    }

    /// The provider of an instance's tokens.
    pub(crate) async fn provider(&self, name: &InstanceName) -> Result<Provider, CommandError> {
        let stored = self.core.ports.store.instance(name).await?;
        let stored = stored.ok_or_else(|| CommandError::not_found("instance", name))?;
        let catalogue = self.core.catalogue().await?;
        Provider::of(&self.core, chosen(&catalogue, &stored.instance)?, &stored).await
    }
}

/// Whether an attempt was begun in this browser.
fn is_of(attempt: &AuthorizationAttempt, browser: Option<&str>) -> bool {
    match (attempt.browser, browser) {
        (Some(bound), Some(browser)) => bool::from(bound.ct_eq(&hash(browser))),
        (Some(_) | None, _) => false,
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
