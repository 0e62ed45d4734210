//! The secrets of an instance, and whom they may be shown to.
//!
//! They go to one origin only: that of the instance's base URL, or else of the URL that the request began with.

use reqwest::RequestBuilder;
use serde::Deserialize;
use sluice_sdk::{Context, Error};
use url::{Origin, Url};

#[derive(Deserialize)]
pub(crate) struct Settings {
    base_url: Option<String>,
    header_name: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Secrets {
    username: Option<String>,
    password: Option<String>,
    token: Option<String>,
    header_value: Option<String>,
}

/// The instance of a step; all of it is empty for a step that has none.
pub(crate) struct Auth {
    base: Option<Url>,
    header_name: Option<String>,
    secrets: Secrets,
}

impl Auth {
    pub(crate) async fn of(cx: &Context) -> Result<Self, Error> {
        let credentials = cx.credentials::<Settings, Secrets>().await?;
        let Settings { base_url, header_name } = credentials.settings;
        let base = base_url.map(|text| text.parse::<Url>()).transpose();
        let base = base
            .map_err(|error| Error::fatal("bad_settings", format_args!("`base_url` is no URL: {error}")))?;
        Ok(Self { base, header_name, secrets: credentials.secrets })
    }

    /// Reads a URL, relative to the base URL if there is one.
    pub(crate) fn resolve(&self, text: &str) -> Result<Url, Error> {
        let url = match &self.base {
            Some(base) => base.join(text),
            None => Url::parse(text),
        };
        let url =
            url.map_err(|error| Error::fatal("bad_url", format_args!("`{text}` is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::fatal(
                "bad_url",
                format_args!("`{}` is neither http nor https", url.scheme()),
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::fatal(
                "bad_url",
                "a URL may hold no credentials: they belong into an instance",
            ));
        }
        Ok(url)
    }

    /// The one origin that may see the secrets of a request to `first`.
    pub(crate) fn origin(&self, first: &Url) -> Origin {
        self.base.as_ref().unwrap_or(first).origin()
    }

    pub(crate) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        let Secrets { username, password, token, header_value } = &self.secrets;
        let mut request = request;
        if let Some(username) = username {
            request = request.basic_auth(username, password.as_ref());
        } else if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(value) = header_value {
            request = request.header(self.header_name.as_deref().unwrap_or("X-Api-Key"), value);
        }
        request
    }
}
