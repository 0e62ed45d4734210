//! Writing: a random boundary that no part holds, headers, and the bodies as they are.

use bytes::Bytes;
use memchr::memmem::Finder;

use super::Part;
use crate::error::{FormatError, FormatErrorCode, Place};

/// How many boundaries are tried. One of 128 random bits occurs in no body by accident.
const ATTEMPTS: usize = 4;

/// A `multipart/form-data` body, ready to be sent piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The body in pieces; joined they are the body.
    pub chunks: Vec<Bytes>,
    /// For each part the place in `chunks` where its content begins. A part without content is a place to insert it.
    pub contents: Vec<usize>,
    /// The bytes of all pieces, for `Content-Length`.
    pub length: u64,
    /// The `Content-Type` header with the boundary.
    pub content_type: String,
}

/// Writes the parts in their order as `multipart/form-data` (RFC 7578).
///
/// # Errors
///
/// [`FormatErrorCode::MultipartHeader`] with the part whose content type is empty or has control
/// characters, and [`FormatErrorCode::Multipart`] if the parts held every boundary that was tried,
/// which does not happen by accident.
pub fn encode(parts: Vec<Part>) -> Result<Encoded, FormatError> {
    encode_with(parts, || format!("sluice-{:032x}", rand::random::<u128>()))
}

/// [`encode()`] with a source of boundaries.
pub(super) fn encode_with(
    parts: Vec<Part>,
    mut boundary: impl FnMut() -> String,
) -> Result<Encoded, FormatError> {
    let mut pieces = Vec::with_capacity(parts.len());
    for (index, part) in parts.into_iter().enumerate() {
        let head = head(&part, index + 1)?;
        pieces.push((head, part.body.into_chunks()));
    }
    let free = |boundary: &String| {
        let finder = Finder::new(boundary);
        !pieces.iter().any(|(head, body)| finder.find(head.as_bytes()).is_some() || occurs(&finder, body))
    };
    let boundary = (0..ATTEMPTS).map(|_| boundary()).find(free).ok_or_else(|| {
        FormatError::whole(FormatErrorCode::Multipart, "the parts hold every boundary that was tried")
    })?;
    let mut chunks = Vec::with_capacity(pieces.len() * 2 + 1);
    let mut contents = Vec::with_capacity(pieces.len());
    let mut line_end = "";
    for (head, body) in pieces {
        chunks.push(Bytes::from(format!("{line_end}--{boundary}\r\n{head}\r\n")));
        contents.push(chunks.len());
        chunks.extend(body.into_iter().filter(|chunk| !chunk.is_empty()));
        line_end = "\r\n";
    }
    chunks.push(Bytes::from(format!("{line_end}--{boundary}--\r\n")));
    let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    let content_type = format!("multipart/form-data; boundary={boundary}");
    Ok(Encoded { chunks, contents, length, content_type })
}

/// The header lines of a part.
fn head(part: &Part, number: usize) -> Result<String, FormatError> {
    let mut head = format!("Content-Disposition: form-data; name=\"{}\"", escape(&part.name));
    if let Some(filename) = &part.filename {
        head.push_str(&format!("; filename=\"{}\"", escape(filename)));
    }
    head.push_str("\r\n");
    if let Some(content_type) = &part.content_type {
        if content_type.trim().is_empty() || content_type.chars().any(char::is_control) {
            let reason = "the content type is empty or has control characters";
            return Err(FormatError::new(FormatErrorCode::MultipartHeader, Place::Part(number), reason));
        }
        head.push_str(&format!("Content-Type: {content_type}\r\n"));
    }
    Ok(head)
}

fn escape(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Whether the boundary is in the pieces joined, which may mean across two or more of them.
pub(super) fn occurs(finder: &Finder<'_>, chunks: &[Bytes]) -> bool {
    let overlap = finder.needle().len().saturating_sub(1);
    // The end of what came before, as long as a boundary could begin in it.
    let mut seam: Vec<u8> = Vec::with_capacity(2 * overlap);
    for chunk in chunks {
        seam.extend_from_slice(&chunk[..chunk.len().min(overlap)]);
        if finder.find(&seam).is_some() || finder.find(chunk).is_some() {
            return true;
        }
        if chunk.len() > overlap {
            seam.clear();
            seam.extend_from_slice(&chunk[chunk.len() - overlap..]);
        } else {
            seam.drain(..seam.len().saturating_sub(overlap));
        }
    }
    false
}
