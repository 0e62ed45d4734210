//! The hooks of a trigger: what its `startup` returned is kept beside its snapshot, in the trigger's cursor, as what it
//! opened. So `shutdown` is run with it when the flow ends.
//!
//! A step says `_hooks: true` when its trigger has hooks; nothing in its image says so.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_families::Errand;
use sluice_sdk::protocol::OPENED;
use sluice_sdk::{Action, Context, Error, Outputs};

use crate::pool::{Pool, Remembered};

/// The field of such a cursor that holds the snapshot.
const SNAPSHOT: &str = "_snapshot";

/// Whether the config of a step says that its trigger has hooks.
///
/// # Errors
/// When it says something else than yes or no, or yes without an instance: without one nothing could be run when the flow
/// ends.
pub(crate) fn has_hooks(cx: &Context, config: &Value) -> Result<bool, Error> {
    match &config["_hooks"] {
        Value::Null | Value::Bool(false) => Ok(false),
        Value::Bool(true) if cx.instance().is_some() => Ok(true),
        Value::Bool(true) => {
            let text =
                "`_hooks` needs an instance: bind one, if only with empty settings, and use its function";
            Err(Error::fatal("bad_config", text))
        }
        _ => Err(Error::fatal("bad_config", "`_hooks` is true or false")),
    }
}

/// The snapshot in a cursor, and what `startup` returned.
pub(crate) fn split(cursor: Option<Value>) -> (Option<Value>, Option<Value>) {
    match cursor {
        Some(Value::Object(mut fields))
            if fields.contains_key(OPENED) || (fields.len() == 1 && fields.contains_key(SNAPSHOT)) =>
        {
            (fields.remove(SNAPSHOT), fields.remove(OPENED))
        }
        cursor => (cursor, None),
    }
}

/// The cursor of both.
pub(crate) fn joined(snapshot: Value, startup: Option<Value>) -> Value {
    match startup {
        Some(startup) => json!({ OPENED: startup, SNAPSHOT: snapshot }),
        None => snapshot,
    }
}

/// Runs the hook `shutdown` of a trigger, in a process of its own.
pub(crate) struct Shutdown(pub(crate) Arc<Pool>);

/// Which one, and what its `startup` returned.
#[derive(Deserialize)]
pub(crate) struct Ended {
    trigger: String,
    #[serde(default)]
    config: Map<String, Value>,
    opened: Value,
    flow: String,
    step: String,
}

impl Action for Shutdown {
    type Config = Value;
    type Input = Ended;

    async fn run(&self, cx: &Context, _: &Value, ended: Ended) -> Result<Outputs, Error> {
        let Ended { trigger, config, opened, flow, step } = ended;
        let unknown = || Error::fatal("bad_input", "there is no trigger of that name");
        let foreign = self.0.function(&trigger).ok_or_else(unknown)?;
        let config = Value::Object(config);
        let step = self.0.step_of((&flow, &step), foreign, &config);
        self.0.end(&step).await;
        let remembered = Remembered { startup: Some(opened), ..Remembered::default() };
        self.0.errand(cx, step, (&config, remembered), Errand::Shutdown).await?;
        Ok(Outputs::none())
    }
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
        // What is left when the flow has ended.
        assert_eq!(split(Some(json!({ "_snapshot": { "a": 1 } }))), (Some(json!({ "a": 1 })), None));
    }
}
