//! Durations as people write them: `500ms`, `2s`, `5m`, `1h`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A duration of at least a millisecond and at most 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delay(Duration);

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no duration: a whole number and ms, s, m, h or d, from 1ms to 366d, for example 30s")]
pub struct DelayError(String);

const DAY: u64 = 24 * 60 * 60 * 1000;

impl Delay {
    /// A number of whole seconds, at least one and at most 366 days.
    #[must_use]
    pub fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds.clamp(1, 366 * DAY / 1000)))
    }

    /// The duration.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }

    /// The duration in milliseconds.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).expect("366 days fit")
    }
}

impl FromStr for Delay {
    type Err = DelayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || DelayError(text.chars().take(32).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().map_err(|_| refuse())?;
        let unit = match &text[digits..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => DAY,
            _ => return Err(refuse()),
        };
        let millis =
            number.checked_mul(unit).filter(|millis| (1..=366 * DAY).contains(millis)).ok_or_else(refuse)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl TryFrom<String> for Delay {
    type Error = DelayError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Delay> for String {
    fn from(delay: Delay) -> Self {
        delay.to_string()
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis();
        let units = [(DAY, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
        let (size, unit) = units
            .into_iter()
            .find(|(size, _)| millis.is_multiple_of(*size))
            .expect("everything divides by one");
        write!(f, "{}{unit}", millis / size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, millis) in [("500ms", 500), ("2s", 2000), ("5m", 300_000), ("1h", 3_600_000), ("1d", DAY)]
        {
            assert_eq!(text.parse::<Delay>().unwrap().millis(), millis);
        }
        for text in ["", "5", "s", "0s", "-1s", "1.5s", "1 s", "367d", "99999999999999999999s", "1w"] {
            assert!(text.parse::<Delay>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_prints_as_it_reads(millis in 1..=366 * DAY) {
            let delay = Delay(Duration::from_millis(millis));
            prop_assert_eq!(delay.to_string().parse::<Delay>().unwrap(), delay);
        }
    }
}
