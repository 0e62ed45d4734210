//! Why a script gave nothing.

use thiserror::Error;

/// What went wrong with a script. Each is one line, and may repeat what the script itself said.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScriptError {
    /// The code cannot be read, or is no function.
    #[error("script `{script}`, line {line}: {message}")]
    Syntax {
        /// The script.
        script: String,
        /// The line, from 1.
        line: u32,
        /// What the engine says.
        message: String,
    },
    /// An exception that nobody caught.
    #[error("script `{script}`, line {line}: {message}")]
    Thrown {
        /// The script where it was thrown.
        script: String,
        /// The line, from 1; 0 when it is not known.
        line: u32,
        /// What was thrown, as a text.
        message: String,
        /// The member `code` of what was thrown: that of a [`HostError`](crate::HostError), or the script's own.
        code: Option<String>,
    },
    /// It computed for too long.
    #[error("script `{script}` took longer than {millis} ms")]
    TimedOut {
        /// The script that was called.
        script: String,
        /// The limit.
        millis: u64,
    },
    /// It wanted more memory than it may have.
    #[error("script `{script}` needs more memory than {bytes} bytes")]
    OutOfMemory {
        /// The script that was called.
        script: String,
        /// The limit.
        bytes: usize,
    },
    /// Its calls are nested too deeply.
    #[error("script `{script}` nests its calls too deeply")]
    StackOverflow {
        /// The script that was called.
        script: String,
    },
    /// Code, arguments or a result beyond a limit.
    #[error("script `{script}`: {what} is larger than {limit}")]
    TooLarge {
        /// The script.
        script: String,
        /// What is too large.
        what: &'static str,
        /// The limit, with its unit.
        limit: String,
    },
    /// It called other actions too often.
    #[error("script `{script}` called other actions more than {limit} times")]
    TooManyCalls {
        /// The script that was called.
        script: String,
        /// The limit.
        limit: usize,
    },
    /// There is no such script.
    #[error("there is no script `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
}
