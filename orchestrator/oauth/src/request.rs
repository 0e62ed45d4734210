//! Writes requests: parameters, their form, and who asks (RFC 6749, section 2.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sluice_domain::oauth::{ClientAuth, TokenBody};
use sluice_ports::oauth::{Endpoint, OAuthError};
use url::form_urlencoded;

use crate::mask::Mask;

/// A request, ready to be sent.
pub(crate) struct Written {
    pub(crate) headers: HeaderMap,
    pub(crate) body: SecretString,
    pub(crate) mask: Mask,
}

/// The parameters of a request, in order.
pub(crate) struct Parameters {
    open: Vec<(&'static str, String)>,
    secret: Vec<(&'static str, SecretString)>,
}

impl Parameters {
    pub(crate) fn new() -> Self {
        Self { open: Vec::new(), secret: Vec::new() }
    }

    pub(crate) fn grant(name: &str) -> Self {
        Self::new().open("grant_type", name)
    }

    pub(crate) fn open(mut self, name: &'static str, value: &str) -> Self {
        self.open.push((name, value.to_owned()));
        self
    }

    pub(crate) fn scopes(self, scopes: &[String], separator: char) -> Self {
        if scopes.is_empty() {
            return self;
        }
        self.open("scope", &scopes.join(separator.encode_utf8(&mut [0; 4])))
    }

    pub(crate) fn secret(mut self, name: &'static str, value: &SecretString) -> Self {
        self.secret.push((name, value.clone()));
        self
    }

    /// Adds who asks and what the file adds, and writes all of it down.
    pub(crate) fn write(mut self, endpoint: &Endpoint) -> Result<Written, OAuthError> {
        let client = &endpoint.client;
        let pair = basic(&client.id, client.secret.as_ref());
        let mut headers = headers(endpoint)?;
        match client.auth {
            ClientAuth::Header => {
                let mut basic = HeaderValue::try_from(format!("Basic {}", pair.expose_secret()))
                    .map_err(|_| bad(endpoint, "the client's id or secret fits no header"))?;
                basic.set_sensitive(true);
                headers.insert(AUTHORIZATION, basic);
            }
            ClientAuth::Body => {
                self.open.push(("client_id", client.id.clone()));
                self.secret.extend(client.secret.clone().map(|secret| ("client_secret", secret)));
            }
            ClientAuth::None => self.open.push(("client_id", client.id.clone())),
        }
        let secrets = self.secret.iter().map(|(_, secret)| secret);
        let mask = Mask::new(secrets.chain(&client.secret).chain([&pair]));
        let (content_type, body) = self.body(endpoint);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok(Written { headers, body: SecretString::from(body), mask })
    }

    fn body(&self, endpoint: &Endpoint) -> (&'static str, String) {
        let secret = self.secret.iter().map(|(name, value)| (*name, value.expose_secret()));
        let mut all: Vec<(&str, &str)> =
            self.open.iter().map(|(name, value)| (*name, value.as_str())).chain(secret).collect();
        for (name, value) in &endpoint.params {
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name, value));
            }
        }
        match endpoint.body {
            TokenBody::Form => {
                let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
                ("application/x-www-form-urlencoded", form)
            }
            TokenBody::Json => {
                let members = all.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
                ("application/json", Value::Object(members.collect::<Map<_, _>>()).to_string())
            }
        }
    }
}

/// RFC 6749, section 2.3.1: both are form-encoded before they become a user name and password.
fn basic(id: &str, secret: Option<&SecretString>) -> SecretString {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = secret.map(|secret| encode(secret.expose_secret())).unwrap_or_default();
    SecretString::from(STANDARD.encode(format!("{}:{secret}", encode(id))))
}

fn headers(endpoint: &Endpoint) -> Result<HeaderMap, OAuthError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in &endpoint.headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| bad(endpoint, "a header has no name"))?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| bad(endpoint, "a header has a control character"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn bad(endpoint: &Endpoint, reason: &'static str) -> OAuthError {
    OAuthError::BadRequest { place: place(endpoint), reason }
}

/// Where a request goes, without its query.
pub(crate) fn place(endpoint: &Endpoint) -> String {
    let url = &endpoint.url;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}{}", url.host_str().unwrap_or_default(), url.path())
}
