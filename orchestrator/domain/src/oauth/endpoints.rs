//! The endpoints of a provider for one instance: what the file says, with the instance's settings filled in.

use std::error::Error;

use serde_json::Value;
use url::Url;

use super::OAuth2;

/// The endpoints of a provider for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Where a person grants access.
    pub authorize: Option<Url>,
    /// Where tokens come from.
    pub token: Url,
    /// Where tokens are refreshed: that of `token` where the file says nothing else.
    pub refresh: Url,
    /// Where tokens are revoked.
    pub revoke: Option<Url>,
    /// Where a device asks for its codes.
    pub device: Option<Url>,
    /// The issuer that callbacks have to name.
    pub issuer: Option<String>,
}

/// A field of the file that does not come to a URL with the instance's settings.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError<E: Error + 'static> {
    /// The expression cannot be evaluated.
    #[error("`{field}` cannot be evaluated")]
    Evaluation {
        /// The name of the field in `auth.oauth2`.
        field: &'static str,
        /// Why not.
        #[source]
        source: E,
    },
    /// The expression gives no text.
    #[error("`{field}` comes to no text with the settings of this instance")]
    NoText {
        /// The name of the field in `auth.oauth2`.
        field: &'static str,
    },
    /// The text is no URL.
    #[error("`{field}` comes to no URL with the settings of this instance")]
    NoUrl {
        /// The name of the field in `auth.oauth2`.
        field: &'static str,
        /// Why not.
        #[source]
        source: url::ParseError,
    },
    /// The URL is neither http nor https, or holds a user name, password or fragment.
    #[error("`{field}` comes to a URL that is no plain http or https one")]
    UnfitUrl {
        /// The name of the field in `auth.oauth2`.
        field: &'static str,
    },
}

impl Endpoints {
    /// Fills in the settings. `evaluate` gives the value of a text that may be an expression over `{ "vars": settings }`.
    /// An optional field that comes to nothing, `null` or an empty text counts as left out.
    ///
    /// # Errors
    /// At the first field that does not come to an http or https URL.
    pub fn resolve<E: Error + 'static>(
        declared: &OAuth2,
        mut evaluate: impl FnMut(&str) -> Result<Value, E>,
    ) -> Result<Self, EndpointError<E>> {
        let mut text = |field, declared: Option<&String>| match declared {
            None => Ok(None),
            Some(declared) => match evaluate(declared) {
                Ok(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
                Ok(Value::Null) => Ok(None),
                Ok(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    Err(EndpointError::NoText { field })
                }
                Err(source) => Err(EndpointError::Evaluation { field, source }),
            },
        };
        let issuer = text("issuer", declared.issuer.as_ref())?;
        let mut url = |field, declared: Option<&String>| {
            text(field, declared)?.map(|text| plain(field, &text)).transpose()
        };
        let token = url("token_url", Some(&declared.token_url))?;
        let token = token.ok_or(EndpointError::NoText { field: "token_url" })?;
        Ok(Self {
            authorize: url("authorize_url", declared.authorize_url.as_ref())?,
            refresh: url("refresh_url", declared.refresh_url.as_ref())?.unwrap_or_else(|| token.clone()),
            revoke: url("revoke_url", declared.revoke_url.as_ref())?,
            device: url("device_url", declared.device_url.as_ref())?,
            token,
            issuer,
        })
    }
}

fn plain<E: Error + 'static>(field: &'static str, text: &str) -> Result<Url, EndpointError<E>> {
    let url: Url = text.parse().map_err(|source| EndpointError::NoUrl { field, source })?;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if bare && matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(EndpointError::UnfitUrl { field })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(more: Value) -> OAuth2 {
        let mut value = json!({ "token_url": "https://login.example/token" });
        let members = value.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    fn resolve(more: Value, url: Value) -> Result<Endpoints, EndpointError<std::fmt::Error>> {
        Endpoints::resolve(&declared(more), |text| match text {
            "= vars.url" => Ok(url.clone()),
            "= broken" => Err(std::fmt::Error),
            literal => Ok(json!(literal)),
        })
    }

    #[test]
    fn settings_are_filled_in() {
        let more = json!({ "authorize_url": "= vars.url", "issuer": "= vars.url", "revoke_url": "" });
        let found = resolve(more, json!("https://a.example/x ")).unwrap();
        assert_eq!(found.authorize, Some("https://a.example/x".parse().unwrap()));
        assert_eq!((found.issuer.as_deref(), found.revoke), (Some("https://a.example/x"), None));
        assert_eq!(found.refresh, found.token);
        let found = resolve(json!({ "device_url": "= vars.url" }), Value::Null).unwrap();
        assert_eq!(found.device, None);
    }

    #[test]
    fn what_is_no_url_is_named() {
        for (more, url, expect) in [
            (json!({ "token_url": "= vars.url" }), json!(7), "`token_url` comes to no text"),
            (json!({ "token_url": "= vars.url" }), json!(null), "`token_url` comes to no text"),
            (json!({ "refresh_url": "= vars.url" }), json!("x"), "`refresh_url` comes to no URL"),
            (json!({ "device_url": "= vars.url" }), json!("ftp://x"), "`device_url` comes to a URL that"),
            (json!({ "device_url": "= vars.url" }), json!("https://a:b@x/"), "`device_url` comes to a URL"),
            (json!({ "revoke_url": "= broken" }), json!(null), "`revoke_url` cannot be evaluated"),
        ] {
            let error = resolve(more, url).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{error}");
        }
    }
}
