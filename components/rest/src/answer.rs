//! Reads an answer: its headers, its bytes up to a limit, and what they mean by their format.

use std::sync::Arc;

use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};
use sluice_declarative::ResponseFormat;
use sluice_formats::{Format, FormatError, Limits};
use sluice_sdk::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure;

/// How much of an answer is looked at for an error's text, in bytes.
const BEGINNING: usize = 64 * 1024;

/// An answer of more bytes than this is large: as values it may take fifty times as much.
pub(crate) const LIGHT: usize = 256 * 1024;
/// Large answers that are held at a time.
const LARGE: usize = 2;
/// Most values in an answer.
const NODES: usize = 250_000;
/// Most rows of CSV and lines of NDJSON in an answer.
const ROWS: usize = 100_000;

/// An answer, read but not yet understood.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Map<String, Value>,
    pub(crate) bytes: Vec<u8>,
    /// There was more than allowed.
    pub(crate) cut: bool,
    /// Its place among the large ones.
    pub(crate) room: Option<Room>,
}

/// Keeps a place among the large answers, until what they held is on its way.
pub(crate) type Room = OwnedSemaphorePermit;

/// Room for large answers. The others wait with what they have read so far.
pub(crate) struct Rooms(Arc<Semaphore>);

impl Default for Rooms {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE)))
    }
}

/// Reads no more than `most` bytes. What is large waits for room first.
pub(crate) async fn read(
    mut response: Response,
    most: usize,
    place: &str,
    rooms: &Rooms,
) -> Result<Answer, Error> {
    let mut room = None;
    let (status, headers) = (response.status().as_u16(), headers(response.headers()));
    let mut bytes = Vec::new();
    let mut cut = response.content_length().is_some_and(|length| length > most as u64);
    // Of an error the beginning is enough to say what it is.
    while !cut || status >= 400 {
        let chunk = response.chunk().await.map_err(|error| failure::transport(&error, place))?;
        let Some(chunk) = chunk else { break };
        let left = most - bytes.len();
        if room.is_none() && bytes.len() + chunk.len() > LIGHT {
            let free = Arc::clone(&rooms.0).acquire_owned().await;
            room = Some(free.map_err(|_| Error::retryable("no_room", "no more answers are read"))?);
        }
        bytes.extend_from_slice(&chunk[..chunk.len().min(left)]);
        if chunk.len() > left {
            cut = true;
            break;
        }
    }
    Ok(Answer { status, headers, bytes, cut, room })
}

/// Names in lower case; repeated ones joined by a comma (RFC 9110, section 5.3).
pub(crate) fn headers(from: &HeaderMap) -> Map<String, Value> {
    let mut headers = Map::new();
    for name in from.keys() {
        let values = from.get_all(name).iter();
        let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.as_str().to_owned(), values.join(", ").into());
    }
    headers
}

impl Answer {
    /// The body as a value. An empty one is nothing.
    pub(crate) fn decode(&self, format: Option<ResponseFormat>) -> Result<Value, FormatError> {
        if self.bytes.is_empty() {
            return Ok(Value::Null);
        }
        let content_type = self.headers.get("content-type").and_then(Value::as_str);
        let format = match (format, content_type) {
            (Some(format), _) => known(format),
            (None, Some(content_type)) => Format::of_content_type(content_type),
            (None, None) => self.guess(),
        };
        // The bytes are bounded already. A value takes about 100 bytes, and expressions may need it twice.
        let limits = Limits { bytes: usize::MAX, depth: 126, nodes: NODES, rows: ROWS, parts: 1000 };
        sluice_formats::decode(format, &self.bytes, content_type, &limits)
    }

    /// The beginning of the body as a text, whatever it is.
    pub(crate) fn beginning(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(BEGINNING)]).into_owned()
    }

    /// What a body is that nobody says anything of.
    fn guess(&self) -> Format {
        if serde_json::from_slice::<serde::de::IgnoredAny>(&self.bytes).is_ok() {
            Format::Json
        } else if std::str::from_utf8(&self.bytes).is_ok() {
            Format::Text
        } else {
            Format::Bytes
        }
    }
}

fn known(format: ResponseFormat) -> Format {
    match format {
        ResponseFormat::Json => Format::Json,
        ResponseFormat::Xml => Format::Xml,
        ResponseFormat::Csv => Format::Csv,
        ResponseFormat::Ndjson => Format::Ndjson,
        ResponseFormat::Form => Format::Form,
        ResponseFormat::Text => Format::Text,
        ResponseFormat::Bytes => Format::Bytes,
    }
}
