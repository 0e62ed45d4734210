//! The next page by an expression: what it sees of the last request, and how what it gives is laid over that request.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use serde_json::{Map, Value, json};
use sluice_declarative::BodyFormat;
use sluice_sdk::Error;
use url::Url;

use crate::answer;
use crate::body;
use crate::exchange;
use crate::expression::{each, plain};
use crate::form::Form;
use crate::path;
use crate::request::{self, Draft, add_headers, remove_param};
use crate::signer::{RESERVED, params};
use crate::upload::Content;

/// A request as the expression sees it: without credentials.
pub(crate) fn parts(draft: &Draft) -> Value {
    json!({
        "method": draft.method.as_str(),
        "url": draft.url.as_str(),
        "path": draft.url.path(),
        "query": params(&draft.url),
        "headers": answer::headers(&draft.headers),
        "body": draft.value.as_deref(),
    })
}

/// What tells a request from others.
pub(crate) fn fingerprint(draft: &Draft) -> u64 {
    let mut hasher = DefaultHasher::new();
    (draft.method.as_str(), draft.url.as_str()).hash(&mut hasher);
    for (name, value) in &draft.headers {
        // The boundary of a multipart body is another each time.
        if name != CONTENT_TYPE {
            (name.as_str(), value.as_bytes()).hash(&mut hasher);
        }
    }
    draft.value.as_deref().map(Value::to_string).hash(&mut hasher);
    hasher.finish()
}

/// The request for the next page: `wanted` laid over the last one. Nothing where the expression gave nothing. `from` is the
/// URL that answered.
pub(crate) fn lay(form: &Form, last: &Draft, from: &Url, wanted: Value) -> Result<Option<Draft>, Error> {
    let mut wanted = match wanted {
        Value::Null | Value::Bool(false) => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::Object(wanted) => wanted,
        Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(bad("it is no object"));
        }
    };
    let mut draft = last.clone();
    lead(&mut draft, from, &mut wanted)?;
    for (name, value) in members(&mut wanted, "query")? {
        remove_param(&mut draft.url, &name);
        for item in each(&value) {
            draft.url.query_pairs_mut().append_pair(&name, &plain(item));
        }
    }
    request::check_url(&draft.url)?;
    let headers = members(&mut wanted, "headers")?;
    for (name, value) in &headers {
        if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(bad("it sets a header that only HTTP itself sets"));
        }
        if let (Ok(name), true) = (HeaderName::try_from(name), value.is_null()) {
            draft.headers.remove(name);
        }
    }
    add_headers(&mut draft.headers, &headers)?;
    if let Some(patch) = wanted.remove("body") {
        write(form, &mut draft, &patch)?;
    }
    match wanted.keys().next() {
        None => Ok(Some(draft)),
        Some(other) => {
            let other: String = other.chars().take(60).collect();
            Err(bad(&format!("`{other}` is none of `query`, `headers`, `body`, `path` and `url`")))
        }
    }
}

/// Takes the request where `url` or `path` says.
fn lead(draft: &mut Draft, from: &Url, wanted: &mut Map<String, Value>) -> Result<(), Error> {
    match (text(wanted, "url")?, text(wanted, "path")?) {
        (Some(_), Some(_)) => return Err(bad("it has both `url` and `path`")),
        (Some(url), None) => {
            let mut url = from.join(url.trim()).map_err(|_| bad("its `url` is none"))?;
            url.set_fragment(None);
            exchange::leave(draft, url);
        }
        (None, Some(path)) => {
            path::check(&path)?;
            let mut url = request::join(&draft.base, &path)?;
            if !path.contains('?') {
                url.set_query(draft.url.query());
            }
            exchange::leave(draft, url);
        }
        (None, None) => {}
    }
    Ok(())
}

/// Writes the body anew, with the patch laid over it.
fn write(form: &Form, draft: &mut Draft, patch: &Value) -> Result<(), Error> {
    if matches!(draft.method, Method::GET | Method::HEAD) {
        return Err(bad("a GET request has no body"));
    }
    let mut value = draft.value.as_deref().cloned().unwrap_or(Value::Null);
    merge(&mut value, patch);
    let format = form.body.as_ref().map_or(BodyFormat::Json, |body| body.format);
    let content_type = form.body.as_ref().and_then(|body| body.content_type.as_deref());
    draft.body = body::encode((format, content_type), &value)?.map(|(content_type, pieces)| {
        if format == BodyFormat::Multipart {
            draft.headers.remove(CONTENT_TYPE);
        }
        draft.headers.entry(CONTENT_TYPE).or_insert(content_type);
        Content { pieces, most: form.max_upload_bytes }
    });
    draft.value = Some(Arc::new(value));
    Ok(())
}

/// JSON Merge Patch (RFC 7396): members of objects one by one, `null` removes one, all else is replaced.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(members) = value else { return };
    for (name, patch) in patch {
        if patch.is_null() {
            members.shift_remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), patch);
        }
    }
}

fn text(wanted: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Error> {
    match wanted.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(&format!("its `{name}` is no text"))),
    }
}

fn members(wanted: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, Error> {
    match wanted.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => Err(bad(&format!("its `{name}` is no object"))),
    }
}

fn bad(why: &str) -> Error {
    Error::fatal("bad_next_page", format_args!("what `pagination.next` gives is no next request: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_laid_over_a_body() {
        for (value, patch, expect) in [
            (
                json!({ "q": "x", "v": { "n": 1 } }),
                json!({ "v": { "after": "c" } }),
                json!({ "q": "x", "v": { "n": 1, "after": "c" } }),
            ),
            (json!({ "a": 1, "b": [1] }), json!({ "a": null, "b": [2] }), json!({ "b": [2] })),
            (json!("text"), json!({ "a": { "b": null } }), json!({ "a": {} })),
            (json!({ "a": 1 }), json!("text"), json!("text")),
        ] {
            let mut merged = value;
            merge(&mut merged, &patch);
            assert_eq!(merged, expect);
        }
    }
}
