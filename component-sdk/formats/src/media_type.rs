//! A content type taken apart: `type/subtype; name=value` (RFC 9110, section 8.3.1).
//!
//! Reading never fails, since foreign servers send whatever they like: what is not understood is
//! left out.

/// A content type, lower case where case does not matter.
#[derive(Debug)]
pub(crate) struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

/// How a backslash within quotes is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// It takes the next character literally (RFC 9110, section 5.6.4).
    Http,
    /// It is a character like others, as in the Windows paths that browsers send, except before a
    /// quote that does not end the value.
    Form,
}

impl MediaType {
    pub(crate) fn parse(text: &str) -> Self {
        let (essence, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        MediaType {
            essence: essence.trim().to_ascii_lowercase(),
            parameters: parameters(rest, Quoting::Http),
        }
    }

    /// Such as `text/csv`.
    pub(crate) fn essence(&self) -> &str {
        &self.essence
    }

    /// The first parameter of this name, which is given in lower case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.parameters, name)
    }
}

/// The first of the parameters with this name.
pub(crate) fn find<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The parameters in `; name=value; name="value"`, names in lower case.
pub(crate) fn parameters(text: &str, quoting: Quoting) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        let end = rest.find(['=', ';']).unwrap_or(rest.len());
        let name = rest[..end].trim().to_ascii_lowercase();
        rest = &rest[end..];
        let Some(after) = rest.strip_prefix('=') else {
            if rest.is_empty() {
                return found;
            }
            continue;
        };
        let after = after.trim_start_matches([' ', '\t']);
        let (value, after) = match after.strip_prefix('"') {
            Some(inner) => quoted(inner, quoting),
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        rest = &after[after.find(';').unwrap_or(after.len())..];
        found.push((name, value));
    }
}

/// Reads up to the closing quote, and gives what follows it.
fn quoted(text: &str, quoting: Quoting) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &text[at + 1..]),
            '\\' if quoting == Quoting::Http => value.extend(chars.next().map(|(_, escaped)| escaped)),
            '\\' if escapes_quote(&text[at + 1..]) => {
                chars.next();
                value.push('"');
            }
            other => value.push(other),
        }
    }
    (value, "")
}

/// Whether what follows a backslash is a quote within the value, not its end.
fn escapes_quote(text: &str) -> bool {
    text.strip_prefix('"').is_some_and(|after| {
        let after = after.trim_start_matches([' ', '\t']);
        !after.is_empty() && !after.starts_with(';')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_quoted_or_not() {
        for (text, essence, charset) in [
            ("text/csv", "text/csv", None),
            (" Text/CSV ; Charset=Latin1 ;header=absent", "text/csv", Some("Latin1")),
            ("text/csv;charset=\"utf-8\"", "text/csv", Some("utf-8")),
            ("text/csv; charset = \"a\\\"b;c\" junk; x=1", "text/csv", Some("a\"b;c")),
            ("text/csv; x; charset=a; charset=b", "text/csv", Some("a")),
            ("text/csv; y=\"open; charset=a", "text/csv", None),
            (";;=;", "", None),
            ("", "", None),
        ] {
            let media = MediaType::parse(text);
            assert_eq!((media.essence(), media.parameter("charset")), (essence, charset), "{text}");
        }
    }

    #[test]
    fn a_backslash_in_a_form_is_a_backslash() {
        for (text, expect) in [
            (r#"name="C:\dir\x.txt""#, r"C:\dir\x.txt"),
            (r#"name="dir\"; filename="x""#, r"dir\"),
            (r#"name="dir\""#, r"dir\"),
            (r#"name="a \"b\" c""#, r#"a "b" c"#),
        ] {
            assert_eq!(find(&parameters(text, Quoting::Form), "name"), Some(expect), "{text}");
        }
    }
}
