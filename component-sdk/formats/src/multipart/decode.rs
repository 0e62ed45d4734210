//! Reading: a body is cut at its boundary lines (RFC 2046, section 5.1), each piece at its blank line.

use bytes::Bytes;
use encoding_rs::Encoding;
use memchr::memchr;
use memchr::memmem::Finder;

use super::{Part, PartBody};
use crate::error::{FormatError, FormatErrorCode, Place, quote};
use crate::limits::Limits;
use crate::media_type::{MediaType, Quoting, find, parameters};

/// Most bytes of the headers of one part.
const HEADERS: usize = 16 * 1024;

/// Longest boundary (RFC 2046, section 5.1.1), in bytes.
const BOUNDARY: usize = 70;

/// Reads a whole body; the bodies of the parts are slices that share its memory.
///
/// Any `multipart/*` is read, with the name and file name of `Content-Disposition`, `filename*`
/// (RFC 6266) before `filename`. What is before the first boundary and after the last is skipped,
/// and lines may end in LF alone.
///
/// # Errors
///
/// [`FormatErrorCode::TooLarge`] and [`FormatErrorCode::TooMany`] beyond the limits on bytes and parts,
/// [`FormatErrorCode::Multipart`] for a content type that is not multipart or has no boundary, and for
/// a body without its last boundary, which was cut off; [`FormatErrorCode::MultipartHeader`] for
/// headers beyond 16 KiB, or that ask for base64 or quoted-printable.
pub fn decode(body: &Bytes, content_type: &str, limits: &Limits) -> Result<Vec<Part>, FormatError> {
    limits.check_bytes(body.len())?;
    let media = MediaType::parse(content_type);
    let boundary = media.parameter("boundary").unwrap_or("");
    if !media.essence().starts_with("multipart/") || boundary.is_empty() || boundary.len() > BOUNDARY {
        let reason = "the content type is not multipart with a boundary of at most 70 bytes";
        return Err(FormatError::whole(FormatErrorCode::Multipart, reason));
    }
    let delimiter = format!("--{boundary}");
    let finder = Finder::new(&delimiter);
    let mut parts = Vec::new();
    let mut line = next_line(body, &finder, 0).ok_or_else(|| cut_off(0))?;
    while !line.last {
        let number = parts.len() + 1;
        if parts.len() == limits.parts {
            let reason = format!("more than {} parts", limits.parts);
            return Err(FormatError::new(FormatErrorCode::TooMany, Place::Part(number), reason));
        }
        let next = next_line(body, &finder, line.end).ok_or_else(|| cut_off(number))?;
        parts.push(part(&body.slice(line.end..next.start), number)?);
        line = next;
    }
    Ok(parts)
}

/// A boundary with the line ends about it.
#[derive(Debug, Clone, Copy)]
struct BoundaryLine {
    /// Where the content before it ends.
    start: usize,
    /// Where the content after it begins.
    end: usize,
    /// Whether no part follows.
    last: bool,
}

/// The next boundary that stands at the beginning of a line and fills it.
fn next_line(body: &[u8], finder: &Finder<'_>, from: usize) -> Option<BoundaryLine> {
    let mut at = from;
    loop {
        let found = at + finder.find(&body[at..])?;
        at = found + 1;
        let begins = found == 0 || body[found - 1] == b'\n';
        let after = found + finder.needle().len();
        let rest = &body[after..];
        let last = rest.starts_with(b"--");
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let line_end = match &rest[padding..] {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => 0,
        };
        if begins && (last || line_end > 0) {
            let before = &body[from..found];
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            let before = before.strip_suffix(b"\r").unwrap_or(before);
            let end = if last { body.len() } else { after + padding + line_end };
            return Some(BoundaryLine { start: from + before.len(), end, last });
        }
    }
}

fn part(content: &Bytes, number: usize) -> Result<Part, FormatError> {
    let (head, body) = split(content, number)?;
    let mut part =
        Part { name: String::new(), filename: None, content_type: None, body: PartBody::Bytes(body) };
    for (name, value) in headers(&head) {
        match name.as_str() {
            "content-disposition" => {
                let found = parameters(value.split_once(';').map_or("", |(_, rest)| rest), Quoting::Form);
                part.name = find(&found, "name").map(unescape).unwrap_or_default();
                part.filename = find(&found, "filename*")
                    .and_then(extended)
                    .or_else(|| find(&found, "filename").map(unescape));
            }
            "content-type" => part.content_type = Some(value),
            "content-transfer-encoding"
                if !["7bit", "8bit", "binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain)) =>
            {
                let reason = format!("the transfer encoding `{}` is not supported", quote(&value));
                return Err(FormatError::new(FormatErrorCode::MultipartHeader, Place::Part(number), reason));
            }
            _ => {}
        }
    }
    Ok(part)
}

/// Cuts a part at its first empty line. Some leave out the line end between that and the boundary, so
/// that whole lines to the end are headers without a body.
fn split(content: &Bytes, number: usize) -> Result<(String, Bytes), FormatError> {
    let mut at = 0;
    while at < content.len() {
        let end = match memchr(b'\n', &content[at..]) {
            Some(length) if at + length <= HEADERS => at + length + 1,
            Some(_) => return Err(headers_too_long(number)),
            None if content.len() > HEADERS => return Err(headers_too_long(number)),
            None => {
                let reason = "there is no empty line after the headers";
                return Err(FormatError::new(FormatErrorCode::Multipart, Place::Part(number), reason));
            }
        };
        if matches!(&content[at..end], b"\n" | b"\r\n") {
            return Ok((String::from_utf8_lossy(&content[..at]).into_owned(), content.slice(end..)));
        }
        at = end;
    }
    Ok((String::from_utf8_lossy(content).into_owned(), Bytes::new()))
}

/// Names in lower case and values, with lines that go on joined (RFC 5322, section 2.2.3).
fn headers(head: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in head.lines() {
        match found.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                found.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
    }
    found
}

/// What a browser escapes in a name.
fn unescape(name: &str) -> String {
    let name = name.replace("%22", "\"");
    name.replace("%0D", "\r").replace("%0d", "\r").replace("%0A", "\n").replace("%0a", "\n")
}

/// `charset'language'percent-encoded` (RFC 8187, section 3.2); nothing if it is not that.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    let encoding = Encoding::for_label(charset.as_bytes())?;
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    Some(encoding.decode_without_bom_handling(&bytes).0.into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn headers_too_long(number: usize) -> FormatError {
    let reason = format!("headers of more than {HEADERS} bytes");
    FormatError::new(FormatErrorCode::MultipartHeader, Place::Part(number), reason)
}

fn cut_off(number: usize) -> FormatError {
    let place = if number == 0 { Place::Whole } else { Place::Part(number) };
    FormatError::new(FormatErrorCode::Multipart, place, "the body ends before its last boundary")
}
