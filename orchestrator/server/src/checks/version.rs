//! Versions of what is around the server, and the oldest that have the fixes that it relies on.

/// The first three numbers of a version. What follows them (`-rc1`, `+dfsg1`, `~ds1`) is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32, pub(super) u32);

impl Version {
    /// Reads `1.2.3`, `v1.2` or `20.10.24+dfsg1`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let numbers = text.trim().trim_start_matches('v').split(['.', '+', '-', '~']);
        let mut numbers = numbers.map_while(|number| number.parse::<u32>().ok());
        Some(Self(numbers.next()?, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
    }
}

/// Whether an engine is new enough.
pub(super) fn is_docker_new(version: Version) -> bool {
    version >= Version(29, 5, 1)
}

/// Whether a runtime is new enough. The fixes are in two lines.
pub(super) fn is_runc_new(version: Version) -> bool {
    version >= Version(1, 3, 3) || (version >= Version(1, 2, 8) && version < Version(1, 3, 0))
}

/// Whether a broker is new enough.
pub(super) fn is_rabbitmq_new(version: Version) -> bool {
    version >= Version(4, 3, 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written() {
        for (text, expect) in [
            ("29.5.1", Some(Version(29, 5, 1))),
            ("20.10.24+dfsg1", Some(Version(20, 10, 24))),
            ("1.1.5+ds1", Some(Version(1, 1, 5))),
            ("v1.3", Some(Version(1, 3, 0))),
            ("4.3.5-rc.1", Some(Version(4, 3, 5))),
            ("", None),
            ("unknown", None),
        ] {
            assert_eq!(Version::read(text), expect, "{text}");
        }
    }

    #[test]
    fn a_fix_is_in_all_later_versions_of_its_line() {
        let all = |is_new: fn(Version) -> bool, versions: &[(&str, bool)]| {
            for (text, expect) in versions {
                assert_eq!(Version::read(text).map(is_new), Some(*expect), "{text}");
            }
        };
        all(is_docker_new, &[("29.5.0", false), ("29.5.1", true), ("30.0.0", true), ("20.10.24", false)]);
        all(is_rabbitmq_new, &[("4.3.4", false), ("4.3.5", true), ("5.0.0", true), ("3.13.7", false)]);
        let runc = [("1.1.15", false), ("1.2.7", false), ("1.2.8", true), ("1.3.0", false), ("1.3.2", false)];
        all(is_runc_new, &runc);
        all(is_runc_new, &[("1.3.3", true), ("1.4.0", true)]);
    }
}
