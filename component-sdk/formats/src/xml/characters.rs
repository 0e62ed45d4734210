//! Which characters and names XML 1.0 (fifth edition) allows, and what references stand for.

use crate::error::FormatErrorCode;

/// Whether a document may hold the character (production 2, `Char`).
pub(super) fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether a text is nothing but what XML calls white space (production 3, `S`).
pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Whether an element or attribute may have the name (production 5, `Name`), prefix included.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

fn starts_name(char: char) -> bool {
    matches!(char,
        ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn continues_name(char: char) -> bool {
    starts_name(char)
        || matches!(char, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// The character that `&name;` stands for.
pub(super) fn resolve(name: &str) -> Result<char, FormatErrorCode> {
    let Some(number) = name.strip_prefix('#') else {
        return match name {
            "amp" => Ok('&'),
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "apos" => Ok('\''),
            "quot" => Ok('"'),
            _ => Err(FormatErrorCode::XmlEntity),
        };
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    // from_str_radix takes a sign, which a reference has not.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(FormatErrorCode::Xml);
    }
    let code = u32::from_str_radix(digits, radix).map_err(|_| FormatErrorCode::Xml)?;
    char::from_u32(code).filter(|char| is_allowed(*char)).ok_or(FormatErrorCode::XmlCharacter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "_", "soap:Envelope", "a-b.c1", "größe", "名前", "a:b:c", ":"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "1a", "-a", ".a", "a b", "a<", "@a", "#text", "a\u{0}", "×", "\u{300}a"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn references() {
        for (name, expect) in [
            ("amp", Ok('&')),
            ("quot", Ok('"')),
            ("#65", Ok('A')),
            ("#x1F600", Ok('😀')),
            ("#x0041", Ok('A')),
            ("#13", Ok('\r')),
            ("#0", Err(FormatErrorCode::XmlCharacter)),
            ("#x1b", Err(FormatErrorCode::XmlCharacter)),
            ("#xd800", Err(FormatErrorCode::XmlCharacter)),
            ("#xffff", Err(FormatErrorCode::XmlCharacter)),
            ("#x110000", Err(FormatErrorCode::XmlCharacter)),
            ("#99999999999", Err(FormatErrorCode::Xml)),
            ("#", Err(FormatErrorCode::Xml)),
            ("#x", Err(FormatErrorCode::Xml)),
            ("#+65", Err(FormatErrorCode::Xml)),
            ("#X41", Err(FormatErrorCode::Xml)),
            ("nbsp", Err(FormatErrorCode::XmlEntity)),
            ("", Err(FormatErrorCode::XmlEntity)),
        ] {
            assert_eq!(resolve(name), expect, "{name}");
        }
    }
}
