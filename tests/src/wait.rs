//! Waiting on conditions, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks `check` until it gives a value, or for `patience`. Says `what` it waited for when it gives up.
pub async fn eventually<T, F>(what: &str, patience: Duration, mut check: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let started = Instant::now();
    let mut last = None;
    while started.elapsed() < patience {
        match check().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => last = None,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    match last {
        Some(error) => Err(error.context(format!("waited {patience:?} for {what}"))),
        None => bail!("waited {patience:?} for {what}"),
    }
}
