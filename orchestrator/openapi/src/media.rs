//! Media types of bodies, and which of them connectors can send.

use serde_json::Value;
use sluice_declarative::BodyFormat;

use crate::document::object;

/// A media type that connectors can send.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Media<'d> {
    pub(crate) format: BodyFormat,
    /// The content type, where it is not the usual one of the format.
    pub(crate) content_type: Option<String>,
    pub(crate) spec: &'d Value,
}

/// The best media type of a body.
pub(crate) fn best(body: &Value) -> Option<Media<'_>> {
    let all = object(body, "content")?.iter();
    let known = all.filter_map(|(name, spec)| {
        let (rank, format, usual) = kind(&essence(name))?;
        let content_type = (!usual && is_header_text(name)).then(|| name.trim().to_owned());
        Some((rank, Media { format, content_type, spec }))
    });
    known.min_by_key(|(rank, _)| *rank).map(|(_, media)| media)
}

/// Whether a media type is JSON.
pub(crate) fn is_json(name: &str) -> bool {
    matches!(kind(&essence(name)), Some((_, BodyFormat::Json, _)))
}

/// The type without parameters.
fn essence(name: &str) -> String {
    name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// How good it is (lower is better), the format, and whether the content type is the usual one.
fn kind(essence: &str) -> Option<(u8, BodyFormat, bool)> {
    Some(match essence {
        "application/json" => (0, BodyFormat::Json, true),
        "*/*" | "application/*" => (2, BodyFormat::Json, true),
        "text/json" => (1, BodyFormat::Json, false),
        "application/x-www-form-urlencoded" => (3, BodyFormat::Form, true),
        "multipart/form-data" => (4, BodyFormat::Multipart, true),
        "text/plain" | "text/*" => (5, BodyFormat::Text, true),
        "application/xml" => (7, BodyFormat::Xml, true),
        "text/xml" => (7, BodyFormat::Xml, false),
        "application/octet-stream" => (8, BodyFormat::Bytes, true),
        other if other.ends_with("+json") => (1, BodyFormat::Json, false),
        other if other.ends_with("+xml") => (7, BodyFormat::Xml, false),
        other if other.starts_with("text/") => (6, BodyFormat::Text, false),
        other if other.starts_with("multipart/") || !other.contains('/') || other.contains('*') => {
            return None;
        }
        _ => (9, BodyFormat::Bytes, false),
    })
}

fn is_header_text(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_better_than_all_others() {
        for (names, expect) in [
            (vec!["text/xml", "application/json; charset=utf-8"], Some((BodyFormat::Json, None))),
            (
                vec!["application/merge-patch+json"],
                Some((BodyFormat::Json, Some("application/merge-patch+json"))),
            ),
            (
                vec!["multipart/form-data", "application/x-www-form-urlencoded"],
                Some((BodyFormat::Form, None)),
            ),
            (vec!["text/csv"], Some((BodyFormat::Text, Some("text/csv")))),
            (vec!["image/png"], Some((BodyFormat::Bytes, Some("image/png")))),
            (vec!["application/octet-stream"], Some((BodyFormat::Bytes, None))),
            (vec!["image/*"], None),
            (vec![], None),
        ] {
            let content: serde_json::Map<_, _> =
                names.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
            let body = json!({ "content": content });
            let got = best(&body);
            let got = got.as_ref().map(|media| (media.format, media.content_type.as_deref()));
            assert_eq!(got, expect, "{names:?}");
        }
    }
}
