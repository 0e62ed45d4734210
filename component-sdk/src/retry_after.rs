//! `Retry-After` (RFC 9110, section 10.2.3), for whoever speaks HTTP to the other side.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Longest wait that is believed: a day.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long the header asks to wait: seconds, or an HTTP date, which counts from `now`. At most [`LONGEST`]; nothing when it
/// is neither. For [`Error::retry_after`](crate::Error::retry_after).
#[must_use]
pub fn parse(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = DateTime::parse_from_rfc2822(header).ok()?;
            // A date that has passed means now.
            (date.with_timezone(&Utc) - now).to_std().unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood() {
        let now = "2026-11-06T08:49:07Z".parse().unwrap();
        for (header, seconds) in [
            ("120", Some(120)),
            ("Fri, 06 Nov 2026 08:49:37 GMT", Some(30)),
            ("Fri, 06 Nov 2026 08:00:00 GMT", Some(0)),
            ("99999999", Some(86400)),
            ("soon", None),
        ] {
            assert_eq!(parse(header, now).map(|wait| wait.as_secs()), seconds, "{header}");
        }
    }

    #[test]
    fn a_long_date_is_no_date() {
        let now = "2026-11-06T08:49:07Z".parse().unwrap();
        let date = "Fri, 06 Nov 2026 08:49:37 GMT";
        for header in [
            "(".repeat(100_000),
            format!("{date} {}", "(".repeat(100_000)),
            format!("{}{date}", "a".repeat(100_000)),
            "9".repeat(100_000),
        ] {
            assert_eq!(parse(&header, now), None);
        }
        // A comment is one however deep it is; it says nothing.
        let comment = format!("{date} {}{}", "(".repeat(50_000), ")".repeat(50_000));
        assert!(parse(&comment, now).is_none_or(|wait| wait.as_secs() == 30));
    }
}
