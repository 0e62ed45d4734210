//! The hooks of a trigger: what its `startup` returned is kept beside its snapshot, in the trigger's cursor.
//!
//! A step says `_hooks: true` when its trigger has hooks; nothing in its image says so. With `_hooks: shutdown` the next poll
//! runs the hook `shutdown` instead, once.

use serde_json::{Map, Value, json};
use sluice_sdk::Error;

/// The field of a cursor that holds what `startup` returned.
const STARTUP: &str = "_startup";
/// The field of such a cursor that holds the snapshot.
const SNAPSHOT: &str = "_snapshot";

/// What the config of a step says of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hooks {
    /// There are none.
    None,
    /// `startup` is to be run, unless it was.
    Started,
    /// `shutdown` is to be run, if `startup` was.
    Shutdown,
}

impl Hooks {
    /// Reads `_hooks`.
    ///
    /// # Errors
    /// When it is something else than these.
    pub(crate) fn of(config: &Value) -> Result<Self, Error> {
        match &config["_hooks"] {
            Value::Null | Value::Bool(false) => Ok(Self::None),
            Value::Bool(true) => Ok(Self::Started),
            Value::String(text) if text == "shutdown" => Ok(Self::Shutdown),
            _ => Err(Error::fatal("bad_config", "`_hooks` is true, false or `shutdown`")),
        }
    }
}

/// The snapshot in a cursor, and what `startup` returned.
pub(crate) fn split(cursor: Option<Value>) -> (Option<Value>, Option<Value>) {
    match cursor {
        Some(Value::Object(mut fields)) if fields.contains_key(STARTUP) => {
            (fields.remove(SNAPSHOT), fields.remove(STARTUP))
        }
        cursor => (cursor, None),
    }
}

/// The cursor of both.
pub(crate) fn joined(snapshot: Value, startup: Option<Value>) -> Value {
    match startup {
        Some(startup) => json!({ STARTUP: startup, SNAPSHOT: snapshot }),
        None => snapshot,
    }
}

/// A snapshot of nothing.
pub(crate) fn nothing() -> Value {
    Value::Object(Map::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_holds_both_and_gives_both_back() {
        for (snapshot, startup) in [(json!({ "a": 1 }), Some(json!({ "id": 7 }))), (json!([1]), None)] {
            let cursor = joined(snapshot.clone(), startup.clone());
            assert_eq!(split(Some(cursor)), (Some(snapshot), startup));
        }
        assert_eq!(split(None), (None, None));
        assert!(Hooks::of(&json!({ "_hooks": "yes" })).is_err());
    }
}
