//! Names of ours for names of theirs.

use std::collections::BTreeSet;

/// Longest name that is made; there is room for a number behind it.
const LENGTH: usize = 56;

/// A name with hyphens; nothing when no letter of the text could be kept.
pub(crate) fn name(text: &str) -> Option<String> {
    made(text, |_| false)
}

/// A name that may have hyphens and underscores.
pub(crate) fn id(text: &str) -> Option<String> {
    made(text, |letter| letter == '_')
}

fn made(text: &str, fits: impl Fn(char) -> bool) -> Option<String> {
    let mut name = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.is_empty() && fits(letter) {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name: String = name.chars().take(LENGTH).collect();
    let name = name.trim_end_matches(['-', '_']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// The name of an environment variable.
pub(crate) fn variable(parts: &[&str]) -> String {
    let mut name = String::new();
    for letter in parts.join("_").chars() {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_uppercase());
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name.chars().take(200).collect()
}

/// A name that nobody has, and that is taken now.
pub(crate) fn free(base: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = base.to_owned();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_where_they_can_be() {
        for (text, expect) in [
            ("Timer to E-Mail Test", Some("timer-to-e-mail-test")),
            ("step_1", Some("step-1")),
            ("  Ä  ", None),
            ("--a--", Some("a")),
            ("61e18f67", Some("61e18f67")),
        ] {
            assert_eq!(name(text).as_deref(), expect, "{text}");
        }
        assert_eq!(id("step_1").as_deref(), Some("step_1"));
        assert_eq!(id("_x_").as_deref(), Some("x"));
        assert_eq!(variable(&["shop-eu", "apiKey"]), "SHOP_EU_APIKEY");
        let mut taken = BTreeSet::new();
        assert_eq!([free("a", &mut taken), free("a", &mut taken)], ["a", "a-2"]);
    }
}
