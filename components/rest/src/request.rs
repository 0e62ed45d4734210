//! Builds what is sent: method, URL, headers and body, all but the credentials.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use sluice_declarative::ResponseFormat;
use sluice_mapping::{Evaluator, Mapping, Root};
use sluice_sdk::Error;
use url::Url;

use crate::body;
use crate::expression::{each, failed, members, plain};
use crate::form::{Form, Path};
use crate::path;
use crate::upload::Content;

/// Longest value of a header, and most that all headers may have together, in bytes.
const HEADER_BYTES: usize = 8 * 1024;
const HEADERS_BYTES: usize = 64 * 1024;
/// Longest URL, in bytes.
const URL_BYTES: usize = 32 * 1024;

/// A request without credentials.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// What `base_url` came to.
    pub(crate) base: Url,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Content>,
    /// What the body was made of, where that is needed again.
    pub(crate) value: Option<Arc<Value>>,
}

/// Evaluates the request of a call over `{ vars, config, input }` or `{ vars, config, cursor }`.
pub(crate) fn draft(
    form: &Form,
    evaluator: &mut Evaluator,
    scope: &Map<String, Value>,
) -> Result<Draft, Error> {
    let document = Value::Object(scope.clone());
    let root = Root::new(&document);
    let base = base(form, evaluator, &root)?;
    let mut url = match &form.path {
        Path::Url(url) => whole(evaluator, url, &root)?,
        Path::Template(..) | Path::Expression(_) => join(&base, &path_of(form, evaluator, &root, scope)?)?,
    };
    for query in &form.query {
        for (name, value) in members(evaluator, query, &root)? {
            remove_param(&mut url, &name);
            for item in each(&value) {
                url.query_pairs_mut().append_pair(&name, &plain(item));
            }
        }
    }
    check_url(&url)?;
    let mut headers = HeaderMap::new();
    for wanted in &form.headers {
        add_headers(&mut headers, &members(evaluator, wanted, &root)?)?;
    }
    if !headers.contains_key(ACCEPT) {
        headers.insert(ACCEPT, HeaderValue::from_static(accepted(form.format)));
    }
    let mut kept = None;
    let body = match &form.body {
        None => None,
        Some(body) => {
            let value = evaluator.map(&body.value, &root).map_err(|error| failed(&error))?;
            let written = body::encode((body.format, body.content_type.as_deref()), &value)?;
            kept = form.keeps_value.then(|| Arc::new(value));
            written
        }
    };
    let body = body.map(|(content_type, pieces)| {
        headers.entry(CONTENT_TYPE).or_insert(content_type);
        Content { pieces, most: form.max_upload_bytes }
    });
    let method =
        form.method.parse::<Method>().map_err(|_| Error::fatal("bad_method", "the method is none"))?;
    Ok(Draft { base, method, url, headers, body, value: kept })
}

/// Refuses a URL that is too long.
pub(crate) fn check_url(url: &Url) -> Result<(), Error> {
    if url.as_str().len() > URL_BYTES {
        return Err(Error::fatal("bad_url", format_args!("the URL is longer than {URL_BYTES} bytes")));
    }
    Ok(())
}

