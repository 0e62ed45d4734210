//! Installed connectors: a component image or a declaration, and what its descriptor says.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sluice_declarative::Manifest;
use sluice_protocol::{ComponentName, Descriptor};

/// An installed version of a connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connector {
    /// What it is and can do.
    pub descriptor: Descriptor,
    /// What runs it.
    #[serde(flatten)]
    pub source: Source,
    /// When it was installed.
    pub installed_at: DateTime<Utc>,
}

/// What runs a connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// An image of its own.
    Image(PinnedImage),
    /// The component `rest`, which executes the declaration.
    Declaration {
        /// The connector's file.
        manifest: Box<Manifest>,
    },
}

/// An image as it was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedImage {
    /// Its name.
    pub image: ImageRef,
    /// What it was then; what really runs.
    pub digest: ImageDigest,
}

impl Connector {
    /// The connector's name.
    #[must_use]
    pub fn name(&self) -> &ComponentName {
        &self.descriptor.name
    }

    /// The connector's version.
    #[must_use]
    pub fn version(&self) -> &semver::Version {
        &self.descriptor.version
    }

    /// Its image; none for a declarative connector.
    #[must_use]
    pub fn image(&self) -> Option<&PinnedImage> {
        match &self.source {
            Source::Image(image) => Some(image),
            Source::Declaration { .. } => None,
        }
    }

    /// Its file; only a declarative connector has one.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.source {
            Source::Image(_) => None,
            Source::Declaration { manifest } => Some(manifest),
        }
    }
}

/// A reference to an image, for example `sluice/http:0.1.0`: a registry (or none), a path in lower case, a tag and a
/// digest (or neither), at most 255 characters. What container engines would not read is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef(Box<str>);

/// What an image was at a time: `sha256:` and 64 hex digits. The repository digest, or the image id where the image was
/// built locally and has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageDigest(Box<str>);

/// A text that is no image reference or digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no image reference or digest")]
pub struct ImageRefError(String);

impl ImageRefError {
    fn of(text: &str) -> Self {
        Self(text.chars().take(100).collect())
    }
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= 255 && is_reference(text) {
            Ok(Self(text.into()))
        } else {
            Err(ImageRefError::of(text))
        }
    }
}

/// `[registry[:port]/]path[:tag][@digest]`.
fn is_reference(text: &str) -> bool {
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (text, None),
    };
    // A colon before the last slash is that of a port.
    let path_from = named.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match named[path_from..].split_once(':') {
        Some((last, tag)) => (&named[..path_from + last.len()], Some(tag)),
        None => (named, None),
    };
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if first == "localhost" || first.contains(['.', ':']) => (Some(first), path),
        Some(_) | None => (None, name),
    };
    !text.contains("..")
        && digest.is_none_or(|digest| digest.parse::<ImageDigest>().is_ok())
        && tag.is_none_or(is_tag)
        && registry.is_none_or(is_registry)
        && path.split('/').all(is_path_component)
}

fn is_tag(tag: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(first)
        && tag.bytes().all(|byte| first(byte) || b".-".contains(&byte))
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let label = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    port.is_none_or(|port| port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit()))
        && host.split('.').all(label)
}

fn is_path_component(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    part.bytes().next().is_some_and(plain)
        && part.bytes().next_back().is_some_and(plain)
        && part.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

impl FromStr for ImageDigest {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("sha256:").unwrap_or("");
        let fits = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if fits { Ok(Self(text.into())) } else { Err(ImageRefError::of(text)) }
    }
}

macro_rules! text_form {
    ($name:ident) => {
        impl $name {
            /// The text form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ImageRefError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_form!(ImageRef);
text_form!(ImageDigest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_references_hold_no_surprises() {
        for (text, fits) in [
            ("sluice/http:0.1.0", true),
            ("localhost:1/nowhere:1", true),
            ("registry.example:5000/a/b_c-d.e:v1.0_x", true),
            ("a/b:1/c", false),
            ("a", true),
            ("UPPER/case", false),
            ("a:tag:tag", false),
            ("a@sha256:00", false),
            ("a@b@c", false),
            ("a:", false),
            ("a/", false),
            ("a..b", false),
            ("a:1..2", false),
            (":::", false),
            ("registry.example:99999/a", false),
            ("", false),
            ("-x", false),
            ("a b", false),
            ("../etc", false),
            ("a//b", false),
        ] {
            assert_eq!(text.parse::<ImageRef>().is_ok(), fits, "{text}");
        }
        let digest = format!("sha256:{}", "0".repeat(64));
        assert!(format!("sluice/http:1@{digest}").parse::<ImageRef>().is_ok());
        assert!(digest.parse::<ImageDigest>().is_ok());
        assert!("sha256:0".parse::<ImageDigest>().is_err());
    }
}
