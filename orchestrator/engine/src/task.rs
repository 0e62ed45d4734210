//! Helpers for loops and for calls that must succeed in the end.

use std::time::Duration;

use sluice_ports::PortError;
use tracing::{error, warn};

const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// Calls until it succeeds, with capped backoff. For writes that a message waits for: as long as the store is away, the
/// message is not acknowledged, so nothing is lost.
pub(crate) async fn persist<F, T>(what: &'static str, call: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, PortError>>,
{
    let mut backoff = BACKOFF_FIRST;
    loop {
        match call().await {
            Ok(value) => return value,
            Err(error) if error.is_transient() => warn!(error = chain(&error), what, "trying again"),
            Err(error) => error!(error = chain(&error), what, "trying again, though it looks hopeless"),
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MOST);
    }
}

/// An error and its sources in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += ": ";
        text += &cause.to_string();
        source = cause.source();
    }
    text
}
