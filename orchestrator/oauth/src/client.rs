//! Sends requests to providers.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response};
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use sluice_addresses::{Guard, Network, was_refused};
use sluice_domain::oauth::TokenKind;
use sluice_ports::oauth::{
    ClientCredentials, CodeExchange, DeviceAuthorization, DevicePoll, DeviceStart, Endpoint, OAuth,
    OAuthError, Refresh, Revoke, Tokens,
};

use crate::answer::Answer;
use crate::mask::Mask;
use crate::reach::Reach;
use crate::request::{Parameters, place};
use crate::{device, tokens};

/// Most bytes of an answer.
const ANSWER_BYTES: usize = 1024 * 1024;
/// Codes of providers that refuse to revoke a token which works no more.
const UNKNOWN: [&str; 3] = ["invalid_token", "invalid_grant", "token_revoked"];
/// Longest wait that is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How requests to providers are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a request may take, from the first byte sent to the last byte read: 30 seconds by default.
    pub timeout: Duration,
    /// How long a connection may take to come about: 5 seconds by default.
    pub connect_timeout: Duration,
    /// Networks of this machine and private ones where providers are, also without TLS: none by default, so that requests
    /// go to the public internet only. Public addresses need no mention.
    pub allowed: Vec<Network>,
    /// Networks where no provider is, besides link-local ones and the metadata services of clouds, even if they are
    /// allowed or public: none by default.
    pub refused: Vec<Network>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            allowed: Vec::new(),
            refused: Vec::new(),
        }
    }
}

/// The HTTP client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the client for providers of tokens cannot be made")]
pub struct ClientError(#[source] reqwest::Error);

/// Providers of tokens, over HTTP.
#[derive(Debug, Clone)]
pub struct HttpOAuth {
    secure: Side,
    plain: Side,
}

/// A client and where its connections may lead. One with TLS and one without, so that neither uses the connections of
/// the other.
#[derive(Debug, Clone)]
struct Side {
    client: Client,
    reach: Reach,
}

impl HttpOAuth {
    /// A client that trusts the certificate authorities of the public web.
    ///
    /// # Errors
    /// When the system has no resources for it.
    ///
    /// # Panics
    /// Never: ring supports the protocol versions that are compiled in.
    pub fn new(settings: &Settings) -> Result<Self, ClientError> {
        Ok(Self { secure: Side::new(settings, true)?, plain: Side::new(settings, false)? })
    }

    /// Sends a request and reads the answer.
    async fn ask(&self, endpoint: &Endpoint, parameters: Parameters) -> Result<(Answer, Mask), OAuthError> {
        let place = place(endpoint);
        let side = if endpoint.url.scheme() == "https" { &self.secure } else { &self.plain };
        if let Some(reason) = side.reach.refusal(&endpoint.url) {
            return Err(OAuthError::Forbidden { place, reason });
        }
        let written = parameters.write(endpoint)?;
        let mut url = endpoint.url.clone();
        url.set_fragment(None);
        let request =
            side.client.post(url).headers(written.headers).body(written.body.expose_secret().to_owned());
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if was_refused(&error) => {
                return Err(OAuthError::Forbidden { place, reason: side.reach.why() });
            }
            Err(error) => return Err(unreachable(place, error)),
        };
        Ok((read(response, place).await?, written.mask))
    }

    /// Asks for tokens.
    async fn tokens(&self, endpoint: &Endpoint, parameters: Parameters) -> Result<Tokens, OAuthError> {
        let (answer, mask) = self.ask(endpoint, parameters).await?;
        let members = answer.members(&endpoint.fields, &mask)?;
        tokens::tokens(&answer, members, endpoint)
    }
}

impl Side {
    fn new(settings: &Settings, tls: bool) -> Result<Self, ClientError> {
        let reach = Reach { tls, allowed: settings.allowed.clone(), refused: settings.refused.clone() };
        let guarded = reach.clone();
        let client = Client::builder()
            .tls_backend_preconfigured(tls_config())
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Guard::new(move |address| guarded.covers(address)))
            .no_proxy()
            .timeout(settings.timeout)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError)?;
        Ok(Self { client, reach })
    }
}

