//! How the sender of a webhook proves that it is who it says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the secret of an instance that signatures are checked with: one secret a line, any of which will do, so
/// that a sender can be given a new one without a gap.
pub const SIGNING_SECRET: &str = "signing_secret";

/// How a request to a webhook is signed: a preset, or an HMAC (RFC 2104) described in full.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// A provider's scheme. Besides it only `tolerance_seconds` may stand, and for `token` its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Preset")]
    pub preset: Option<Preset>,
    /// The header that holds the signature, or the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The parameter of the query that holds the token. Only for `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The hash of the HMAC.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// What stands before the one signature of the header, such as `sha256=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The header is a list `name=value,name=value`, and the signatures are the values of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The header is a list `version,signature version,signature`, and those of this version count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is signed: a text in which `{body}`, `{timestamp}` and `{id}` stand for those. `{body}` must be there, and is
    /// all when this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// Where the time of the signature is, in seconds since 1970. It must be signed, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Place")]
    pub timestamp: Option<Place>,
    /// Where the id of the delivery is. It must be signed, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Place")]
    pub id: Option<Place>,
    /// How far the time may be from now, into the past and into the future, in seconds: 300 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 86_400))]
    pub tolerance_seconds: Option<u32>,
    /// How the secret is written.
    #[serde(default)]
    pub secret: SecretEncoding,
}

/// A provider's scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    Standard,
    /// GitHub: `X-Hub-Signature-256`.
    Github,
    /// Stripe: `Stripe-Signature`.
    Stripe,
    /// Slack: `X-Slack-Signature`.
    Slack,
    /// Shopify: `X-Shopify-Hmac-Sha256`.
    Shopify,
    /// The secret itself, in a header or in the query. Anybody who sees one request can make others.
    Token,
    /// Nothing: whoever knows the URL may send.
    None,
}

/// The hash of an HMAC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// SHA-256 (RFC 6234).
    #[default]
    Sha256,
    /// SHA-1 (RFC 3174). Still sound within an HMAC, but for old senders only.
    Sha1,
    /// SHA-512 (RFC 6234).
    Sha512,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// RFC 4648, section 8, in either case.
    #[default]
    Hex,
    /// RFC 4648, section 4, with or without padding.
    Base64,
}

/// How a secret is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretEncoding {
    /// The bytes of the text are the key.
    #[default]
    Plain,
    /// The key is in Base64, with or without `whsec_` before it.
    Base64,
}

/// Where a value is: in a header, or in a member of the header of the signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A header.
    Header(String),
    /// A member of the header of the signature, such as the `t` of `t=1,v1=ab`.
    Member(String),
}

impl Signature {
    /// Whether a secret is needed to check it.
    #[must_use]
    pub fn needs_secret(&self) -> bool {
        self.preset != Some(Preset::None)
    }

    /// The preset written out; itself when it has none, and for `token` and `none`, which are no HMAC.
    #[must_use]
    pub fn expanded(&self) -> Self {
        let tolerance_seconds = self.tolerance_seconds;
        let header = |name: &str| Some(name.to_owned());
        let base = Self { tolerance_seconds, ..Self::default() };
        match self.preset {
            None | Some(Preset::Token | Preset::None) => self.clone(),
            Some(Preset::Standard) => Self {
                header: header("webhook-signature"),
                encoding: Encoding::Base64,
                version: Some("v1".to_owned()),
                signed: Some("{id}.{timestamp}.{body}".to_owned()),
                timestamp: Some(Place::Header("webhook-timestamp".to_owned())),
                id: Some(Place::Header("webhook-id".to_owned())),
                secret: SecretEncoding::Base64,
                ..base
            },
            Some(Preset::Github) => {
                Self { header: header("X-Hub-Signature-256"), prefix: Some("sha256=".to_owned()), ..base }
            }
            Some(Preset::Stripe) => Self {
                header: header("Stripe-Signature"),
                member: Some("v1".to_owned()),
                signed: Some("{timestamp}.{body}".to_owned()),
                timestamp: Some(Place::Member("t".to_owned())),
                ..base
            },
            Some(Preset::Slack) => Self {
                header: header("X-Slack-Signature"),
                prefix: Some("v0=".to_owned()),
                signed: Some("v0:{timestamp}:{body}".to_owned()),
                timestamp: Some(Place::Header("X-Slack-Request-Timestamp".to_owned())),
                ..base
            },
            Some(Preset::Shopify) => {
                Self { header: header("X-Shopify-Hmac-Sha256"), encoding: Encoding::Base64, ..base }
            }
        }
    }
}
