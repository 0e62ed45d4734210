//! The nearest known name, for people who mistyped one.

/// The known name that `given` was probably meant to be, if one is near enough.
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Distances to a long text cost its length squared, and nobody mistypes a name into hundreds of characters.
    if given.len() > 100 {
        return None;
    }
    let far = given.chars().count().max(3) / 3;
    known
        .into_iter()
        // Whoever asks knows that this one is not known where it stands.
        .filter(|name| name.len() <= 100 && *name != given)
        .map(|name| (strsim::osa_distance(&given.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= far.max(1) && *distance < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

/// A help text that offers the nearest name, or else lists what there is.
pub(crate) fn suggest<'k>(given: &str, what: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    const SHOWN: usize = 12;
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(given, known.iter().copied()) {
        return format!("did you mean `{name}`?");
    }
    if known.is_empty() {
        return format!("there are no {what}");
    }
    let mut list = known.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if known.len() > SHOWN {
        list.push_str(", …");
    }
    format!("{what}: {list}")
}

/// User text inside a message: short, on one line, without characters that change how text is shown.
pub(crate) fn quote(text: &str) -> String {
    const SHOWN: usize = 64;
    let mut quoted = String::from("`");
    for (index, letter) in text.chars().enumerate() {
        if index == SHOWN {
            quoted.push('…');
            break;
        }
        show(letter, &mut quoted);
    }
    quoted.push('`');
    quoted
}

/// A text whose characters that change how text is shown are written out: parts of it may come from a file.
pub(crate) fn visible(text: String) -> String {
    if !text.chars().any(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    text.chars().for_each(|letter| show(letter, &mut shown));
    shown
}

fn show(letter: char, into: &mut String) {
    if is_hidden(letter) {
        into.extend(letter.escape_unicode());
    } else {
        into.push(letter);
    }
}

/// Whether a character changes how the text around it is shown.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        assert_eq!(nearest("confg", ["id", "config", "use"]), Some("config"));
        assert_eq!(nearest("banana", ["id", "config", "use"]), None);
    }

    #[test]
    fn what_is_hidden_in_a_text_is_written_out() {
        let mut report = crate::Report::default();
        let mark = crate::Mark { line: 1, column: 1 };
        let text = "unknown key \u{1b}[2Ka\rb";
        report.push(crate::Diagnostic::new(crate::Code::Syntax, "t.yaml", mark, text).help("try \u{202e}x"));
        let told: Vec<_> = report.iter().map(|one| (one.message.as_str(), one.help.as_str())).collect();
        assert_eq!(told, [("unknown key \\u{1b}[2Ka\\u{d}b", "try \\u{202e}x")]);
        assert_eq!(visible("Grüße, `a`".to_owned()), "Grüße, `a`");
    }

    #[test]
    fn quoted_text_cannot_turn_the_line_around() {
        assert_eq!(quote("a\u{202e}b\n"), "`a\\u{202e}b\\u{a}`");
        assert!(quote(&"x".repeat(300)).chars().count() < 70);
    }
}
