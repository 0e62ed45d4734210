//! Understands an answer: JSON or a form, and whether it is a refusal.

use std::time::Duration;

use serde_json::{Map, Value};
use sluice_domain::oauth::TokenFields;
use sluice_ports::oauth::OAuthError;
use url::form_urlencoded;

use crate::mask::Mask;

/// An answer, read but not yet understood.
pub(crate) struct Answer {
    pub(crate) place: String,
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The members of an answer that is no refusal.
    pub(crate) fn members(
        &self,
        fields: &TokenFields,
        mask: &Mask,
    ) -> Result<Map<String, Value>, OAuthError> {
        let found = self.read().ok_or("it is neither JSON nor a form");
        if let Ok(members) = &found
            && let Some(refusal) = self.refusal(members, fields, mask)
        {
            return Err(refusal);
        }
        self.success()?;
        found.map_err(|reason| self.malformed(reason))
    }

    /// Whether the answer is no refusal, where nothing is said of its body (RFC 7009, section 2.2).
    pub(crate) fn acknowledged(&self, fields: &TokenFields, mask: &Mask) -> Result<(), OAuthError> {
        let refusal = self.read().and_then(|members| self.refusal(&members, fields, mask));
        match refusal {
            Some(refusal) => Err(refusal),
            None => self.success(),
        }
    }

    /// The members of an answer, by its content type, else by what it looks like: some say `text/plain` or
    /// `text/html` of a form.
    fn read(&self) -> Option<Map<String, Value>> {
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let json = || serde_json::from_slice(&self.body).ok();
        if media_type.ends_with("/json") || media_type.ends_with("+json") {
            return json();
        }
        if media_type == "application/x-www-form-urlencoded" {
            return Some(self.form());
        }
        json().or_else(|| self.looks_like_form().then(|| self.form()))
    }

    fn form(&self) -> Map<String, Value> {
        form_urlencoded::parse(&self.body).map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// Only what has none of the characters of prose and markup.
    fn looks_like_form(&self) -> bool {
        let text = self.body.trim_ascii();
        let plain = |byte: &u8| byte.is_ascii_graphic() && !b"<>{}\"".contains(byte);
        text.contains(&b'=') && text.iter().all(plain)
    }

    /// The refusal that an answer is, whatever its status: some providers refuse with 200.
    fn refusal(&self, members: &Map<String, Value>, fields: &TokenFields, mask: &Mask) -> Option<OAuthError> {
        let error = at(members, &fields.error)?;
        let (code, inner) = match error {
            Value::String(code) if !code.is_empty() => (mask.said(code), None),
            Value::Number(code) => (code.to_string(), None),
            // Some have an object with a code and a message there.
            Value::Object(inner) => {
                let code = ["code", "type", "status"].into_iter().find_map(|name| plain(inner.get(name)?));
                (mask.said(&code.unwrap_or_else(|| "error".to_owned())), inner.get("message"))
            }
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => return None,
        };
        let description = at(members, &fields.error_description).or(inner).and_then(Value::as_str);
        Some(OAuthError::Refused {
            place: self.place.clone(),
            error: code,
            description: description.map(|text| mask.said(text)).filter(|text| !text.is_empty()),
            status: self.status,
            interval: members.get("interval").and_then(seconds),
        })
    }

    fn success(&self) -> Result<(), OAuthError> {
        match self.status {
            200..300 => Ok(()),
            300..400 => Err(self.malformed("it redirects, which an endpoint for tokens must not")),
            408 | 429 | 500.. => Err(OAuthError::Unavailable {
                place: self.place.clone(),
                status: self.status,
                retry_after: self.retry_after,
            }),
            _ => Err(self.malformed("it names no error")),
        }
    }

    pub(crate) fn malformed(&self, reason: &'static str) -> OAuthError {
        OAuthError::Malformed { place: self.place.clone(), status: self.status, reason }
    }
}

/// A member by its name, or by a JSON Pointer (RFC 6901).
pub(crate) fn at<'v>(members: &'v Map<String, Value>, field: &str) -> Option<&'v Value> {
    let Some(pointer) = field.strip_prefix('/') else { return members.get(field) };
    let mut steps = pointer.split('/').map(unescape);
    let first = members.get(&steps.next()?)?;
    steps.try_fold(first, |value, step| match value {
        Value::Object(members) => members.get(&step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// Takes a member out, by its name or a JSON Pointer.
pub(crate) fn take(members: &mut Map<String, Value>, field: &str) -> Option<Value> {
    let Some(pointer) = field.strip_prefix('/') else { return members.shift_remove(field) };
    match pointer.rsplit_once('/') {
        None => members.shift_remove(&unescape(pointer)),
        Some((before, last)) => {
            let mut steps = before.split('/').map(unescape);
            let first = members.get_mut(&steps.next()?)?;
            let parent = steps.try_fold(first, |value, step| value.get_mut(&step))?;
            parent.as_object_mut()?.shift_remove(&unescape(last))
        }
    }
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// A number of seconds, which some write as a text.
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // A hundred years: what is beyond is no time that anybody means.
    (0.0..=3.2e9).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_found_and_taken_by_name_and_by_pointer() {
        let value = json!({ "a": 1, "b": { "c/d": [{ "e~": 2 }] }, "/x": 3 });
        let mut members = value.as_object().unwrap().clone();
        for (field, expect) in [
            ("a", Some(1)),
            ("/a", Some(1)),
            ("/b/c~1d/0/e~0", Some(2)),
            ("/b/c~1d/1/e~0", None),
            ("/a/b", None),
            ("b/c", None),
            ("/x", None),
        ] {
            assert_eq!(at(&members, field).and_then(Value::as_u64), expect, "{field}");
        }
        assert_eq!(take(&mut members, "/b/c~1d"), Some(json!([{ "e~": 2 }])));
        assert_eq!((take(&mut members, "/b/none"), take(&mut members, "a")), (None, Some(json!(1))));
        assert_eq!(Value::Object(members), json!({ "b": {}, "/x": 3 }));
    }

    #[test]
    fn seconds_are_numbers_or_texts() {
        for (value, expect) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(0), Some(0)),
            (json!(-1), None),
            (json!(1e300), None),
            (json!("soon"), None),
            (json!(null), None),
        ] {
            assert_eq!(seconds(&value).map(|found| found.as_secs()), expect, "{value}");
        }
    }
}
