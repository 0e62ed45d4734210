//! What a provider says, made fit for people's eyes.

/// Most characters of a provider's text that are repeated.
const LONGEST: usize = 500;

/// A text of a provider on one line: without control characters, and cut to 500 characters.
#[must_use]
pub fn said(text: &str) -> String {
    let parts = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|part| !part.is_empty());
    let line = parts.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => line[..end].to_owned(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_short_line() {
        assert_eq!(said("  the\r\n code\u{1b}[31m\tis\u{0} over "), "the code [31m is over");
        assert_eq!(said(&"ü".repeat(600)), "ü".repeat(500));
    }
}
