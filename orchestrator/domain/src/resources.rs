//! Resource limits of containers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a container may use at most. A field that is absent takes the runtime's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Limits {
    /// Memory; swap is never allowed on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Processor time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
}

/// An amount of memory: 6 MiB (Docker's own minimum) to 1 TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memory(u64);

/// An amount of processor time in thousandths of a core: 0.01 to 256 cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Cpus(u32);

/// A text or number that is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// No amount of memory.
    #[error("`{0}` is no amount of memory: a whole number and KiB, MiB or GiB, from 6MiB to 1024GiB")]
    Memory(String),
    /// No amount of processor time.
    #[error("{0} is no number of processors from 0.01 to 256")]
    Cpus(String),
}

impl Memory {
    /// The amount in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// So many MiB, brought into the allowed range.
    #[must_use]
    pub fn mib(mib: u64) -> Self {
        Self(mib.clamp(6, 1024 * 1024) << 20)
    }
}

impl FromStr for Memory {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ResourceError::Memory(text.chars().take(32).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().map_err(|_| refuse())?;
        let shift = match &text[digits..] {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(refuse()),
        };
        let bytes = number.checked_mul(1 << shift).ok_or_else(refuse)?;
        if (6 << 20..=1 << 40).contains(&bytes) { Ok(Self(bytes)) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for Memory {
    type Error = ResourceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        memory.to_string()
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB")] {
            if self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}KiB", self.0 >> 10)
    }
}

impl Cpus {
    /// The amount in billionths of a core, as container engines count.
    #[must_use]
    pub fn nanos(self) -> i64 {
        i64::from(self.0) * 1_000_000
    }
}

impl TryFrom<f64> for Cpus {
    type Error = ResourceError;

    fn try_from(cores: f64) -> Result<Self, Self::Error> {
        if (0.01..=256.0).contains(&cores) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range is checked above"
            )]
            return Ok(Self((cores * 1000.0).round() as u32));
        }
        Err(ResourceError::Cpus(cores.to_string()))
    }
}

impl From<Cpus> for f64 {
    fn from(cpus: Cpus) -> Self {
        Self::from(cpus.0) / 1000.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_needs_a_binary_unit_and_a_sane_size() {
        assert_eq!("64MiB".parse::<Memory>().unwrap().bytes(), 64 << 20);
        assert_eq!("65536KiB".parse::<Memory>().unwrap().to_string(), "64MiB");
        for text in ["64", "64MB", "1KiB", "9999999GiB", "-1MiB", ""] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
    }

    #[test]
    fn processors_are_counted_in_thousandths() {
        assert_eq!(Cpus::try_from(0.5).unwrap().nanos(), 500_000_000);
        for cores in [0.0, -1.0, f64::NAN, 1e9] {
            assert!(Cpus::try_from(cores).is_err());
        }
    }
}
