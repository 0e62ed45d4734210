//! Checking a signature.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use hmac::Mac;
use sha2::{Digest, Sha256};
use sluice_declarative::{Algorithm, Encoding, Place, SecretEncoding};
use subtle::ConstantTimeEq;

use crate::request::{Lack, Request};
use crate::scheme::{Hmac, Layout, Part, Scheme, TokenPlace};

/// Most signatures of a header that are looked at; nobody sends more.
const SIGNATURES: usize = 16;
/// Most characters of a delivery's id.
const ID: usize = 256;

/// Base64 with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is known of a request whose sender was proved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// What tells the delivery from others, if the signature vouches for it: the signed id, else the signature itself when
    /// it has a time. At most 256 characters.
    pub delivery_id: Option<String>,
    /// When it was signed, in seconds since 1970, if the signature says so.
    pub timestamp: Option<i64>,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// A header or parameter is missing.
    #[error("the signature, its time or its id is missing")]
    Missing,
    /// It stands twice, and nobody knows which one counts.
    #[error("the signature, its time or its id stands twice")]
    Twice,
    /// It is not of the form of the scheme.
    #[error("the signature, its time or its id has the wrong form")]
    Malformed,
    /// No secret is configured, or none that can be read.
    #[error("no secret is configured that signatures could be checked with")]
    NoSecret,
    /// It was signed too long ago.
    #[error("the signature is too old")]
    TooOld,
    /// It was signed too far in the future.
    #[error("the signature is from the future")]
    TooNew,
    /// No signature is right.
    #[error("no signature fits the request")]
    Mismatch,
}

impl Refusal {
    /// A stable code for logs and answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "signature_missing",
            Self::Twice => "signature_twice",
            Self::Malformed => "signature_malformed",
            Self::NoSecret => "no_secret",
            Self::TooOld => "signature_too_old",
            Self::TooNew => "signature_too_new",
            Self::Mismatch => "signature_mismatch",
        }
    }
}

impl From<Lack> for Refusal {
    fn from(lack: Lack) -> Self {
        match lack {
            Lack::Missing => Self::Missing,
            Lack::Twice => Self::Twice,
            Lack::NoText => Self::Malformed,
        }
    }
}

/// Checks the signature of a request with any of the secrets, at the time `now` in seconds since 1970.
///
/// # Errors
/// [`Refusal`], also when there is no secret: it fails closed. Only [`Scheme::None`] lets everything pass.
pub fn verify(scheme: &Scheme, secrets: &[&str], request: &Request, now: i64) -> Result<Verified, Refusal> {
    let secrets = || secrets.iter().map(|secret| secret.trim()).filter(|secret| !secret.is_empty());
    match scheme {
        Scheme::None => Ok(Verified::default()),
        Scheme::Token(place) => {
            let given = match place {
                TokenPlace::Header(name) => request.one_header(name)?.to_owned(),
                TokenPlace::Query(name) => request.one_parameter(name)?,
            };
            token(&secrets().collect::<Vec<_>>(), &given)
        }
        Scheme::Hmac(hmac) => {
            let keys: Vec<Vec<u8>> = secrets().filter_map(|secret| key(hmac.secret, secret)).collect();
            signature(hmac, &keys, request, now)
        }
    }
}

/// Hashes first, so that not even the length of a secret shows in the time that this takes.
fn token(secrets: &[&str], given: &str) -> Result<Verified, Refusal> {
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let hash = |text: &str| <[u8; 32]>::from(Sha256::digest(text.as_bytes()));
    let given = hash(given);
    let fits = secrets.iter().fold(subtle::Choice::from(0), |fits, secret| fits | hash(secret).ct_eq(&given));
    if bool::from(fits) { Ok(Verified::default()) } else { Err(Refusal::Mismatch) }
}

pub(crate) fn key(encoding: SecretEncoding, secret: &str) -> Option<Vec<u8>> {
    match encoding {
        SecretEncoding::Plain => Some(secret.as_bytes().to_vec()),
        SecretEncoding::Base64 => {
            let text = secret.strip_prefix("whsec_").unwrap_or(secret);
            LENIENT.decode(text).ok().filter(|key| !key.is_empty())
        }
    }
}

