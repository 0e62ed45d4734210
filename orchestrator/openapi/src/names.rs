//! Names: what OpenAPI allows is more than what a connector's functions may be called.

use std::collections::BTreeSet;

use sluice_protocol::{ComponentName, FunctionName};

/// Most characters of a name of an action or connector.
const MOST: usize = 64;

/// Words in lower case with `_` between them: `listPets`, `pets/list` and `HTTPGet` become `list_pets`, `pets_list` and
/// `http_get`.
pub(crate) fn snake(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut name = String::new();
    for (index, letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            if !name.ends_with('_') && !name.is_empty() {
                name.push('_');
            }
            continue;
        }
        let before = index.checked_sub(1).and_then(|index| letters.get(index));
        let after = letters.get(index + 1);
        let begins = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if begins && !name.ends_with('_') {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}

/// The name of an action that no other one has.
pub(crate) fn function(text: &str, taken: &mut BTreeSet<String>) -> FunctionName {
    let mut name = snake(text);
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        name = if name.is_empty() { "call".to_owned() } else { format!("op_{name}") };
    }
    let name = unique(&name, MOST, taken);
    name.parse().expect("snake case that begins with a letter is a name")
}

/// The name of a connector, if the text has letters for one.
pub(crate) fn component(text: &str) -> Option<ComponentName> {
    let name = snake(text).replace('_', "-");
    let name = name.trim_start_matches(|letter: char| !letter.is_ascii_lowercase());
    let name: String = name.chars().take(MOST).collect();
    name.trim_end_matches('-').parse().ok()
}

/// A text, or the text with a number behind it, that is not taken yet.
pub(crate) fn unique(text: &str, most: usize, taken: &mut BTreeSet<String>) -> String {
    let mut number = 1;
    loop {
        let end = if number == 1 { String::new() } else { format!("_{number}") };
        let stem: String = text.chars().take(most - end.len()).collect();
        let name = format!("{}{end}", if number == 1 { stem.trim_end_matches('_') } else { &stem });
        if taken.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

/// A name as people write it: `list_pets` becomes `List pets`.
pub(crate) fn humanise(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// Whether JSONPath and JSONata take the name as it is.
pub(crate) fn is_plain(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A text for people: no control characters, no blanks at the ends of lines.
pub(crate) fn prose(text: &str) -> String {
    let clean: String = text
        .replace("\r\n", "\n")
        .chars()
        .filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t'))
        .filter(|letter| !matches!(letter, '\u{feff}' | '\u{2028}' | '\u{2029}'))
        .map(|letter| if letter == '\t' { ' ' } else { letter })
        .collect();
    clean.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A text for people on one line.
pub(crate) fn line(text: &str) -> String {
    let line = prose(text).split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_actions_are_snake_case() {
        let mut taken = BTreeSet::new();
        for (text, expect) in [
            ("listPets", "list_pets"),
            ("repos/get-branch", "repos_get_branch"),
            ("getHTTPResponse", "get_http_response"),
            ("listV2Pets", "list_v2_pets"),
            ("GET /pets/{petId}", "get_pets_pet_id"),
            ("2fa", "op_2fa"),
            ("ü", "call"),
            ("", "call_2"),
            ("list_pets", "list_pets_2"),
            ("ListPets", "list_pets_3"),
        ] {
            assert_eq!(function(text, &mut taken).as_str(), expect, "{text}");
        }
        let long = "a".repeat(80);
        assert_eq!(function(&long, &mut taken).as_str().len(), 64);
        assert!(function(&long, &mut taken).as_str().ends_with("a_2"));
    }

    #[test]
    fn names_of_connectors_have_hyphens() {
        for (text, expect) in
            [("Pet Store API", Some("pet-store-api")), ("1Password", Some("password")), ("日本", None)]
        {
            assert_eq!(component(text).map(|name| name.to_string()).as_deref(), expect, "{text}");
        }
    }
}
