//! The hooks of a trigger: what its `startup` returned is kept beside its snapshot, in the trigger's cursor, as what it
//! opened. So `shutdown` is run with it when the flow ends, and before the next `startup` when the step has another config.
//!
//! A step says `_hooks: true` when its trigger has hooks; nothing in its image says so.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_families::{Errand, Foreign, Step};
use sluice_sdk::protocol::OPENED;
use sluice_sdk::{Action, Context, Error, Outputs};
use tracing::info;

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

/// What `startup` opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// What it returned.
    pub(crate) returned: Value,
    /// The config of the step that it was run with.
    pub(crate) config: Value,
}

/// The snapshot in a cursor, and what `startup` opened.
///
/// # Errors
/// When this bridge did not write it.
pub(crate) fn split(cursor: Option<Value>) -> Result<(Option<Value>, Option<Opened>), Error> {
    match cursor {
        Some(Value::Object(mut fields))
            if fields.contains_key(OPENED) || (fields.len() == 1 && fields.contains_key(SNAPSHOT)) =>
        {
            let opened = fields.remove(OPENED).map(serde_json::from_value).transpose();
            let opened = opened.map_err(|error| Error::fatal("bad_cursor", error))?;
            Ok((fields.remove(SNAPSHOT), opened))
        }
        cursor => Ok((cursor, None)),
    }
}

/// The cursor of both.
pub(crate) fn joined(snapshot: Value, opened: Option<Opened>) -> Value {
    match opened {
        Some(opened) => json!({ OPENED: opened, SNAPSHOT: snapshot }),
        None => snapshot,
    }
}

/// Runs the hook `shutdown` of a trigger with what its `startup` opened, in a process of its own. Those that serve the step
/// end.
///
/// # Errors
/// When it fails.
pub(crate) async fn shut_down(
    pool: &Arc<Pool>,
    cx: &Context,
    step: Step,
    opened: Opened,
) -> Result<(), Error> {
    pool.end(&step).await;
    let remembered = Remembered { startup: Some(opened.returned), ..Remembered::default() };
    pool.errand(cx, step, (&opened.config, remembered), Errand::Shutdown).await.map(drop)
}

/// What is open still when a trigger is polled with this config: where it has another one by now, it is shut down first.
///
/// # Errors
/// When that fails. It is tried again then; the flow can be stopped meanwhile.
pub(crate) async fn still_open(
    pool: &Arc<Pool>,
    cx: &Context,
    (foreign, config): (&Foreign, &Value),
    opened: Option<Opened>,
) -> Result<Option<Opened>, Error> {
    let opened = match opened {
        Some(opened) if opened.config != *config => opened,
        opened => return Ok(opened),
    };
    info!(step.id = %cx.step(), "the config changed; what was started up with the one before is shut down");
    let step = pool.step(cx, foreign, &opened.config);
    shut_down(pool, cx, step, opened).await.map_err(|error| {
        let text = format!("what was started up with the config before cannot be shut down: {error}");
        Error::retryable("shutdown_failed", text)
    })?;
    Ok(None)
}

/// Runs the hook `shutdown` of a trigger whose flow has ended.
pub(crate) struct Shutdown(pub(crate) Arc<Pool>);

/// Which one, and what its `startup` opened.
#[derive(Deserialize)]
pub(crate) struct Ended {
    trigger: String,
    opened: Opened,
    flow: String,
    step: String,
}

impl Action for Shutdown {
    type Config = Value;
    type Input = Ended;

    async fn run(&self, cx: &Context, _: &Value, ended: Ended) -> Result<Outputs, Error> {
        let Ended { trigger, opened, flow, step } = ended;
        let unknown = || Error::fatal("bad_input", "there is no trigger of that name");
        let foreign = self.0.function(&trigger).ok_or_else(unknown)?;
        let step = self.0.step_of((&flow, &step), foreign, &opened.config);
        shut_down(&self.0, cx, step, opened).await?;
        Ok(Outputs::none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_holds_both_and_gives_both_back() {
        let opened = Opened { returned: json!({ "id": 7 }), config: json!({ "_hooks": true }) };
        for (snapshot, opened) in [(json!({ "a": 1 }), Some(opened)), (json!([1]), None)] {
            let cursor = joined(snapshot.clone(), opened.clone());
            assert_eq!(split(Some(cursor)).unwrap(), (Some(snapshot), opened));
        }
        assert_eq!(split(None).unwrap(), (None, None));
        // What is left when the flow has ended.
        let left = split(Some(json!({ "_snapshot": { "a": 1 } }))).unwrap();
        assert_eq!(left, (Some(json!({ "a": 1 })), None));
        assert_eq!(split(Some(json!({ "_opened": 1 }))).unwrap_err().code(), "bad_cursor");
    }
}
