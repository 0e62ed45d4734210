//! Waiting for what an adapter does in its own time.

use std::future::Future;
use std::time::Duration;

/// How long a real system behind an adapter may take for anything a contract waits for.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Asks `probe` again and again until it gives something.
///
/// # Panics
/// When it gave nothing for [`DEADLINE`]; `what` says what was waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let found = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            if let Some(found) = probe().await {
                return found;
            }
        }
    };
    within(what, found).await
}

/// Waits for a future.
///
/// # Panics
/// When it took longer than [`DEADLINE`]; `what` says what was waited for.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} in vain: {what}"),
    }
}
