//! Bytes as scripts give and take them: a text is its UTF-8, `{ base64: "..." }` and `{ hex: "..." }` are bytes.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rquickjs::{Ctx, Error, Exception, Value};

/// Most bytes that a script may give at once. They are not among those that the engine counts.
const BYTES: usize = 4 * 1024 * 1024;

/// Reads what a script gives as bytes.
pub(crate) fn read<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>, Error> {
    let bytes = given(ctx, value)?;
    if bytes.len() > BYTES {
        return Err(Exception::throw_range(ctx, "more than 4 MiB cannot be encoded or hashed at once"));
    }
    Ok(bytes)
}

fn given<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>, Error> {
    if let Some(text) = value.as_string() {
        return text.to_string().map(String::into_bytes);
    }
    if let Some(object) = value.as_object() {
        if let Some(text) = object.get::<_, Option<String>>("base64")? {
            return unbase64(ctx, &text);
        }
        if let Some(text) = object.get::<_, Option<String>>("hex")? {
            return unhex(ctx, &text);
        }
    }
    Err(Exception::throw_type(ctx, "a text is needed, or bytes as { base64: ... } or { hex: ... }"))
}

/// Base64 of either alphabet, with or without padding (RFC 4648, sections 4 and 5).
pub(crate) fn unbase64(ctx: &Ctx<'_>, text: &str) -> Result<Vec<u8>, Error> {
    let plain: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    STANDARD_NO_PAD.decode(plain).map_err(|_| Exception::throw_type(ctx, "the text is no Base64"))
}

pub(crate) fn unhex(ctx: &Ctx<'_>, text: &str) -> Result<Vec<u8>, Error> {
    hex::decode(text).map_err(|_| Exception::throw_type(ctx, "the text is not hexadecimal"))
}

/// Writes bytes in an encoding that a script names.
pub(crate) fn write(ctx: &Ctx<'_>, bytes: &[u8], encoding: Option<&str>) -> Result<String, Error> {
    match encoding.unwrap_or("hex") {
        "hex" => Ok(hex::encode(bytes)),
        "base64" => Ok(STANDARD.encode(bytes)),
        "base64url" => Ok(URL_SAFE_NO_PAD.encode(bytes)),
        _ => Err(Exception::throw_type(ctx, "the encoding is none of hex, base64 and base64url")),
    }
}

pub(crate) fn utf8(ctx: &Ctx<'_>, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| Exception::throw_type(ctx, "the bytes are no UTF-8"))
}
