//! What authorises a request. It is added last, hop by hop, and only where `hosts` trusts the URL.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use sluice_declarative::{Auth, AuthPlace, AuthType};
use sluice_sdk::Error;
use url::Url;

use crate::request::set_param;

/// A credential, in the form in which it travels.
#[derive(Clone)]
pub(crate) enum Credential {
    None,
    Header(HeaderName, HeaderValue),
    Query(String, String),
    /// `name=value`.
    Cookie(String),
    /// What a script made of the secrets for one request.
    Signature {
        headers: HeaderMap,
        query: Vec<(String, String)>,
    },
    /// Several at once.
    All(Vec<Credential>),
}

/// How requests carry a key or token.
pub(crate) struct Carrier {
    pub(crate) place: AuthPlace,
    pub(crate) name: String,
    pub(crate) prefix: String,
}

impl Credential {
    pub(crate) fn of(auth: &Auth, secrets: &Map<String, Value>) -> Result<Self, Error> {
        match auth.kind {
            // A script signs each request on its own, and the token of a session is no secret of the instance.
            AuthType::None | AuthType::Script | AuthType::Session => Ok(Self::None),
            AuthType::Basic => {
                let pair = format!("{}:{}", secret(secrets, "username")?, secret(secrets, "password")?);
                header(AUTHORIZATION, &format!("Basic {}", STANDARD.encode(pair)))
            }
            AuthType::Bearer => header(
                AUTHORIZATION,
                &format!("Bearer {}", secret(secrets, auth.secret.as_deref().unwrap_or("token"))?),
            ),
            AuthType::ApiKey => {
                Carrier::of(auth).carry(secret(secrets, auth.secret.as_deref().unwrap_or("api_key"))?)
            }
            AuthType::OAuth2 => Carrier::of(auth).carry(secret(secrets, "access_token")?),
        }
    }

    pub(crate) fn apply(&self, url: &mut Url, headers: &mut HeaderMap) -> Result<(), Error> {
        match self {
            Self::None => {}
            Self::All(all) => all.iter().try_for_each(|one| one.apply(url, headers))?,
            Self::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            Self::Query(name, value) => set_param(url, name, value),
            Self::Signature { headers: signed, query } => {
                for name in signed.keys() {
                    headers.remove(name);
                }
                headers.extend(signed.iter().map(|(name, value)| (name.clone(), value.clone())));
                query.iter().for_each(|(name, value)| set_param(url, name, value));
            }
            Self::Cookie(pair) => {
                let mut cookies =
                    headers.get(COOKIE).map_or_else(Vec::new, |value| value.as_bytes().to_vec());
                if !cookies.is_empty() {
                    cookies.extend_from_slice(b"; ");
                }
                cookies.extend_from_slice(pair.as_bytes());
                headers.insert(COOKIE, sensitive(&cookies)?);
            }
        }
        Ok(())
    }
}

impl Carrier {
    fn of(auth: &Auth) -> Self {
        let name = auth.name.clone().unwrap_or_default();
        Self { place: auth.place, name, prefix: auth.prefix.clone() }
    }

    /// The key or token where the call wants it.
    pub(crate) fn carry(&self, secret: &str) -> Result<Credential, Error> {
        let Self { place, name, prefix } = self;
        let value = format!("{prefix}{secret}");
        match place {
            AuthPlace::Header => {
                let name = HeaderName::try_from(name).map_err(|_| unfit("the name of the API key"))?;
                header(name, &value)
            }
            AuthPlace::Query => Ok(Credential::Query(name.clone(), value)),
            AuthPlace::Cookie if value.contains([';', '\r', '\n']) => Err(unfit("the API key")),
            AuthPlace::Cookie => Ok(Credential::Cookie(format!("{name}={value}"))),
        }
    }
}

fn header(name: HeaderName, value: &str) -> Result<Credential, Error> {
    Ok(Credential::Header(name, sensitive(value.as_bytes())?))
}

pub(crate) fn sensitive(value: &[u8]) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_bytes(value).map_err(|_| unfit("a secret of the instance"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn secret<'s>(secrets: &'s Map<String, Value>, name: &str) -> Result<&'s str, Error> {
    secrets
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| Error::fatal("bad_secrets", format_args!("the instance has no secret `{name}`")))
}

fn unfit(what: &str) -> Error {
    Error::fatal("bad_secrets", format_args!("{what} has characters that HTTP does not allow there"))
}