fn tls_config() -> ClientConfig {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Reads no more than an answer may have.
async fn read(mut response: Response, place: String) -> Result<Answer, OAuthError> {
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let content_type = header(CONTENT_TYPE).map(str::to_owned);
    let retry_after = header(RETRY_AFTER).and_then(|text| wait(text, response.headers().get("date")));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES => {
                return Err(OAuthError::TooLarge { place, limit: ANSWER_BYTES });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(Answer { place, status, content_type, retry_after, body }),
            Err(error) => return Err(unreachable(place, error)),
        }
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date, which counts from the date of the answer.
fn wait(text: &str, date: Option<&reqwest::header::HeaderValue>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
    }
    let moment = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|at| at.with_timezone(&Utc));
    let now = moment(date?.to_str().ok()?)?;
    Some((moment(text)? - now).to_std().unwrap_or_default().min(LONGEST_WAIT))
}

/// The URL is left out: its query may hold what nobody should see.
fn unreachable(place: String, error: reqwest::Error) -> OAuthError {
    OAuthError::Unreachable { place, source: Box::new(error.without_url()) }
}

#[async_trait]
impl OAuth for HttpOAuth {
    async fn exchange(&self, request: &CodeExchange) -> Result<Tokens, OAuthError> {
        let mut parameters = Parameters::grant("authorization_code")
            .open("redirect_uri", &request.redirect_uri)
            .secret("code", &request.code);
        if let Some(verifier) = &request.verifier {
            parameters = parameters.secret("code_verifier", verifier);
        }
        self.tokens(&request.endpoint, parameters).await
    }

    async fn client_credentials(&self, request: &ClientCredentials) -> Result<Tokens, OAuthError> {
        let separator = request.endpoint.scope_separator;
        let parameters = Parameters::grant("client_credentials").scopes(&request.scopes, separator);
        self.tokens(&request.endpoint, parameters).await
    }

    async fn refresh(&self, request: &Refresh) -> Result<Tokens, OAuthError> {
        let parameters = Parameters::grant("refresh_token").secret("refresh_token", &request.token);
        self.tokens(&request.endpoint, parameters).await
    }

    async fn start_device(&self, request: &DeviceStart) -> Result<DeviceAuthorization, OAuthError> {
        let endpoint = &request.endpoint;
        let mut parameters = Parameters::new().scopes(&request.scopes, endpoint.scope_separator);
        if endpoint.client.auth == sluice_domain::oauth::ClientAuth::Header {
            // RFC 8628, section 3.1: needed where the client does not say who it is; harmless where it does.
            parameters = parameters.open("client_id", &endpoint.client.id);
        }
        let (answer, mask) = self.ask(endpoint, parameters).await?;
        device::authorization(&answer, &answer.members(&endpoint.fields, &mask)?)
    }

    async fn poll_device(&self, request: &DevicePoll) -> Result<Tokens, OAuthError> {
        let parameters = Parameters::grant("urn:ietf:params:oauth:grant-type:device_code")
            .secret("device_code", &request.device_code);
        self.tokens(&request.endpoint, parameters).await
    }

    async fn revoke(&self, request: &Revoke) -> Result<(), OAuthError> {
        let hint = match request.kind {
            TokenKind::Access => "access_token",
            TokenKind::Refresh => "refresh_token",
        };
        let parameters = Parameters::new().open("token_type_hint", hint).secret("token", &request.token);
        let (answer, mask) = self.ask(&request.endpoint, parameters).await?;
        match answer.acknowledged(&request.endpoint.fields, &mask) {
            // RFC 7009 wants a success for a token that is none; not everybody has read it.
            Err(OAuthError::Refused { error, .. }) if UNKNOWN.contains(&error.as_str()) => Ok(()),
            other => other,
        }
    }
}
