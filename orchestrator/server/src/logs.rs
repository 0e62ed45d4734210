//! Logs: structured lines on standard error.

use tracing_subscriber::EnvFilter;

/// Starts logging at a level, as JSON or as text. A filter that cannot be read falls back to `info` and says so.
pub(crate) fn start(level: &str, json: bool) {
    let (filter, fault) = match EnvFilter::try_new(level) {
        // Lost connections are told by the adapter that mends them.
        Ok(filter) => (filter.add_directive("lapin=off".parse().expect("a valid directive")), None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It would tell of a line that cannot be written by `eprintln!`, which panics for the same reason.
    let builder = builder.log_internal_errors(false);
    if json {
        builder.json().init();
    } else {
        builder.with_ansi(false).init();
    }
    if let Some(error) = fault {
        tracing::warn!(%error, "log.level cannot be read; logging at info");
    }
}