fn signature(hmac: &Hmac, keys: &[Vec<u8>], request: &Request, now: i64) -> Result<Verified, Refusal> {
    let header = request.one_header(&hmac.header)?;
    let given = signatures(hmac, header)?;
    let timestamp = match &hmac.timestamp {
        Some(place) => Some(find(place, header, request)?),
        None => None,
    };
    let id = match &hmac.id {
        Some(place) => Some(find(place, header, request)?),
        None => None,
    };
    if id.is_some_and(|id| id.is_empty() || id.len() > ID) {
        return Err(Refusal::Malformed);
    }
    let time = timestamp.map(seconds).transpose()?;
    if keys.is_empty() {
        return Err(Refusal::NoSecret);
    }
    if id.is_some_and(|id| runs_over(&hmac.signed, id)) {
        return Err(Refusal::Malformed);
    }
    let signed: Vec<&[u8]> = hmac
        .signed
        .iter()
        .map(|part| match part {
            Part::Body => &request.body[..],
            Part::Timestamp => timestamp.unwrap_or_default().as_bytes(),
            Part::Id => id.unwrap_or_default().as_bytes(),
            Part::Literal(text) => text.as_bytes(),
        })
        .collect();
    let right = given.iter().find(|given| keys.iter().any(|key| fits(hmac.algorithm, key, &signed, given)));
    let right = right.ok_or(Refusal::Mismatch)?;
    // After the signature, so that only the sender learns of our clock.
    if let Some(time) = time {
        let tolerance = i64::from(hmac.tolerance);
        if time < now.saturating_sub(tolerance) {
            return Err(Refusal::TooOld);
        }
        if time > now.saturating_add(tolerance) {
            return Err(Refusal::TooNew);
        }
    }
    let delivery_id = id.map(str::to_owned).or_else(|| time.map(|_| hex::encode(right)));
    Ok(Verified { delivery_id, timestamp: time })
}

/// Whether an id holds what divides it from the part behind it. Then one signature would fit several requests: the
/// divisions between id, time and body could be put elsewhere.
fn runs_over(signed: &[Part], id: &str) -> bool {
    signed.windows(2).any(|pair| match pair {
        [Part::Id, Part::Literal(text)] => id.contains(text.as_str()),
        _ => false,
    })
}

/// The signatures in the header.
fn signatures(hmac: &Hmac, header: &str) -> Result<Vec<Vec<u8>>, Refusal> {
    let texts: Vec<&str> = match &hmac.layout {
        Layout::One(prefix) => vec![header.strip_prefix(prefix.as_str()).ok_or(Refusal::Malformed)?],
        Layout::Members(name) => {
            members(header).filter(|(known, _)| known == name).map(|(_, value)| value).collect()
        }
        Layout::Versions(version) => header
            .split(' ')
            .filter_map(|one| one.split_once(','))
            .filter(|(known, _)| known == version)
            .map(|(_, value)| value)
            .collect(),
    };
    if texts.is_empty() || texts.len() > SIGNATURES {
        return Err(Refusal::Malformed);
    }
    texts
        .into_iter()
        .map(|text| match hmac.encoding {
            Encoding::Hex => hex::decode(text).map_err(|_| Refusal::Malformed),
            Encoding::Base64 => LENIENT.decode(text).map_err(|_| Refusal::Malformed),
        })
        .collect()
}

/// The members of a list `name=value,name=value`.
fn members(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(',').filter_map(|one| one.split_once('=')).map(|(name, value)| (name.trim(), value.trim()))
}

/// A value that stands once.
fn find<'r>(place: &Place, header: &'r str, request: &'r Request) -> Result<&'r str, Refusal> {
    match place {
        Place::Header(name) => Ok(request.one_header(name)?),
        Place::Member(name) => {
            let mut values = members(header).filter(|(known, _)| known == name);
            let (_, value) = values.next().ok_or(Refusal::Missing)?;
            if values.next().is_some() { Err(Refusal::Twice) } else { Ok(value) }
        }
    }
}

/// A whole number of seconds, digits only.
fn seconds(text: &str) -> Result<i64, Refusal> {
    let plain = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().map_err(|_| Refusal::Malformed) } else { Err(Refusal::Malformed) }
}

/// Whether the signature is right. The comparison takes the same time wherever they differ.
fn fits(algorithm: Algorithm, key: &[u8], signed: &[&[u8]], given: &[u8]) -> bool {
    fn check<M: Mac + hmac::digest::KeyInit>(key: &[u8], signed: &[&[u8]], given: &[u8]) -> bool {
        let Ok(mut mac) = <M as Mac>::new_from_slice(key) else { return false };
        signed.iter().for_each(|part| mac.update(part));
        mac.verify_slice(given).is_ok()
    }
    match algorithm {
        Algorithm::Sha256 => check::<hmac::Hmac<sha2::Sha256>>(key, signed, given),
        Algorithm::Sha1 => check::<hmac::Hmac<sha1::Sha1>>(key, signed, given),
        Algorithm::Sha512 => check::<hmac::Hmac<sha2::Sha512>>(key, signed, given),
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
