//! What every script finds besides the language: digests, encodings, identifiers and the time. None of it does I/O.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::digest::Digest;
use hmac::{Hmac, Mac};
use md5::Md5;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rquickjs::prelude::Opt;
use rquickjs::{Ctx, Error, Exception, Function, Object, Value};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::bytes;

/// RFC 3986, section 2.3: what is never encoded is left out here.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Puts them into the global object.
pub(crate) fn install(ctx: &Ctx<'_>) -> Result<(), Error> {
    let globals = ctx.globals();
    let object = || Object::new(ctx.clone());
    let crypto = object()?;
    crypto.set("hash", Function::new(ctx.clone(), hash)?)?;
    crypto.set("hmac", Function::new(ctx.clone(), hmac_of)?)?;
    globals.set("crypto", crypto)?;
    let base64 = object()?;
    base64.set("encode", Function::new(ctx.clone(), encode_base64)?)?;
    base64.set("decode", Function::new(ctx.clone(), decode_base64)?)?;
    globals.set("base64", base64)?;
    let hex = object()?;
    hex.set("encode", Function::new(ctx.clone(), encode_hex)?)?;
    hex.set("decode", Function::new(ctx.clone(), decode_hex)?)?;
    globals.set("hex", hex)?;
    let url = object()?;
    url.set(
        "encode",
        Function::new(ctx.clone(), |text: String| utf8_percent_encode(&text, RESERVED).to_string())?,
    )?;
    url.set("decode", Function::new(ctx.clone(), decode_url)?)?;
    globals.set("url", url)?;
    globals.set("uuid", Function::new(ctx.clone(), || uuid::Uuid::new_v4().to_string())?)?;
    globals.set("now", Function::new(ctx.clone(), now)?)
}

fn hash<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    data: Value<'js>,
    encoding: Opt<String>,
) -> Result<String, Error> {
    let data = bytes::read(&ctx, &data)?;
    let digest = match algorithm.as_str() {
        "md5" => Md5::digest(&data).to_vec(),
        "sha1" => Sha1::digest(&data).to_vec(),
        "sha256" => Sha256::digest(&data).to_vec(),
        "sha512" => Sha512::digest(&data).to_vec(),
        _ => return Err(unknown(&ctx)),
    };
    bytes::write(&ctx, &digest, encoding.0.as_deref())
}

fn hmac_of<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    key: Value<'js>,
    data: Value<'js>,
    encoding: Opt<String>,
) -> Result<String, Error> {
    let (key, data) = (bytes::read(&ctx, &key)?, bytes::read(&ctx, &data)?);
    let tag = match algorithm.as_str() {
        "md5" => tag::<Hmac<Md5>>(&key, &data),
        "sha1" => tag::<Hmac<Sha1>>(&key, &data),
        "sha256" => tag::<Hmac<Sha256>>(&key, &data),
        "sha512" => tag::<Hmac<Sha512>>(&key, &data),
        _ => return Err(unknown(&ctx)),
    };
    bytes::write(&ctx, &tag, encoding.0.as_deref())
}

fn tag<M: Mac + hmac::digest::KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mac = <M as Mac>::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104, section 3)");
    mac.chain_update(data).finalize().into_bytes().to_vec()
}

fn unknown(ctx: &Ctx<'_>) -> Error {
    Exception::throw_type(ctx, "the algorithm is none of md5, sha1, sha256 and sha512")
}

fn encode_base64<'js>(ctx: Ctx<'js>, data: Value<'js>) -> Result<String, Error> {
    bytes::write(&ctx, &bytes::read(&ctx, &data)?, Some("base64"))
}

fn decode_base64(ctx: Ctx<'_>, text: String) -> Result<String, Error> {
    bytes::utf8(&ctx, bytes::unbase64(&ctx, &text)?)
}

fn encode_hex<'js>(ctx: Ctx<'js>, data: Value<'js>) -> Result<String, Error> {
    bytes::write(&ctx, &bytes::read(&ctx, &data)?, Some("hex"))
}

fn decode_hex(ctx: Ctx<'_>, text: String) -> Result<String, Error> {
    bytes::utf8(&ctx, bytes::unhex(&ctx, &text)?)
}

fn decode_url(ctx: Ctx<'_>, text: String) -> Result<String, Error> {
    bytes::utf8(&ctx, percent_decode_str(&text).collect())
}

/// Milliseconds since 1970, as `Date.now()`.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64)
}
