//! From the bytes of a document to its text: which encoding it is in, and nothing replaced.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::characters::is_allowed;
use crate::error::{FormatError, FormatErrorCode, Place, quote};
use crate::media_type::MediaType;

/// How far into a document its declaration is looked for, in bytes.
const DECLARATION: usize = 512;

/// The text of a document with line ends as `\n` (XML 1.0, section 2.11) and allowed characters only.
///
/// The encoding is that of the byte order mark, the content type, the declaration, UTF-8, the first
/// that there is (RFC 7303, section 3).
pub(super) fn document(bytes: &[u8], content_type: Option<&str>) -> Result<String, FormatError> {
    let (encoding, mark) = match Encoding::for_bom(bytes) {
        Some(found) => found,
        None => (claimed(bytes, content_type)?, 0),
    };
    let text =
        encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..]).ok_or_else(|| {
            let reason = format!("the bytes are not {}", encoding.name());
            FormatError::whole(FormatErrorCode::Charset, reason)
        })?;
    let text = match text.contains('\r') {
        true => text.replace("\r\n", "\n").replace('\r', "\n"),
        false => text.into_owned(),
    };
    match text.char_indices().find(|(_, char)| !is_allowed(*char)) {
        Some((at, char)) => {
            let reason = format!("the character U+{:04X} is not allowed in XML", u32::from(char));
            Err(FormatError::new(FormatErrorCode::XmlCharacter, place(&text, at), reason))
        }
        None => Ok(text),
    }
}

/// Line and column of a byte of the text.
pub(super) fn place(text: &str, at: usize) -> Place {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    // Bytes that begin a character; the text is UTF-8.
    let column = before[start..].iter().filter(|byte| (**byte & 0xc0) != 0x80).count() + 1;
    Place::Line { line, column }
}

/// The encoding of a document without a byte order mark.
fn claimed(bytes: &[u8], content_type: Option<&str>) -> Result<&'static Encoding, FormatError> {
    let media = content_type.map(MediaType::parse);
    if let Some(label) = media.as_ref().and_then(|media| media.parameter("charset")) {
        return known(label);
    }
    match bytes {
        [b'<', 0, b'?', 0, ..] => return Ok(UTF_16LE),
        [0, b'<', 0, b'?', ..] => return Ok(UTF_16BE),
        _ => {}
    }
    match declared(bytes) {
        // A declaration that could be read is not in the UTF-16 it names.
        Some(label) => known(&label).map(Encoding::output_encoding),
        None => Ok(UTF_8),
    }
}

fn known(label: &str) -> Result<&'static Encoding, FormatError> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        let reason = format!("the encoding `{}` is not known", quote(label));
        FormatError::whole(FormatErrorCode::Charset, reason)
    })
}

/// The encoding that `<?xml … encoding="…"?>` names.
fn declared(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(DECLARATION)];
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let (declaration, _) = head.strip_prefix("<?xml")?.split_once("?>")?;
    let (_, rest) = declaration.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|char| matches!(char, '"' | '\''))?;
    let (label, _) = rest[1..].split_once(quote)?;
    Some(label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_found() {
        let latin = Some("text/xml; charset=iso-8859-1");
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let declared = "<?xml version='1.0' encoding='utf-16'?><a>ä</a>";
        for (bytes, content_type, expect) in [
            ("<a>ä</a>".into(), None, "<a>ä</a>"),
            (b"<a>\xe4</a>".to_vec(), latin, "<a>ä</a>"),
            ("\u{feff}<a>ä</a>".into(), latin, "<a>ä</a>"),
            (utf16("\u{feff}<a>ä</a>"), latin, "<a>ä</a>"),
            (utf16(declared), None, declared),
            (declared.into(), None, declared),
            ("<a>\r\n\r</a>".into(), None, "<a>\n\n</a>"),
        ] {
            assert_eq!(document(&bytes, content_type).as_deref(), Ok(expect), "{bytes:?}");
        }
        let declared = b"<?xml version=\"1.0\" encoding = \"ISO-8859-1\" ?><a>\xe4</a>";
        assert!(document(declared, None).is_ok_and(|text| text.ends_with("<a>ä</a>")));
    }

    #[test]
    fn what_is_not_its_encoding_is_refused() {
        let code = |bytes: &[u8], content_type| document(bytes, content_type).map_err(|error| error.code);
        assert_eq!(code(b"<a>\xe4</a>", None), Err(FormatErrorCode::Charset));
        assert_eq!(code(b"<a/>", Some("text/xml; charset=nonsense")), Err(FormatErrorCode::Charset));
        assert_eq!(code(b"<?xml version='1.0' encoding='x'?><a/>", None), Err(FormatErrorCode::Charset));
        let error = document("<a>\nä\u{1}</a>".as_bytes(), None).expect_err("a control character");
        assert_eq!(
            (error.code, error.place),
            (FormatErrorCode::XmlCharacter, Place::Line { line: 2, column: 2 })
        );
    }
}
