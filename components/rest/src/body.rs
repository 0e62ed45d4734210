//! Writes the body of a request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};
use sluice_declarative::BodyFormat;
use sluice_formats::multipart::{self, Part, PartBody};
use sluice_formats::{Limits, encode_form, encode_xml};
use sluice_sdk::Error;

use crate::expression::{each, plain};

/// The content type, and the bytes in pieces; nothing where the value is nothing.
pub(crate) fn encode(
    (format, declared): (BodyFormat, Option<&str>),
    value: &Value,
) -> Result<Option<(HeaderValue, Vec<Bytes>)>, Error> {
    if value.is_null() {
        return Ok(None);
    }
    let (usual, chunks) = match format {
        BodyFormat::Json => ("application/json".to_owned(), whole(value.to_string())),
        BodyFormat::Text => ("text/plain; charset=utf-8".to_owned(), whole(plain(value))),
        BodyFormat::Form => {
            ("application/x-www-form-urlencoded".to_owned(), whole(encode_form(value).map_err(bad)?))
        }
        BodyFormat::Xml => {
            let text = encode_xml(value, None, &Limits::default()).map_err(bad)?;
            ("application/xml".to_owned(), whole(text))
        }
        BodyFormat::Bytes => ("application/octet-stream".to_owned(), vec![base64(value)?]),
        BodyFormat::Multipart => {
            let encoded = multipart::encode(parts(value)?).map_err(bad)?;
            // The boundary is in it, so nothing else will do.
            return Ok(Some((content_type(&encoded.content_type)?, encoded.chunks)));
        }
    };
    Ok(Some((content_type(declared.unwrap_or(&usual))?, chunks)))
}

fn whole(text: String) -> Vec<Bytes> {
    vec![text.into()]
}

fn content_type(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| bad("its content type is none"))
}

/// The parts of a multipart body: a list of them repeats the name, nothing leaves it out.
fn parts(value: &Value) -> Result<Vec<Part>, Error> {
    let members = value.as_object().ok_or_else(|| bad("that of a multipart body is an object"))?;
    let mut parts = Vec::new();
    for (name, value) in members {
        for item in each(value) {
            parts.push(match item {
                Value::Object(described) => part(name, described)?,
                other => Part {
                    name: name.clone(),
                    filename: None,
                    content_type: None,
                    body: PartBody::Text(plain(other)),
                },
            });
        }
    }
    Ok(parts)
}

/// A part as `{ value, content_type, filename, base64 }`: `base64: true` says how `value` is written.
fn part(name: &str, described: &Map<String, Value>) -> Result<Part, Error> {
    let text = |field: &str| described.get(field).filter(|value| !value.is_null()).map(plain);
    let value = described.get("value").unwrap_or(&Value::Null);
    let (body, usual) = match (described.get("base64"), value) {
        (Some(Value::Bool(true)), value) => (PartBody::Bytes(base64(value)?), None),
        (Some(data @ Value::String(_)), _) => (PartBody::Bytes(base64(data)?), None),
        (_, Value::Object(_) | Value::Array(_)) => {
            (PartBody::Text(value.to_string()), Some("application/json"))
        }
        (_, Value::Null) => (PartBody::Text(String::new()), None),
        (_, value) => (PartBody::Text(plain(value)), None),
    };
    let filename = text("filename");
    let usual = usual.or_else(|| filename.as_ref().map(|_| "application/octet-stream"));
    let content_type = text("content_type").or_else(|| usual.map(str::to_owned));
    Ok(Part { name: name.to_owned(), filename, content_type, body })
}

fn base64(value: &Value) -> Result<Bytes, Error> {
    let text = value.as_str().ok_or_else(|| bad("bytes are given as a text in Base64"))?;
    let bytes = STANDARD.decode(text.trim()).map_err(|_| bad("it is not Base64 with padding"))?;
    Ok(bytes.into())
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::fatal("bad_body", format_args!("the body of the request cannot be written: {why}"))
}
