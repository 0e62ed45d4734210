//! The one door for bodies that come in: a format and bytes give a value.

use serde_json::Value;

use crate::error::FormatError;
use crate::format::Format;
use crate::limits::Limits;
use crate::media_type::MediaType;
use crate::{csv, form, json, text, xml};

/// Reads a body.
///
/// The content type, as the header says it, gives what the format leaves open: `charset` for XML
/// (RFC 7303: after a byte order mark, before the declaration), CSV and Text, `header=absent` for CSV
/// (RFC 4180, section 3; rows are then arrays), the tab of `text/tab-separated-values`. Without it, or
/// with a charset that is not known, CSV and Text are UTF-8. A byte order mark is never part of the
/// value, and wins over a charset. In CSV and Text each invalid sequence becomes U+FFFD; XML and JSON
/// that are not what they claim are refused. JSON is UTF-8 always.
///
/// An empty body is `[]` as CSV or NDJSON, `{}` as Form, `""` as Text and Bytes, and an error as
/// JSON and XML.
///
/// # Errors
///
/// A body beyond its [`Limits`], and one that is not of its format, with the place of the first
/// fault; see [`FormatErrorCode`](crate::FormatErrorCode). Form, Text and Bytes fail by limits only.
pub fn decode(
    format: Format,
    bytes: &[u8],
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Value, FormatError> {
    limits.check_bytes(bytes.len())?;
    match format {
        Format::Json => json::decode_json(bytes, limits),
        Format::Xml => xml::decode_xml(bytes, content_type, limits),
        Format::Form => form::decode_form(bytes, limits),
        Format::Csv => {
            let tabs = content_type
                .is_some_and(|text| MediaType::parse(text).essence() == "text/tab-separated-values");
            csv::decode_csv(bytes, content_type, if tabs { b'\t' } else { b',' }, limits)
        }
        Format::Ndjson => json::decode_ndjson(bytes, limits),
        Format::Text => Ok(Value::String(text::decode_text(bytes, content_type))),
        Format::Bytes => Ok(Value::String(text::base64(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::error::FormatErrorCode;

    const FORMATS: [Format; 7] =
        [Format::Json, Format::Xml, Format::Form, Format::Csv, Format::Ndjson, Format::Text, Format::Bytes];

    #[test]
    fn each_format_reads_its_bodies() {
        for (content_type, body, expect) in [
            ("application/json", "{\"a\":[1]}", json!({ "a": [1] })),
            ("text/xml", "<a>1</a>", json!({ "a": "1" })),
            ("application/x-www-form-urlencoded", "a=1&b=2", json!({ "a": "1", "b": "2" })),
            ("text/csv", "a,b\n1,2\n", json!([{ "a": "1", "b": "2" }])),
            ("text/tab-separated-values", "a\tb\n1,\t2\n", json!([{ "a": "1,", "b": "2" }])),
            ("application/x-ndjson", "1\n2\n", json!([1, 2])),
            ("text/plain", "hi", json!("hi")),
            ("image/png", "hi", json!("aGk=")),
        ] {
            let format = Format::of_content_type(content_type);
            let value = decode(format, body.as_bytes(), Some(content_type), &Limits::default());
            assert_eq!(value, Ok(expect), "{content_type}");
        }
    }

    #[test]
    fn every_format_is_bounded_in_bytes() {
        let limits = Limits { bytes: 3, ..Limits::default() };
        for format in FORMATS {
            let error = decode(format, b"1234", None, &limits).expect_err("too large");
            assert_eq!(error.code, FormatErrorCode::TooLarge, "{format:?}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(garbage in proptest::collection::vec(any::<u8>(), 0..500), label in "[a-z0-9-]{0,12}") {
            let content_type = format!("text/x; charset={label}");
            for format in FORMATS {
                decode(format, &garbage, Some(&content_type), &Limits::default()).ok();
            }
        }

        #[test]
        fn almost_a_body_never_panics(text in "[<>/a&;#x!\\[\\]\"'={}:,0-9 \\n\\r?-]{0,60}") {
            for format in FORMATS {
                if let Err(error) = decode(format, text.as_bytes(), None, &Limits::default()) {
                    prop_assert!(!error.reason.is_empty());
                }
            }
        }
    }
}
