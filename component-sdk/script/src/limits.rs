//! What a script may take.

use std::time::Duration;

/// The bounds of the scripts of one connector, and of each call of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Time of computing in one call; calls of the host do not count.
    pub time: Duration,
    /// Memory of the engine in one call, in bytes. The engine itself takes about 300 KiB of it.
    pub memory: usize,
    /// Stack of the engine, in bytes. The thread needs half a MiB more than this.
    pub stack: usize,
    /// The arguments of a call or of a script's call of the host, as JSON, in bytes.
    pub input_bytes: usize,
    /// What a call gives, as JSON, in bytes.
    pub output_bytes: usize,
    /// Levels of lists and objects in arguments and results.
    pub depth: usize,
    /// The code of one script, in bytes.
    pub source_bytes: usize,
    /// The code of all scripts together, in bytes.
    pub sources_bytes: usize,
    /// Calls of other actions in one call.
    pub host_calls: usize,
    /// Lines that one call may write to the log; more are left out. Each is cut after 1 KiB.
    pub log_lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(1),
            memory: 16 * 1024 * 1024,
            stack: 512 * 1024,
            input_bytes: 8 * 1024 * 1024,
            output_bytes: 1024 * 1024,
            depth: 100,
            source_bytes: 64 * 1024,
            sources_bytes: 256 * 1024,
            host_calls: 100,
            log_lines: 100,
        }
    }
}