fn base(form: &Form, evaluator: &mut Evaluator, root: &Root<'_>) -> Result<Url, Error> {
    let bad = |why: &str| Error::fatal("bad_base_url", format_args!("`base_url` {why}"));
    let text = evaluator.map(&form.base_url, root).map_err(|error| failed(&error))?;
    let text = text.as_str().ok_or_else(|| bad("is no text"))?;
    let mut base: Url = text.trim().parse().map_err(|_| bad("is no URL"))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(bad("is neither http nor https"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(bad("holds a user name or password: they belong into the secrets"));
    }
    base.set_fragment(None);
    Ok(base)
}

/// A URL that is given as a whole.
fn whole(evaluator: &mut Evaluator, url: &Mapping, root: &Root<'_>) -> Result<Url, Error> {
    let bad = || Error::fatal("bad_url", "the URL of the request is none");
    let text = evaluator.map(url, root).map_err(|error| failed(&error))?;
    let mut url: Url = text.as_str().ok_or_else(bad)?.trim().parse().map_err(|_| bad())?;
    url.set_fragment(None);
    Ok(url)
}

fn path_of(
    form: &Form,
    evaluator: &mut Evaluator,
    root: &Root<'_>,
    scope: &Map<String, Value>,
) -> Result<String, Error> {
    let path = match &form.path {
        Path::Template(template, params) => {
            let params = members(evaluator, params, root)?;
            path::fill(template, |name| {
                let of = |at: &str| scope.get(at).and_then(|value| value.get(name));
                params.get(name).or_else(|| of("input")).or_else(|| of("config"))
            })?
        }
        Path::Expression(mapping) | Path::Url(mapping) => plain(&text_of(evaluator, mapping, root)?),
    };
    path::check(&path)?;
    Ok(path)
}

fn text_of(evaluator: &mut Evaluator, mapping: &Mapping, root: &Root<'_>) -> Result<Value, Error> {
    match evaluator.map(mapping, root).map_err(|error| failed(&error))? {
        text @ Value::String(_) => Ok(text),
        _ => Err(Error::fatal("bad_path", "the expression of the path gives no text")),
    }
}

/// Appends a path, which may have a query, to the base URL, which may have one too.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url, Error> {
    let bad = || Error::fatal("bad_path", "the path of the request makes no URL");
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    if !path.is_empty() {
        let mut stem = base.clone();
        stem.set_query(None);
        let whole = format!("{}{path}", stem.as_str().trim_end_matches('/'));
        url = whole.parse().map_err(|_| bad())?;
        url.set_fragment(None);
        url.set_query(base.query());
    }
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        let query = query.split('#').next().unwrap_or_default();
        let joined = base.query().map_or_else(|| query.to_owned(), |before| format!("{before}&{query}"));
        url.set_query(Some(&joined));
    }
    Ok(url)
}

pub(crate) fn add_headers(headers: &mut HeaderMap, wanted: &Map<String, Value>) -> Result<(), Error> {
    for (name, value) in wanted {
        let bad = |why: &str| {
            Error::fatal("bad_header", format_args!("the header `{}` {why}", name.escape_debug()))
        };
        let known =
            HeaderName::try_from(name.as_str()).map_err(|_| bad("has a name that HTTP does not know"))?;
        if value.is_null() {
            continue;
        }
        headers.remove(&known);
        for item in each(value) {
            if matches!(item, Value::Array(_) | Value::Object(_)) {
                return Err(bad("is a list of lists, or an object"));
            }
            let text = plain(item);
            if text.len() > HEADER_BYTES {
                return Err(bad("is too long"));
            }
            // Bytes rather than text: what is no ASCII goes as UTF-8. Control characters are refused.
            let text = HeaderValue::from_bytes(text.as_bytes())
                .map_err(|_| bad("has a line break or another control character"))?;
            headers.append(known.clone(), text);
        }
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADERS_BYTES {
        return Err(Error::fatal(
            "bad_header",
            format_args!("the headers have more than {HEADERS_BYTES} bytes"),
        ));
    }
    Ok(())
}

fn accepted(format: Option<ResponseFormat>) -> &'static str {
    match format {
        None => "application/json, */*;q=0.5",
        Some(ResponseFormat::Json) => "application/json",
        Some(ResponseFormat::Xml) => "application/xml, text/xml;q=0.9, */*;q=0.1",
        Some(ResponseFormat::Csv) => "text/csv, */*;q=0.1",
        Some(ResponseFormat::Ndjson) => "application/x-ndjson, */*;q=0.1",
        Some(ResponseFormat::Form) => "application/x-www-form-urlencoded, */*;q=0.1",
        Some(ResponseFormat::Text) => "text/plain, */*;q=0.1",
        Some(ResponseFormat::Bytes) => "*/*",
    }
}

/// Sets a parameter of the query, in place of all of that name.
pub(crate) fn set_param(url: &mut Url, name: &str, value: &str) {
    remove_param(url, name);
    url.query_pairs_mut().append_pair(name, value);
}

pub(crate) fn remove_param(url: &mut Url, name: &str) {
    if !url.query_pairs().any(|(known, _)| known == name) {
        return;
    }
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(known, _)| known != name)
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
}
