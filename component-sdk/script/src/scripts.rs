//! The scripts of a connector.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::error::ScriptError;
use crate::host::{Host, NoHost};
use crate::limits::Limits;

/// Scripts whose code was read once and found good. Cheap to clone, and any thread may call them.
#[derive(Debug, Clone)]
pub struct Scripts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sources: BTreeMap<String, String>,
    limits: Limits,
}

impl Scripts {
    /// Reads the code of scripts by their names. Each is an expression that gives a function, such as
    /// `function (input, cx) { ... }` or `(input) => ...`; a script finds all of them as `scripts.NAME`.
    ///
    /// # Errors
    /// At the first script whose code cannot be read, is no function, or is too long.
    pub fn compile(sources: &BTreeMap<String, String>, limits: Limits) -> Result<Self, ScriptError> {
        let mut all = 0;
        for (name, code) in sources {
            all += code.len();
            let too_large = |what, limit: usize| ScriptError::TooLarge {
                script: name.clone(),
                what,
                limit: format!("{limit} bytes"),
            };
            if code.len() > limits.source_bytes {
                return Err(too_large("its code", limits.source_bytes));
            }
            if all > limits.sources_bytes {
                return Err(too_large("the code of all scripts", limits.sources_bytes));
            }
        }
        let scripts = Self(Arc::new(Inner { sources: sources.clone(), limits }));
        if let Some(first) = sources.keys().next() {
            scripts.engine(first, Arc::new(NoHost), &Arc::default())?.check()?;
        }
        Ok(scripts)
    }

    /// Whether there is a script of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.sources.contains_key(name)
    }

    /// Calls a script and gives its result; where that is a promise, what it comes to.
    ///
    /// Blocks the thread, which needs a stack of [`Limits::stack`] and half a MiB more.
    ///
    /// # Errors
    /// When there is no such script, it throws, or it meets a limit.
    pub fn call(&self, name: &str, args: Vec<Value>, host: Arc<dyn Host>) -> Result<Value, ScriptError> {
        self.call_timed(name, args, host, &Arc::default())
    }

    /// [`call`](Self::call) with a clock that somebody else looks at.
    ///
    /// # Errors
    /// As `call`.
    pub fn call_timed(
        &self,
        name: &str,
        args: Vec<Value>,
        host: Arc<dyn Host>,
        clock: &Arc<Clock>,
    ) -> Result<Value, ScriptError> {
        if !self.has(name) {
            return Err(ScriptError::Unknown { name: name.to_owned() });
        }
        clock.run();
        let result = self.engine(name, host, clock).and_then(|engine| engine.call(args));
        clock.pause();
        result
    }

    fn engine<'s>(
        &'s self,
        name: &'s str,
        host: Arc<dyn Host>,
        clock: &Arc<Clock>,
    ) -> Result<Engine<'s>, ScriptError> {
        Engine::start(name, &self.0.sources, &self.0.limits, (host, Arc::clone(clock)))
    }
}

#[cfg(test)]
mod tests;
