//! What an exception means, and where it was thrown.

use rquickjs::{Coerced, Ctx, Error, Exception, Value as Js};

use super::Engine;
use crate::error::ScriptError;

/// How much of a message is repeated, in characters.
const QUOTED: usize = 500;

impl Engine<'_> {
    /// The error of a call.
    pub(super) fn blame(&self, ctx: &Ctx<'_>, error: &Error) -> ScriptError {
        let script = self.name.to_owned();
        if matches!(error, Error::Allocation) {
            return ScriptError::OutOfMemory { script, bytes: self.limits.memory };
        }
        if !matches!(error, Error::Exception) {
            return ScriptError::Thrown {
                script,
                line: 0,
                message: one_line(&error.to_string()),
                code: None,
            };
        }
        let thrown = ctx.catch();
        if let Some(fault) = self.run.fault() {
            return self.of_fault(fault);
        }
        let Some(exception) = thrown.clone().into_exception() else {
            // Without memory for an exception the engine throws `null`.
            if thrown.is_null() {
                return ScriptError::OutOfMemory { script, bytes: self.limits.memory };
            }
            return ScriptError::Thrown { script, line: 0, message: said(ctx, thrown), code: None };
        };
        let name = text(&exception, "name").unwrap_or_default();
        let message = exception.message().unwrap_or_default();
        match (name.as_str(), message.as_str()) {
            ("InternalError", "out of memory") => {
                return ScriptError::OutOfMemory { script, bytes: self.limits.memory };
            }
            ("RangeError", "Maximum call stack size exceeded") => {
                return ScriptError::StackOverflow { script };
            }
            _ => {}
        }
        let code = text(&exception, "code").map(|code| one_line(&code));
        let (script, line) = self.place(&exception).unwrap_or((script, 0));
        let message = if name.is_empty() || name == "Error" { message } else { format!("{name}: {message}") };
        ScriptError::Thrown { script, line, message: one_line(&message), code }
    }

    /// The error of a script that was read or evaluated for the first time.
    pub(super) fn misread(&self, ctx: &Ctx<'_>, name: &str, error: &Error) -> ScriptError {
        match self.blame(ctx, error) {
            ScriptError::Thrown { script: _, line, message, .. } => {
                ScriptError::Syntax { script: name.to_owned(), line: line.max(1), message }
            }
            other => other,
        }
    }

    /// The innermost place of a script in the stack of an exception: `at f (NAME:LINE:COLUMN)`.
    fn place(&self, exception: &Exception<'_>) -> Option<(String, u32)> {
        let stack = exception.stack()?;
        stack.lines().find_map(|frame| {
            let place = frame.trim().trim_end_matches(')').rsplit([' ', '(']).next()?;
            let mut parts = place.split(':');
            let (name, line) = (parts.next()?, parts.next()?.parse().ok()?);
            self.sources.contains_key(name).then(|| (name.to_owned(), line))
        })
    }
}

/// A value that is no error, in words.
fn said<'js>(ctx: &Ctx<'js>, thrown: Js<'js>) -> String {
    let json = if thrown.is_object() { ctx.json_stringify(thrown.clone()).ok().flatten() } else { None };
    let text = match json {
        Some(json) => json.to_string().ok(),
        None => thrown.get::<Coerced<String>>().ok().map(|text| text.0),
    };
    // Whatever went wrong with that is no concern of anybody.
    drop(ctx.catch());
    one_line(&text.unwrap_or_else(|| "something that is no text was thrown".to_owned()))
}

fn text(exception: &Exception<'_>, name: &str) -> Option<String> {
    exception.as_object().get::<_, Js<'_>>(name).ok()?.as_string()?.to_string().ok()
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
