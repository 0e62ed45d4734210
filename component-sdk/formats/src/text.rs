//! Text in whatever encoding it claims, and bytes that are not text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{Encoding, UTF_8};

use crate::media_type::MediaType;

/// The encoding that a content type's charset names, if it is known (WHATWG Encoding).
pub(crate) fn charset(content_type: Option<&str>) -> Option<&'static Encoding> {
    let media = MediaType::parse(content_type?);
    Encoding::for_label(media.parameter("charset")?.as_bytes())
}

/// Decodes leniently: a byte order mark wins, UTF-8 is the default, what is invalid becomes U+FFFD.
pub(crate) fn decode_text(bytes: &[u8], content_type: Option<&str>) -> String {
    let (text, _, _) = charset(content_type).unwrap_or(UTF_8).decode(bytes);
    text.into_owned()
}

/// Standard base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charset_is_obeyed() {
        let euro = Some("text/plain; charset=windows-1252");
        for (bytes, content_type, expect) in [
            (&b"\xc3\xa4"[..], None, "ä"),
            (b"\xc3\xa4", Some("text/plain"), "ä"),
            (b"\xe4 \x80", euro, "ä €"),
            (b"\xe4", Some("text/plain; charset=\"ISO-8859-1\""), "ä"),
            (b"\xe4", Some("text/plain; charset=nonsense"), "\u{fffd}"),
            (b"a\xffb", None, "a\u{fffd}b"),
            (b"\xef\xbb\xbfx", None, "x"),
            (b"\xef\xbb\xbf\xc3\xa4", euro, "ä"),
            (b"\xff\xfea\0", None, "a"),
            (b"\x83A", Some("text/plain; charset=Shift_JIS"), "ア"),
            (b"", None, ""),
        ] {
            assert_eq!(decode_text(bytes, content_type), expect, "{bytes:?} {content_type:?}");
        }
    }

    #[test]
    fn bytes_are_padded_base64() {
        for (bytes, expect) in [(&b""[..], ""), (b"\xff", "/w=="), (b"\xfb\xff\xfe", "+//+")] {
            assert_eq!(base64(bytes), expect);
        }
    }
}
