//! Points at which tests end, fail or delay the process, so that what a crash leaves behind is tried at each boundary.
//!
//! A point has a name and stands between two effects, for example between the confirm of a publish and the acknowledgement of
//! what it follows from. One point of a process can be [armed](arm), and strikes once. Builds without debug assertions
//! have no points at all: there [`reach`] and [`pass`] are empty.

use std::time::Duration;

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The process ends at once, as by SIGKILL: nothing is flushed and nobody is told.
    Abort,
    /// The step fails, as by a call that did not succeed or whose answer was lost.
    Error,
    /// The step takes this long.
    Delay(Duration),
}

/// An armed point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failpoint {
    /// The name of the point.
    pub name: String,
    /// What happens there.
    pub strike: Strike,
    /// At which of its passes, counted from 1.
    pub nth: u64,
}

impl std::str::FromStr for Failpoint {
    type Err = String;

    /// Reads `name=abort`, `name=error` or `name=delay:5s`, each with `@n` at its end for the nth pass.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no failpoint: name=abort|error|delay:SECONDSs[@PASS]");
        let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
        let (strike, nth) = rest.split_once('@').unwrap_or((rest, "1"));
        let strike = match strike.strip_prefix("delay:") {
            None if strike == "abort" => Strike::Abort,
            None if strike == "error" => Strike::Error,
            None => return Err(wrong()),
            Some(delay) => {
                let seconds = delay.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
                Strike::Delay(Duration::from_secs(seconds.ok_or_else(wrong)?))
            }
        };
        let nth = nth.parse().ok().filter(|nth| *nth > 0).ok_or_else(wrong)?;
        Ok(Self { name: name.to_owned(), strike, nth })
    }
}

#[cfg(debug_assertions)]
mod armed {
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Failpoint, Strike};
    use crate::{Fault, PortError};

    static ARMED: OnceLock<Failpoint> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);

    /// Arms a point of this process. Only the first call counts.
    pub fn arm(failpoint: Failpoint) {
        ARMED.set(failpoint).ok();
    }

    /// Passes a point.
    ///
    /// # Errors
    /// A transient error where [`Strike::Error`] strikes.
    pub async fn reach(name: &'static str) -> Result<(), PortError> {
        let Some(armed) = ARMED.get().filter(|armed| armed.name == name) else { return Ok(()) };
        if PASSES.fetch_add(1, Ordering::Relaxed) + 1 != armed.nth {
            return Ok(());
        }
        // Whoever armed it waits for this line.
        writeln!(std::io::stderr(), "failpoint {name} struck").ok();
        match armed.strike {
            Strike::Abort => std::process::abort(),
            Strike::Error => {
                Err(PortError::new(Fault::Transient, format!("pass {name}"), "a failpoint struck"))
            }
            Strike::Delay(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
        }
    }
}

#[cfg(debug_assertions)]
pub use armed::{arm, reach};

/// Passes a point: nothing, in a build without debug assertions.
///
/// # Errors
/// None.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn reach(_: &'static str) -> std::future::Ready<Result<(), crate::PortError>> {
    std::future::ready(Ok(()))
}

/// Passes a point where nothing can fail: an error does nothing there.
#[inline]
pub async fn pass(name: &'static str) {
    reach(name).await.ok();
}

#[cfg(test)]
mod tests {
    use super::{Failpoint, Strike};
    use std::time::Duration;

    #[test]
    fn a_failpoint_is_read_whole_or_not_at_all() {
        let point = |strike, nth| Ok(Failpoint { name: "a_b".to_owned(), strike, nth });
        assert_eq!("a_b=abort".parse(), point(Strike::Abort, 1));
        assert_eq!("a_b=error@3".parse(), point(Strike::Error, 3));
        assert_eq!("a_b=delay:5s@2".parse(), point(Strike::Delay(Duration::from_secs(5)), 2));
        for wrong in ["a_b", "a_b=stop", "a_b=delay:5", "a_b=delay:s", "a_b=abort@0", "a_b=abort@x"] {
            assert!(wrong.parse::<Failpoint>().is_err(), "{wrong}");
        }
    }
}
