//! When polling triggers tick.
//!
//! A tick that falls while the one before it still runs is skipped and counted. Ticks that were missed while the
//! orchestrator or the flow was down are made up by one tick at once, never by several.

use std::str::FromStr;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};

use crate::Delay;

/// When a polling trigger ticks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The rule.
    #[serde(flatten)]
    pub timing: Timing,
    /// Each tick is later by a part of this, the same part for the same tick of the same step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Delay>,
}

/// The rule of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Timing {
    /// After every so much time, counted from the tick before.
    Every {
        /// The interval.
        every: Delay,
    },
    /// At the times of a cron expression in a time zone.
    Cron {
        /// Five or six fields (the first of six are seconds), as `croner` reads them.
        cron: String,
        /// An IANA time zone; UTC when absent. A time that daylight saving skips is taken at the next valid time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timezone: Option<String>,
    },
}

/// A schedule that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The cron expression is wrong.
    #[error("`{expression}` is no cron expression: {reason}")]
    Cron {
        /// The expression.
        expression: String,
        /// What is wrong.
        reason: String,
    },
    /// The time zone is unknown.
    #[error("`{0}` is no IANA time zone, for example Europe/Berlin")]
    Zone(String),
    /// The cron expression never comes true.
    #[error("`{0}` never comes true")]
    Never(String),
}

impl Schedule {
    /// A schedule that ticks at an interval, without jitter.
    #[must_use]
    pub fn every(every: Delay) -> Self {
        Self { timing: Timing::Every { every }, jitter: None }
    }

    /// Checks the expression and the time zone.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub fn check(&self) -> Result<(), ScheduleError> {
        self.next(DateTime::UNIX_EPOCH, 0).map(|_| ())
    }

    /// The first tick after `last`. `seed` decides the jitter: the same seed and tick give the same jitter.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub fn next(&self, last: DateTime<Utc>, seed: u64) -> Result<DateTime<Utc>, ScheduleError> {
        let tick = match &self.timing {
            Timing::Every { every } => {
                last + Duration::milliseconds(i64::try_from(every.millis()).unwrap_or(i64::MAX))
            }
            Timing::Cron { cron, timezone } => next_cron(cron, timezone.as_deref(), last)?,
        };
        let Some(jitter) = self.jitter else { return Ok(tick) };
        let spread = mix(seed ^ tick.timestamp_millis().unsigned_abs()) % (jitter.millis() + 1);
        Ok(tick + Duration::milliseconds(i64::try_from(spread).unwrap_or(0)))
    }
}

fn next_cron(cron: &str, zone: Option<&str>, last: DateTime<Utc>) -> Result<DateTime<Utc>, ScheduleError> {
    let refuse =
        |reason: String| ScheduleError::Cron { expression: cron.chars().take(100).collect(), reason };
    if cron.len() > 100 {
        return Err(refuse("longer than 100 characters".to_owned()));
    }
    let parsed: Cron = CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
        .parse(cron)
        .map_err(|error| refuse(error.to_string()))?;
    let name = zone.unwrap_or("UTC");
    let zone = Tz::from_str(name).map_err(|_| ScheduleError::Zone(name.chars().take(64).collect()))?;
    let next = parsed
        .find_next_occurrence(&last.with_timezone(&zone), false)
        .map_err(|_| ScheduleError::Never(cron.to_owned()))?;
    Ok(next.with_timezone(&Utc))
}

/// SplitMix64's finaliser: spreads neighbouring numbers evenly.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(expression: &str, zone: &str) -> Schedule {
        let timing = Timing::Cron { cron: expression.to_owned(), timezone: Some(zone.to_owned()) };
        Schedule { timing, jitter: None }
    }

    fn next(schedule: &Schedule, last: &str) -> String {
        schedule.next(last.parse().unwrap(), 0).unwrap().to_rfc3339()
    }

    #[test]
    fn a_cron_schedule_follows_its_time_zone() {
        let schedule = cron("0 7 * * MON-FRI", "Europe/Berlin");
        assert_eq!(next(&schedule, "2026-07-03T05:00:00Z"), "2026-07-06T05:00:00+00:00");
        assert_eq!(next(&schedule, "2026-12-04T06:00:00Z"), "2026-12-07T06:00:00+00:00");
    }

    #[test]
    fn a_time_that_does_not_exist_is_not_lost() {
        // Clocks jump from 02:00 to 03:00 in Berlin on 2026-03-29.
        let schedule = cron("30 2 * * *", "Europe/Berlin");
        let tick = next(&schedule, "2026-03-28T12:00:00Z");
        assert!(tick.starts_with("2026-03-29T01:"), "{tick}");
    }

    #[test]
    fn wrong_schedules_are_refused() {
        assert!(matches!(cron("61 * * * *", "UTC").check(), Err(ScheduleError::Cron { .. })));
        assert!(matches!(cron("* * * * *", "Mars/Base").check(), Err(ScheduleError::Zone(_))));
        assert!(matches!(
            cron("0 0 31 2 *", "UTC").check(),
            Err(ScheduleError::Never(_) | ScheduleError::Cron { .. })
        ));
    }

    #[test]
    fn jitter_is_the_same_for_the_same_tick_and_stays_in_its_bounds() {
        let schedule = Schedule { jitter: Some("30s".parse().unwrap()), ..cron("0 * * * *", "UTC") };
        let last: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let plain: DateTime<Utc> = "2026-01-01T01:00:00Z".parse().unwrap();
        for seed in 0..50 {
            let tick = schedule.next(last, seed).unwrap();
            assert_eq!(tick, schedule.next(last, seed).unwrap());
            assert!(tick >= plain && tick <= plain + Duration::seconds(30));
        }
    }
}
