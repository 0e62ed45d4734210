//! What a script may ask for.

use serde_json::Value;

/// The other side of `invoke` and `console`. Both run on the thread of the script and may block it.
pub trait Host: Send + Sync {
    /// Calls another action of the same connector.
    ///
    /// # Errors
    /// When there is no such action, or it failed. The script gets an exception that it may catch.
    fn invoke(&self, action: &str, input: Value) -> Result<Value, HostError>;

    /// Takes a line of `console.log`, at most 1 KiB. It may hold whatever the script knows.
    fn log(&self, line: &str);
}

/// Why a call of the host failed: what the script sees as `code` and `message` of the exception.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// For machines.
    pub code: String,
    /// One sentence.
    pub message: String,
}

impl HostError {
    /// An error with a code and a sentence.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// A host that offers nothing and hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoHost;

impl Host for NoHost {
    fn invoke(&self, _: &str, _: Value) -> Result<Value, HostError> {
        Err(HostError::new("not_here", "no other action can be called here"))
    }

    fn log(&self, _: &str) {}
}
