//! Reads how long to wait: `Retry-After` (RFC 9110, section 10.2.3), and the headers that say when a limit is reset.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Longest wait that is believed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn parse(header: &str, now: DateTime<Utc>) -> Option<Duration> {
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

/// Reads the time at which a limit is reset: seconds from now, or since 1970, or milliseconds since 1970.
pub(crate) fn until_reset(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let number = header.split([',', ';']).next().unwrap_or_default().trim().parse::<f64>().ok()?;
    let now = now.timestamp_millis() as f64 / 1000.0;
    let seconds = match number {
        _ if number > 1e12 => number / 1000.0 - now,
        _ if number > 1e9 => number - now,
        _ => number,
    };
    Duration::try_from_secs_f64(seconds.max(0.0)).ok().map(|wait| wait.min(LONGEST))
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
    fn resets_are_understood_in_three_ways() {
        let now = "2026-11-06T08:49:07Z".parse().unwrap();
        for (header, seconds) in [
            ("12", Some(12)),
            ("1793954977", Some(30)),
            ("1793954977000", Some(30)),
            ("1793954000", Some(0)),
            ("60, 100;w=60", Some(60)),
            ("later", None),
        ] {
            assert_eq!(until_reset(header, now).map(|wait| wait.as_secs()), seconds, "{header}");
        }
    }
}
