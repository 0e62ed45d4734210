//! When the orchestrator's log first tells of a fault.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 3600 * 1000;

/// Milliseconds from a moment to the first line after it that warns, or says that something is put right. A run over
/// midnight has none.
pub(crate) fn first_sign(log: &str, since: SystemTime) -> Option<u64> {
    let since = since.duration_since(UNIX_EPOCH).ok()?.as_millis();
    let since = u64::try_from(since).ok()? % DAY;
    let tells = |line: &&str| {
        [" WARN ", " ERROR ", "reconciling", "sluice ends", "sluice serves"]
            .iter()
            .any(|word| line.contains(word))
    };
    let mut times = log.lines().filter(tells).filter_map(millisecond_of_day);
    times.find(|at| *at >= since).map(|at| at - since)
}

/// Of a line that begins with a time like `2026-01-31T12:00:00.123456Z`.
fn millisecond_of_day(line: &str) -> Option<u64> {
    let (_, time) = line.split_whitespace().next()?.split_once('T')?;
    let mut parts = time.trim_end_matches('Z').split(':');
    let (hours, minutes) = (parts.next()?.parse::<u64>().ok()?, parts.next()?.parse::<u64>().ok()?);
    let seconds: f64 = parts.next()?.parse().ok()?;
    Some((hours * 3600 + minutes * 60) * 1000 + (seconds * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::first_sign;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn the_first_line_after_the_fault_that_tells_of_it_counts() {
        let log = "2026-01-31T00:00:01.000000Z  WARN old\n\
                   2026-01-31T00:00:02.500000Z  INFO nothing\n\
                   2026-01-31T00:00:02.750000Z  INFO reconciling plan=x\n";
        let since = UNIX_EPOCH + Duration::from_secs(24 * 3600 + 2);
        assert_eq!(first_sign(log, since), Some(750));
        assert_eq!(first_sign(log, since + Duration::from_secs(1)), None);
    }
}
