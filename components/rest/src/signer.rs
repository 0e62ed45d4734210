//! Requests that a script signs: what it sees of each, and what becomes of its answer.
//!
//! This is the one place where a script sees secrets. Nothing that it says goes to the log.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};
use sluice_script::{NoHost, Scripts};
use sluice_sdk::Error;
use url::Url;

use crate::auth::{Credential, sensitive};
use crate::desk::{Desk, Task};
use crate::expression::plain;
use crate::redact::Redactor;
use crate::request::Draft;
use crate::upload::Content;

/// Headers that the HTTP client sets itself.
pub(crate) const RESERVED: [&str; 5] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade"];
/// A shorter value of a signature is no secret: a version, or the name of an algorithm.
const SHORTEST: usize = 12;

/// Who authorises requests.
pub(crate) struct Authority<'r> {
    /// Credentials that are the same for all.
    pub(crate) fixed: Vec<Credential>,
    pub(crate) signer: Option<Signer<'r>>,
}

/// A script that signs, and what it gets besides the request.
pub(crate) struct Signer<'r> {
    pub(crate) desk: &'r Desk,
    pub(crate) scripts: Scripts,
    pub(crate) name: String,
    pub(crate) secrets: Arc<Map<String, Value>>,
    pub(crate) vars: Value,
}

impl Authority<'_> {
    /// The credential of a request to a URL that may see it.
    pub(crate) async fn credential(&self, draft: &Draft) -> Result<Credential, Error> {
        let mut all = self.fixed.clone();
        if let Some(signer) = &self.signer {
            all.push(signer.sign(draft).await?);
        }
        Ok(Credential::All(all))
    }
}

impl Signer<'_> {
    async fn sign(&self, draft: &Draft) -> Result<Credential, Error> {
        let secrets = Value::Object(Map::clone(&self.secrets));
        let args = vec![seen(draft), secrets, json!({ "vars": self.vars })];
        let (scripts, name) = (self.scripts.clone(), self.name.clone());
        let signed = self.desk.compute(Task { scripts, name, args, host: Arc::new(NoHost) }).await?;
        self.read(signed)
    }

    /// Reads what the script gave: `{ headers, query }`, each of texts by name.
    fn read(&self, signed: Value) -> Result<Credential, Error> {
        let bad =
            |what: &str| Error::fatal("script_failed", format_args!("script `{}` gives {what}", self.name));
        let Value::Object(mut signed) = signed else {
            return Err(bad("no object with `headers` and `query`"));
        };
        let mut part = |name: &str| match signed.remove(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members),
            Some(_) => Err(bad("`headers` or `query` that are no object")),
        };
        let (wanted, params) = (part("headers")?, part("query")?);
        if !signed.is_empty() {
            return Err(bad("more than `headers` and `query`"));
        }
        let is_text = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_) | Value::Null);
        let mut headers = HeaderMap::new();
        for (name, value) in wanted {
            let known = HeaderName::try_from(name.as_str()).ok();
            let known = known.filter(|known| is_text(&value) && !RESERVED.contains(&known.as_str()));
            let Some(known) = known else { return Err(bad("a header that cannot be set")) };
            headers.insert(known, sensitive(plain(&value).as_bytes())?);
        }
        let mut query = Vec::new();
        for (name, value) in params {
            if !is_text(&value) {
                return Err(bad("a parameter of the query that is no text"));
            }
            query.push((name, plain(&value)));
        }
        Ok(Credential::Signature { headers, query })
    }
}

/// A request as the script sees it.
fn seen(draft: &Draft) -> Value {
    let mut headers = Map::new();
    for name in draft.headers.keys() {
        let values = draft.headers.get_all(name).iter();
        let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.as_str().to_owned(), values.join(", ").into());
    }
    headers.insert("host".to_owned(), host(&draft.url).into());
    let content = draft.body.as_ref();
    let bytes: Vec<u8> =
        content.map(|it| it.known().flat_map(|bytes| bytes.to_vec()).collect()).unwrap_or_default();
    let body = match String::from_utf8(bytes) {
        // What is fetched while it is sent cannot be seen before.
        _ if content.is_some_and(Content::has_sources) => Value::Null,
        Ok(text) => Value::String(text),
        Err(bytes) => json!({ "base64": STANDARD.encode(bytes.as_bytes()) }),
    };
    json!({
        "method": draft.method.as_str(),
        "url": draft.url.as_str(),
        "path": draft.url.path(),
        "query": params(&draft.url),
        "headers": headers,
        "body": body,
    })
}

/// The parameters of a query by name; what is there more than once is a list.
pub(crate) fn params(url: &Url) -> Map<String, Value> {
    let mut params: Map<String, Value> = Map::new();
    for (name, value) in url.query_pairs() {
        let value = Value::String(value.into_owned());
        match params.get_mut(name.as_ref()) {
            None => drop(params.insert(name.into_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    params
}

/// What the `Host` header will say (RFC 9110, section 7.2).
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// Takes out what a script made of secrets, too.
pub(crate) fn masking(redactor: &Redactor, credential: &Credential) -> Redactor {
    let (headers, query) = match credential {
        Credential::Signature { headers, query } => (headers, query),
        Credential::All(all) => {
            let none = redactor.and(&Map::new());
            return all.iter().fold(none, |redactor, one| masking(&redactor, one));
        }
        Credential::None | Credential::Header(..) | Credential::Query(..) | Credential::Cookie(_) => {
            return redactor.and(&Map::new());
        }
    };
    let of_headers = headers.iter().map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let made = of_headers.chain(query.iter().map(|(_, value)| value.clone()));
    let made = made.filter(|text| text.len() >= SHORTEST).enumerate();
    redactor.and(&made.map(|(index, text)| (index.to_string(), Value::String(text))).collect())
}
