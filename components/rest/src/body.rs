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
use url::Url;

use crate::expression::{each, plain};
use crate::upload::{Piece, SOURCES, Source};

/// What the description of a part may have.
const MEMBERS: [&str; 5] = ["value", "base64", "from", "content_type", "filename"];

/// The content type, and the bytes in pieces; nothing where the value is nothing.
pub(crate) fn encode(
    (format, declared): (BodyFormat, Option<&str>),
    value: &Value,
) -> Result<Option<(HeaderValue, Vec<Piece>)>, Error> {
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
            let (parts, sources) = parts(value)?;
            let encoded = multipart::encode(parts).map_err(bad)?;
            let mut pieces = pieces(encoded.chunks);
            for (part, source) in sources.into_iter().rev() {
                pieces.insert(encoded.contents[part], Piece::Source(source));
            }
            // The boundary is in it, so nothing else will do.
            return Ok(Some((content_type(&encoded.content_type)?, pieces)));
        }
    };
    Ok(Some((content_type(declared.unwrap_or(&usual))?, pieces(chunks))))
}

fn pieces(chunks: Vec<Bytes>) -> Vec<Piece> {
    chunks.into_iter().map(Piece::Bytes).collect()
}

fn whole(text: String) -> Vec<Bytes> {
    vec![text.into()]
}

fn content_type(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| bad("its content type is none"))
}

/// Where parts come from, by the number of the part.
type Sources = Vec<(usize, Source)>;

/// The parts of a multipart body: a list of them repeats the name, nothing leaves it out.
fn parts(value: &Value) -> Result<(Vec<Part>, Sources), Error> {
    let members = value.as_object().ok_or_else(|| bad("that of a multipart body is an object"))?;
    let (mut parts, mut sources) = (Vec::new(), Vec::new());
    for (name, value) in members {
        for item in each(value) {
            let part = match item {
                Value::Object(described) if describes(described) => {
                    if let Some(source) = source(name, described)? {
                        sources.push((parts.len(), source));
                    }
                    part(name, described)?
                }
                Value::Object(_) => Some(text_part(name, item.to_string(), Some("application/json"))),
                other => Some(text_part(name, plain(other), None)),
            };
            parts.extend(part);
        }
    }
    if sources.len() > SOURCES {
        return Err(bad(format_args!("more than {SOURCES} parts come `from` elsewhere")));
    }
    Ok((parts, sources))
}

/// Whether an object says what a part is. Any other object is the content itself, as JSON.
fn describes(object: &Map<String, Value>) -> bool {
    !object.is_empty() && object.keys().all(|name| MEMBERS.contains(&name.as_str()))
}

fn text_part(name: &str, text: String, content_type: Option<&str>) -> Part {
    Part {
        name: name.to_owned(),
        filename: None,
        content_type: content_type.map(str::to_owned),
        body: PartBody::Text(text),
    }
}

/// Where the content of a part comes from, if that is elsewhere.
fn source(name: &str, described: &Map<String, Value>) -> Result<Option<Source>, Error> {
    let no = |why: &str| bad(format_args!("part `{name}`: {why}"));
    let Some(from) = described.get("from").filter(|from| !from.is_null()) else { return Ok(None) };
    if ["value", "base64"].iter().any(|other| described.contains_key(*other)) {
        return Err(no("`from` excludes `value` and `base64`"));
    }
    let url: Option<Url> = from.as_str().and_then(|from| from.trim().parse().ok());
    let mut url = url.ok_or_else(|| no("its `from` is no URL"))?;
    url.set_fragment(None);
    Ok(Some(Source { part: name.to_owned(), url }))
}

/// A part as `{ value, base64, from, content_type, filename }`: `base64: true` says how `value` is written. Nothing where
/// it has no content.
fn part(name: &str, described: &Map<String, Value>) -> Result<Option<Part>, Error> {
    let text = |field: &str| described.get(field).filter(|value| !value.is_null()).map(plain);
    let from = text("from");
    let (body, usual) = match (described.get("base64"), described.get("value")) {
        (Some(Value::Bool(true)), Some(value)) => (PartBody::Bytes(base64(value)?), None),
        (Some(data @ Value::String(_)), _) => (PartBody::Bytes(base64(data)?), None),
        (_, Some(value @ (Value::Object(_) | Value::Array(_)))) => {
            (PartBody::Text(value.to_string()), Some("application/json"))
        }
        (_, Some(Value::Null)) => (PartBody::Text(String::new()), None),
        (_, Some(value)) => (PartBody::Text(plain(value)), None),
        (_, None) if from.is_some() => (PartBody::Chunks(Vec::new()), None),
        (_, None) => return Ok(None),
    };
    let filename = text("filename").or_else(|| from.map(|from| last_segment(&from)));
    let usual = usual.or_else(|| filename.as_ref().map(|_| "application/octet-stream"));
    let content_type = text("content_type").or_else(|| usual.map(str::to_owned));
    Ok(Some(Part { name: name.to_owned(), filename, content_type, body }))
}

/// What a file is called whose URL alone is known.
fn last_segment(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.trim_end_matches('/').rsplit('/').next() {
        Some(name) if !name.is_empty() => name.to_owned(),
        Some(_) | None => "file".to_owned(),
    }
}

fn base64(value: &Value) -> Result<Bytes, Error> {
    let text = value.as_str().ok_or_else(|| bad("bytes are given as a text in Base64"))?;
    let bytes = STANDARD.decode(text.trim()).map_err(|_| bad("it is not Base64 with padding"))?;
    Ok(bytes.into())
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::fatal("bad_body", format_args!("the body of the request cannot be written: {why}"))
}
