//! The version of the connector, from that of the API.

use semver::Version;

/// The version that a text means: `1.2`, `v1` and `2024-05-01` become 1.2.0, 1.0.0 and 2024.5.1.
pub(crate) fn coerce(text: &str) -> Option<Version> {
    let text = text.trim();
    if let Ok(version) = text.parse() {
        return Some(version);
    }
    let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let mut numbers = [0_u64; 3];
    for (index, part) in digits.split(['.', '-']).enumerate() {
        let Ok(number) = part.parse() else {
            if index == 0 {
                return None;
            }
            break;
        };
        match numbers.get_mut(index) {
            Some(place) => *place = number,
            None => break,
        }
    }
    let [major, minor, patch] = numbers;
    Some(Version::new(major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_apis_become_semantic_ones() {
        for (text, expect) in [
            ("1.2.3-beta.1", Some("1.2.3-beta.1")),
            ("1.2", Some("1.2.0")),
            ("v1", Some("1.0.0")),
            ("2024-05-01", Some("2024.5.1")),
            ("2020-09-14_1.2", Some("2020.9.0")),
            ("1.2.3.4", Some("1.2.3")),
            ("1.x", Some("1.0.0")),
            ("latest", None),
            ("", None),
        ] {
            assert_eq!(coerce(text).map(|version| version.to_string()).as_deref(), expect, "{text}");
        }
    }
}
