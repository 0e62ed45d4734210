//! A provider of tokens that is not there.
//!
//! It numbers its tokens (`access-2`, `refresh-2`), rotates refresh tokens, and ends a whole grant when
//! an old refresh token is shown again, as careful providers do (RFC 9700, section 4.14.2).

mod grants;

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Map;
use sluice_ports::oauth::{
    ClientCredentials, CodeExchange, DeviceAuthorization, DevicePoll, DeviceStart, Endpoint, OAuth,
    OAuthError, Refresh, Revoke, Tokens,
};
use tokio::sync::watch;

use super::lock;
use grants::{Device, Grants};

/// A provider of tokens that is not there.
#[derive(Debug)]
pub struct MemoryOAuth {
    state: Mutex<State>,
    held: watch::Sender<bool>,
}

/// How often it was asked for what, refusals included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Tokens for a code.
    pub exchanges: u64,
    /// A token for the client itself.
    pub client_credentials: u64,
    /// New tokens.
    pub refreshes: u64,
    /// Codes for a device.
    pub device_starts: u64,
    /// Tokens for a device.
    pub device_polls: u64,
    /// An end to a token.
    pub revocations: u64,
}

#[derive(Debug)]
struct State {
    asked: Asked,
    grants: Grants,
    down: bool,
    dead: bool,
    expires_in: Option<Duration>,
    scopes: Option<Vec<String>>,
}

impl Default for MemoryOAuth {
    fn default() -> Self {
        let state = State {
            asked: Asked::default(),
            grants: Grants::default(),
            down: false,
            dead: false,
            expires_in: Some(Duration::from_secs(3600)),
            scopes: None,
        };
        Self { state: Mutex::new(state), held: watch::Sender::new(false) }
    }
}

impl MemoryOAuth {
    /// A person agreed: `code` may be exchanged once. With a challenge only together with its verifier.
    pub fn grant(&self, code: &str, challenge: Option<&str>, redirect_uri: &str) {
        lock(&self.state).grants.add_code(code, challenge, redirect_uri);
    }

    /// A person typed in the code of a device and agreed.
    pub fn approve(&self, user_code: &str) {
        lock(&self.state).grants.decide(user_code, Device::Approved);
    }

    /// A person typed in the code of a device and refused.
    pub fn deny(&self, user_code: &str) {
        lock(&self.state).grants.decide(user_code, Device::Denied);
    }

    /// Makes every call fail for now as if nobody answered, or no longer.
    pub fn set_down(&self, down: bool) {
        lock(&self.state).down = down;
    }

    /// Refuses every refresh with `invalid_grant`, or no longer.
    pub fn set_dead(&self, dead: bool) {
        lock(&self.state).dead = dead;
    }

    /// Whether a refresh gives a new refresh token, as it does at first, or leaves the old one as it is.
    pub fn set_rotating(&self, rotating: bool) {
        lock(&self.state).grants.rotating = rotating;
    }

    /// What it says of how long access tokens last: an hour at first.
    pub fn set_expires_in(&self, expires_in: Option<Duration>) {
        lock(&self.state).expires_in = expires_in;
    }

    /// What it says of the scopes: nothing at first.
    pub fn set_scopes(&self, scopes: Option<Vec<String>>) {
        lock(&self.state).scopes = scopes;
    }

    /// Holds every answer back until it is called again with `false`. What is asked is counted at once.
    pub fn set_held(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Whether an API would accept this access token.
    #[must_use]
    pub fn accepts(&self, access: &str) -> bool {
        lock(&self.state).grants.accepts(access)
    }

    /// How often it was asked for what.
    #[must_use]
    pub fn asked(&self) -> Asked {
        lock(&self.state).asked
    }

    async fn answer<T>(
        &self,
        endpoint: &Endpoint,
        count: impl FnOnce(&mut Asked),
        act: impl FnOnce(&mut State) -> Result<T, &'static str>,
    ) -> Result<T, OAuthError> {
        count(&mut lock(&self.state).asked);
        // The sender lives as long as this does.
        self.held.subscribe().wait_for(|held| !held).await.ok();
        let place = endpoint.url.host_str().unwrap_or_default().to_owned() + endpoint.url.path();
        let mut state = lock(&self.state);
        if state.down {
            return Err(OAuthError::Unreachable { place, source: "the fake is down".into() });
        }
        act(&mut state).map_err(|error| OAuthError::Refused {
            place,
            error: error.to_owned(),
            description: None,
            status: 400,
            interval: None,
        })
    }
}

impl State {
    fn tokens(&self, (access, refresh): (String, Option<String>)) -> Tokens {
        Tokens {
            access: SecretString::from(access),
            refresh: refresh.map(SecretString::from),
            expires_in: self.expires_in,
            scopes: self.scopes.clone(),
            token_type: "Bearer".to_owned(),
            extra: Map::new(),
        }
    }
}

#[async_trait]
impl OAuth for MemoryOAuth {
    async fn exchange(&self, request: &CodeExchange) -> Result<Tokens, OAuthError> {
        let act = |state: &mut State| {
            let code = request.code.expose_secret();
            let pair = state.grants.exchange(code, request.verifier.as_ref(), &request.redirect_uri);
            pair.map(|pair| state.tokens(pair))
        };
        self.answer(&request.endpoint, |asked| asked.exchanges += 1, act).await
    }

    async fn client_credentials(&self, request: &ClientCredentials) -> Result<Tokens, OAuthError> {
        let act = |state: &mut State| {
            let access = state.grants.alone();
            Ok(state.tokens((access, None)))
        };
        self.answer(&request.endpoint, |asked| asked.client_credentials += 1, act).await
    }

    async fn refresh(&self, request: &Refresh) -> Result<Tokens, OAuthError> {
        let act = |state: &mut State| {
            if state.dead {
                return Err("invalid_grant");
            }
            let pair = state.grants.refresh(request.token.expose_secret());
            pair.map(|pair| state.tokens(pair))
        };
        self.answer(&request.endpoint, |asked| asked.refreshes += 1, act).await
    }

    async fn start_device(&self, request: &DeviceStart) -> Result<DeviceAuthorization, OAuthError> {
        let verification_uri = request.endpoint.url.clone();
        let act = |state: &mut State| {
            let (device_code, user_code) = state.grants.start_device();
            Ok(DeviceAuthorization {
                device_code: SecretString::from(device_code),
                user_code,
                verification_uri,
                verification_uri_complete: None,
                expires_in: Duration::from_secs(600),
                interval: Duration::from_secs(5),
            })
        };
        self.answer(&request.endpoint, |asked| asked.device_starts += 1, act).await
    }

    async fn poll_device(&self, request: &DevicePoll) -> Result<Tokens, OAuthError> {
        let act = |state: &mut State| {
            let pair = state.grants.poll(request.device_code.expose_secret());
            pair.map(|pair| state.tokens(pair))
        };
        self.answer(&request.endpoint, |asked| asked.device_polls += 1, act).await
    }

    async fn revoke(&self, request: &Revoke) -> Result<(), OAuthError> {
        let act = |state: &mut State| {
            state.grants.revoke(request.token.expose_secret());
            Ok(())
        };
        self.answer(&request.endpoint, |asked| asked.revocations += 1, act).await
    }
}
