//! Which format a body has, by its content type.

use crate::media_type::MediaType;

/// What a body is, and so how [`decode`](crate::decode()) reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON text (RFC 8259).
    Json,
    /// An XML 1.0 document, by the rule of the crate's documentation.
    Xml,
    /// `application/x-www-form-urlencoded` (WHATWG URL, section 5): an object of strings.
    Form,
    /// Rows with a header (RFC 4180): an array of objects of strings.
    Csv,
    /// One JSON text a line (ndjson.org, jsonlines.org): an array.
    Ndjson,
    /// Any other text: a string.
    Text,
    /// Anything else: a string, base64 (RFC 4648, section 4, with padding).
    Bytes,
}

impl Format {
    /// The format that a `Content-Type` header names (RFC 9110, section 8.3).
    ///
    /// Parameters and case do not matter. The suffixes `+json` and `+xml` (RFC 6839) are Json and Xml,
    /// tab separated values are Csv, `text/*` that is nothing else is Text. Multipart bodies are Bytes
    /// here, since [`multipart::decode`](crate::multipart::decode()) gives parts and not a value.
    pub fn of_content_type(content_type: &str) -> Format {
        let media = MediaType::parse(content_type);
        let essence = media.essence();
        match essence {
            "application/json" | "text/json" => Format::Json,
            "application/xml" | "text/xml" => Format::Xml,
            "application/x-www-form-urlencoded" => Format::Form,
            "text/csv" | "application/csv" | "text/tab-separated-values" => Format::Csv,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines" => Format::Ndjson,
            _ if essence.ends_with("+json") => Format::Json,
            _ if essence.ends_with("+xml") => Format::Xml,
            _ if essence.starts_with("text/") => Format::Text,
            _ => Format::Bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_names_its_format() {
        for (content_type, expect) in [
            ("application/json", Format::Json),
            ("Application/JSON; charset=utf-8", Format::Json),
            ("application/problem+json", Format::Json),
            ("application/vnd.api+json;version=1", Format::Json),
            ("text/xml; charset=\"utf-8\"", Format::Xml),
            ("application/soap+xml; action=\"urn:x;y\"", Format::Xml),
            ("application/x-www-form-urlencoded", Format::Form),
            ("text/csv; header=present", Format::Csv),
            ("text/tab-separated-values", Format::Csv),
            ("application/x-ndjson", Format::Ndjson),
            ("application/jsonl", Format::Ndjson),
            ("text/plain", Format::Text),
            ("text/html; charset=iso-8859-1", Format::Text),
            ("application/octet-stream", Format::Bytes),
            ("multipart/form-data; boundary=x", Format::Bytes),
            ("json", Format::Bytes),
            ("", Format::Bytes),
        ] {
            assert_eq!(Format::of_content_type(content_type), expect, "{content_type}");
        }
    }
}
