//! The headers that say when a limit is reset, which no standard describes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sluice_sdk::retry_after::LONGEST;

/// Reads the time at which a limit is reset: seconds from now, or since 1970, or milliseconds since 1970.
pub(crate) fn until(header: &str, now: DateTime<Utc>) -> Option<Duration> {
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
            assert_eq!(until(header, now).map(|wait| wait.as_secs()), seconds, "{header}");
        }
    }
}
