//! Users and groups by name or number. The system's files are read as they are, since names from elsewhere (LDAP) need a
//! library that a static program cannot load; such users are given by their numbers.

use std::path::Path;

/// The file of users (passwd(5)).
pub(super) const USERS: &str = "/etc/passwd";
/// The file of groups (group(5)).
pub(super) const GROUPS: &str = "/etc/group";

/// The number of a user or group, which `text` gives by number or by its name in `file`.
pub(super) fn number(text: &str, file: &Path) -> Result<u32, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| format!("`{text}` is no number of a user or group"));
    }
    let table = std::fs::read_to_string(file).unwrap_or_default();
    let found = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(text)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.ok_or_else(|| format!("`{text}` is not in {}; give its number", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_or_number() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "root:x:0:0:root:/root:/bin/sh\nsluice:x:995:995::/:/bin/false\nbad:x\n")
            .unwrap();
        for (text, expect) in [
            ("root", Some(0)),
            ("sluice", Some(995)),
            ("10002", Some(10002)),
            ("bad", None),
            ("slu", None),
            ("", None),
            ("99999999999", None),
            ("-1", None),
        ] {
            assert_eq!(number(text, file.path()).ok(), expect, "{text}");
        }
    }
}
