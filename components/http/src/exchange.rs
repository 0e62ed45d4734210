//! One request and its answer, redirects included.
//!
//! Redirects are followed here and not by the library, since an API key in a header of the user's choice is as secret
//! as `Authorization`: no secret goes to another origin, and nothing goes from https to http.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_sdk::{Context, Egress, Error, chain, proxy_refusal};
use tokio::time::Instant;
use url::Url;

use crate::auth::Auth;

/// How a body is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BodyType {
    #[default]
    Json,
    Form,
    Text,
}

/// A request that is ready to be sent.
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// Content type and bytes.
    pub(crate) body: Option<(&'static str, Vec<u8>)>,
    pub(crate) timeout: Duration,
    pub(crate) redirects: usize,
}

/// The client, with its connections, that all runs share.
#[derive(Default)]
pub(crate) struct Shared(OnceLock<Client>);

impl Shared {
    fn client(&self, egress: &Egress) -> Result<&Client, Error> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = egress
            .http_client()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("sluice-http/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::retryable("client", chain(&error)))?;
        Ok(self.0.get_or_init(|| client))
    }

    /// Sends, following redirects; all of it within the request's timeout and the run's deadline.
    pub(crate) async fn send(
        &self,
        cx: &Context,
        auth: &Auth,
        mut exchange: Exchange,
    ) -> Result<Response, Error> {
        let client = self.client(cx.egress())?;
        let mut deadline = Instant::now() + exchange.timeout;
        if let Some(run) = cx.deadline() {
            deadline = deadline.min(run);
        }
        let trusted = auth.origin(&exchange.url);
        for _ in 0..=exchange.redirects {
            let mut request = client
                .request(exchange.method.clone(), exchange.url.clone())
                .timeout(deadline.saturating_duration_since(Instant::now()))
                .headers(exchange.headers.clone());
            if let Some((content_type, bytes)) = &exchange.body {
                if !exchange.headers.contains_key("content-type") {
                    request = request.header("content-type", *content_type);
                }
                request = request.body(bytes.clone());
            }
            if exchange.url.origin() == trusted {
                request = auth.apply(request);
            }
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) => return Err(unanswered(cx.egress(), &exchange.url, &error).await),
            };
            if let Some(refused) = proxy_refusal(&response) {
                return Err(refused);
            }
            match target(&exchange.url, &response)? {
                None => return Ok(response),
                Some(_) if exchange.redirects == 0 => return Ok(response),
                Some(next) => exchange.follow(next, response.status()),
            }
        }
        Err(Error::fatal("too_many_redirects", format_args!("more than {} redirects", exchange.redirects)))
    }
}

impl Exchange {
    fn follow(&mut self, next: Url, status: StatusCode) {
        let as_get = status == StatusCode::SEE_OTHER
            || (matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND)
                && self.method == Method::POST);
        if as_get && self.method != Method::HEAD {
            self.method = Method::GET;
            self.body = None;
            self.headers.remove("content-type");
        }
        if next.origin() != self.url.origin() {
            for secret in ["authorization", "cookie", "proxy-authorization", "idempotency-key"] {
                self.headers.remove(secret);
            }
        }
        self.url = next;
    }
}

/// Where a redirect leads; none when the answer is no redirect.
fn target(from: &Url, response: &Response) -> Result<Option<Url>, Error> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let refused = |why: &str| Error::fatal("redirect_refused", format_args!("a redirect {why}"));
    let location = location.to_str().map_err(|_| refused("names no URL"))?;
    let next = from.join(location).map_err(|_| refused("names no URL"))?;
    match (from.scheme(), next.scheme()) {
        ("https", "http") => Err(refused("leads from https to http")),
        (_, "http" | "https") => Ok(Some(next)),
        _ => Err(refused("leads to another protocol")),
    }
}

/// Why there was no answer: the proxy may have refused it, or be away.
async fn unanswered(egress: &Egress, url: &Url, error: &reqwest::Error) -> Error {
    egress.explain(url, error).await.unwrap_or_else(|| failure(error))
}

/// What a request that got no answer means. The URL may hold secrets in its query, so it is not repeated.
pub(crate) fn failure(error: &reqwest::Error) -> Error {
    let causes =
        std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {}", chain(cause)));
    if error.is_timeout() {
        Error::retryable("timeout", "the other side did not answer in time")
    } else if error.is_connect() {
        Error::retryable("connect", format_args!("the connection failed{causes}"))
    } else if error.is_builder() {
        Error::fatal("bad_request", format_args!("the request cannot be made{causes}"))
    } else {
        Error::retryable("transport", format_args!("the exchange broke off{causes}"))
    }
}

/// Checks headers; a value with a line break would smuggle in others.
pub(crate) fn headers(wanted: &BTreeMap<String, String>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in wanted {
        let bad = || {
            Error::fatal("bad_header", format_args!("the header `{}` is not allowed", name.escape_debug()))
        };
        let known = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
        headers.insert(known, HeaderValue::from_str(value).map_err(|_| bad())?);
    }
    Ok(headers)
}

/// Adds query parameters: a list repeats its name, null is left out.
pub(crate) fn add_query(url: &mut Url, query: &Map<String, Value>) {
    if query.is_empty() {
        return;
    }
    let mut pairs = url.query_pairs_mut();
    for (name, value) in query {
        let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for item in items.iter().filter(|item| !item.is_null()) {
            pairs.append_pair(name, &plain(item));
        }
    }
}

/// Writes a body of its type, with its content type.
pub(crate) fn write_body(kind: BodyType, body: &Value) -> Result<(&'static str, Vec<u8>), Error> {
    match kind {
        BodyType::Json => Ok(("application/json", body.to_string().into_bytes())),
        BodyType::Text => Ok(("text/plain; charset=utf-8", plain(body).into_bytes())),
        BodyType::Form => {
            let Value::Object(fields) = body else {
                return Err(Error::fatal("bad_input", "the body of a form is an object"));
            };
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
                for item in items.iter().filter(|item| !item.is_null()) {
                    form.append_pair(name, &plain(item));
                }
            }
            Ok(("application/x-www-form-urlencoded", form.finish().into_bytes()))
        }
    }
}

/// A string as it is, anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
