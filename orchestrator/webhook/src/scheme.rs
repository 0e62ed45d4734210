//! A scheme of signatures, ready to check requests by.

use sluice_declarative::{Algorithm, Encoding, Place, Preset, SecretEncoding, Signature};

/// How far a time may be from now when nothing else is said, in seconds.
const TOLERANCE: u32 = 300;

/// A scheme of signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever knows the URL may send.
    None,
    /// The secret itself is sent.
    Token(TokenPlace),
    /// An HMAC is sent.
    Hmac(Box<Hmac>),
}

/// Where the secret is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// In this header.
    Header(String),
    /// In this parameter of the query.
    Query(String),
}

/// An HMAC (RFC 2104).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hmac {
    pub(crate) algorithm: Algorithm,
    pub(crate) header: String,
    pub(crate) encoding: Encoding,
    pub(crate) layout: Layout,
    pub(crate) signed: Vec<Part>,
    pub(crate) timestamp: Option<Place>,
    pub(crate) id: Option<Place>,
    pub(crate) tolerance: u32,
    pub(crate) secret: SecretEncoding,
}

/// How the header holds signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One, behind this prefix.
    One(String),
    /// Values of this name in a list `name=value,name=value`.
    Members(String),
    /// Those of this version in a list `version,signature version,signature`.
    Versions(String),
}

/// A part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Body,
    Timestamp,
    Id,
    Literal(String),
}

/// A description that is no scheme. The checks of a connector's file find the same faults with their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemeError {
    /// No header, or for a token neither a header nor a parameter.
    #[error("it does not say where the signature is")]
    NoPlace,
    /// More than one of `prefix`, `member` and `version`.
    #[error("the header can have one form only")]
    Layout,
    /// `signed` has a brace that is no `{body}`, `{timestamp}` or `{id}`.
    #[error("what is signed cannot be read")]
    Signed,
    /// The body, or a timestamp or id that is looked for, is not part of what is signed, or the other way round.
    #[error("what is looked at is not what is signed")]
    Unsigned,
    /// A member of a header that is no list of members.
    #[error("only a header with members has members")]
    NoMembers,
}

impl Scheme {
    /// The scheme that a connector's file describes.
    ///
    /// # Errors
    /// When the description is none, see [`SchemeError`].
    pub fn of(signature: &Signature) -> Result<Self, SchemeError> {
        let described = signature.expanded();
        match described.preset {
            Some(Preset::None) => return Ok(Self::None),
            Some(Preset::Token) => {
                return match (described.header, described.query) {
                    (Some(name), None) => Ok(Self::Token(TokenPlace::Header(name))),
                    (None, Some(name)) => Ok(Self::Token(TokenPlace::Query(name))),
                    (None, None) | (Some(_), Some(_)) => Err(SchemeError::NoPlace),
                };
            }
            // Any other is written out by now.
            Some(_) | None => {}
        }
        let signed = parts(described.signed.as_deref().unwrap_or("{body}"))?;
        let layout = match (described.prefix, described.member, described.version) {
            (prefix, None, None) => Layout::One(prefix.unwrap_or_default()),
            (None, Some(name), None) => Layout::Members(name),
            (None, None, Some(version)) => Layout::Versions(version),
            _ => return Err(SchemeError::Layout),
        };
        let has = |part| signed.contains(&part);
        if !has(Part::Body)
            || has(Part::Timestamp) != described.timestamp.is_some()
            || has(Part::Id) != described.id.is_some()
        {
            return Err(SchemeError::Unsigned);
        }
        let is_member = |place: &Option<Place>| matches!(place, Some(Place::Member(_)));
        let members = matches!(layout, Layout::Members(_));
        if (is_member(&described.timestamp) || is_member(&described.id)) && !members {
            return Err(SchemeError::NoMembers);
        }
        Ok(Self::Hmac(Box::new(Hmac {
            algorithm: described.algorithm,
            header: described.header.ok_or(SchemeError::NoPlace)?,
            encoding: described.encoding,
            layout,
            signed,
            timestamp: described.timestamp,
            id: described.id,
            tolerance: described.tolerance_seconds.unwrap_or(TOLERANCE),
            secret: described.secret,
        })))
    }
}

fn parts(text: &str) -> Result<Vec<Part>, SchemeError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let open = rest.find(['{', '}']).unwrap_or(rest.len());
        if open > 0 {
            parts.push(Part::Literal(rest[..open].to_owned()));
        }
        rest = &rest[open..];
        if rest.is_empty() {
            break;
        }
        let known = [("{body}", Part::Body), ("{timestamp}", Part::Timestamp), ("{id}", Part::Id)];
        let found = known.into_iter().find_map(|(name, part)| Some((rest.strip_prefix(name)?, part)));
        let (after, part) = found.ok_or(SchemeError::Signed)?;
        parts.push(part);
        rest = after;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(change: impl FnOnce(&mut Signature)) -> Signature {
        let mut signature = Signature { header: Some("X-Sig".to_owned()), ..Signature::default() };
        change(&mut signature);
        signature
    }

    #[test]
    fn a_text_becomes_parts() {
        let literal = |text: &str| Part::Literal(text.to_owned());
        for (text, expect) in [
            ("{body}", Ok(vec![Part::Body])),
            ("v0:{timestamp}:{body}", Ok(vec![literal("v0:"), Part::Timestamp, literal(":"), Part::Body])),
            ("{id}{body}!", Ok(vec![Part::Id, Part::Body, literal("!")])),
            ("{bodies}", Err(SchemeError::Signed)),
            ("{body", Err(SchemeError::Signed)),
            ("}", Err(SchemeError::Signed)),
            ("", Ok(vec![])),
        ] {
            assert_eq!(parts(text), expect, "{text}");
        }
    }

    #[test]
    fn a_description_that_would_not_protect_is_no_scheme() {
        type Change = fn(&mut Signature);
        let cases: &[(Change, SchemeError)] = &[
            (|s| s.header = None, SchemeError::NoPlace),
            (|s| s.signed = Some("fixed".to_owned()), SchemeError::Unsigned),
            (|s| s.timestamp = Some(Place::Header("T".to_owned())), SchemeError::Unsigned),
            (|s| s.signed = Some("{id}{body}".to_owned()), SchemeError::Unsigned),
            (|s| (s.prefix, s.member) = (Some("a".to_owned()), Some("b".to_owned())), SchemeError::Layout),
            (
                |s| {
                    s.signed = Some("{timestamp}{body}".to_owned());
                    s.timestamp = Some(Place::Member("t".to_owned()));
                },
                SchemeError::NoMembers,
            ),
            (|s| (s.preset, s.header) = (Some(Preset::Token), None), SchemeError::NoPlace),
        ];
        for (change, expect) in cases {
            assert_eq!(Scheme::of(&signature(change)).unwrap_err(), *expect);
        }
        assert!(Scheme::of(&signature(|_| {})).is_ok());
    }
}
