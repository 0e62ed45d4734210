//! The path of a request: names in braces replaced by values, percent-encoded (RFC 3986, section 2.1).
//!
//! A value never changes where a request goes: a slash in it is encoded, and a segment that would come out as `.` or `..`
//! is refused, since every URL parser resolves those, encoded or not.

use serde_json::Value;
use sluice_sdk::Error;

/// Fills a template. `find` gives the values of names.
pub(crate) fn fill<'v>(template: &str, find: impl Fn(&str) -> Option<&'v Value>) -> Result<String, Error> {
    let mut path = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        path.push_str(before);
        encode(&text(name, find(name))?, &mut path);
        rest = after;
    }
    path.push_str(rest);
    Ok(path)
}

/// Refuses a path that would not stay below the base URL.
pub(crate) fn check(path: &str) -> Result<(), Error> {
    if !(path.is_empty() || path.starts_with('/')) {
        return Err(refused("it does not begin with `/`"));
    }
    // Parsers of URLs leave out tabs and line breaks, which may part the dots of a segment until then.
    if path.chars().any(char::is_control) {
        return Err(refused("it has a control character"));
    }
    let dots =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    let before_query = path.split(['?', '#']).next().unwrap_or_default();
    if before_query.split(['/', '\\']).any(dots) {
        return Err(refused("it has a segment `.` or `..`"));
    }
    Ok(())
}

fn text(name: &str, value: Option<&Value>) -> Result<String, Error> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(flag)) => Ok(flag.to_string()),
        Some(Value::Array(_) | Value::Object(_)) => Err(refused(&format!("`{name}` is a list or an object"))),
        Some(Value::Null | Value::String(_)) | None => Err(refused(&format!("`{name}` has no value"))),
    }
}

fn refused(why: &str) -> Error {
    Error::fatal("bad_path", format_args!("the path of the request cannot be made: {why}"))
}

/// Everything but unreserved characters (RFC 3986, section 2.3).
fn encode(text: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(HEX[usize::from(byte >> 4)]));
            into.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(template: &str, values: &Value) -> Result<String, String> {
        let path = fill(template, |name| values.get(name)).map_err(|error| error.code().to_owned())?;
        check(&path).map_err(|error| error.code().to_owned())?;
        Ok(path)
    }

    #[test]
    fn values_are_encoded_and_cannot_leave_their_place() {
        let values = json!({
            "id": "a/b c?d#é", "n": 7, "up": "..", "up2": ".", "hash": "x.y", "none": null, "empty": "",
            "list": [1], "back": "..\\x"
        });
        for (template, expect) in [
            ("/contacts/{id}", Ok("/contacts/a%2Fb%20c%3Fd%23%C3%A9")),
            ("/contacts/{n}/notes", Ok("/contacts/7/notes")),
            ("/files/{hash}{n}", Ok("/files/x.y7")),
            ("/files/{back}", Ok("/files/..%5Cx")),
            ("", Ok("")),
            ("/contacts/{up}", Err("bad_path")),
            ("/contacts/{up2}{up2}/x", Err("bad_path")),
            ("/contacts/%2E{up2}/x", Err("bad_path")),
            ("/contacts/{none}", Err("bad_path")),
            ("/contacts/{empty}", Err("bad_path")),
            ("/contacts/{list}", Err("bad_path")),
            ("/contacts/.\t./x", Err("bad_path")),
            ("/contacts/%2\re%2e/x", Err("bad_path")),
            ("/contacts/{missing}", Err("bad_path")),
            ("contacts", Err("bad_path")),
            ("@evil.example/x", Err("bad_path")),
        ] {
            assert_eq!(
                filled(template, &values),
                expect.map(str::to_owned).map_err(str::to_owned),
                "{template}"
            );
        }
    }
}
