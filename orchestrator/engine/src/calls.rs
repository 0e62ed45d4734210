//! Calls that scripts of one instance make to actions of another, by way of the gateway.
//!
//! A container may ask on behalf of an instance that it serves, and reaches what that instance binds to its connector's
//! aliases, and nothing else. What is bound leads in one direction, so calls have an end.

use serde_json::Value;
use sluice_domain::Instance;
use sluice_planner::Catalogue;
use sluice_protocol::gateway::{INVOKE_DEPTH, InvokeAnswer, InvokeRequest};
use sluice_protocol::{ErrorInfo, FunctionName, Output};
use tracing::debug;

use crate::commands::chosen;
use crate::gateway::{GatewayError, served, start_of};
use crate::{CommandError, Engine, INVOKE_TIMEOUT, Invoked};

/// Most bytes of a result: what a script can take.
const RESULT_BYTES: usize = 8 << 20;
/// Most items of a result.
const ITEMS: usize = 1000;

impl Engine {
    /// Runs an action of the instance that one of the container's instances binds to an alias. A run that fails or is
    /// refused is an answer, not an error.
    ///
    /// # Errors
    /// When the token is none, the container does not serve the calling instance, or the store is away.
    pub async fn gateway_invoke(
        &self,
        token: &str,
        instance: &str,
        request: InvokeRequest,
    ) -> Result<InvokeAnswer, GatewayError> {
        let core = &self.core;
        let start = start_of(core, token).await?;
        let name = served(core, &start, instance)?;
        let stored = core.ports.store.instance(&name).await?.ok_or(GatewayError::NotFound)?;
        let catalogue = core.catalogue().await?;
        Ok(match self.call(&stored.instance, request, &catalogue).await {
            Ok(result) => InvokeAnswer::Result(result),
            Err(error) => InvokeAnswer::Error(error),
        })
    }

    async fn call(
        &self,
        caller: &Instance,
        request: InvokeRequest,
        catalogue: &Catalogue,
    ) -> Result<Value, ErrorInfo> {
        let InvokeRequest { alias, function, input, timeout_ms, depth } = request;
        let refused = |code: &str, text: &str| Err(ErrorInfo::new(code, text, false));
        if !(1..=INVOKE_DEPTH).contains(&depth) {
            return refused("too_deep", &format!("instances call each other more than {INVOKE_DEPTH} deep"));
        }
        let manifest = chosen(catalogue, caller).ok().and_then(|connector| connector.manifest());
        let wanted = manifest.and_then(|manifest| manifest.uses.get(&alias));
        let bound = caller.uses.iter().find(|(known, _)| known.as_str() == alias.as_str());
        let (Some(wanted), Some((_, target))) = (wanted, bound) else {
            return refused("not_bound", &format!("instance {} binds no instance to `{alias}`", caller.name));
        };
        let target = self.instance(target).await.map_err(|error| told(&error))?;
        let connector = catalogue.choose(wanted.connector.as_str(), wanted.version.as_ref());
        let Some(connector) = connector.filter(|_| target.connector == wanted.connector) else {
            let text =
                format!("instance {} is not of a version of `{}` that fits", target.name, wanted.connector);
            return refused("not_bound", &text);
        };
        if !connector.descriptor.actions.contains_key(&function) {
            return refused(
                "unknown_action",
                &format!("connector {} has no action `{function}`", connector.name()),
            );
        }
        debug!(instance.name = %caller.name, called = %target.name, %function, depth, "a script calls another instance");
        let may_repeat = repeats(connector, &function);
        let request = crate::InvokeRequest {
            instance: target.name,
            function,
            config: Value::Null,
            input,
            timeout: std::time::Duration::from_millis(timeout_ms).min(INVOKE_TIMEOUT),
            trace: false,
            depth,
        };
        let invoked = self.invoke_with(request, connector, catalogue).await.map_err(|error| told(&error))?;
        result(invoked, may_repeat)
    }
}

/// Whether an action gives a list, however many items there are.
fn repeats(connector: &sluice_domain::Connector, function: &FunctionName) -> bool {
    let action = connector.manifest().and_then(|manifest| manifest.actions.get(function));
    action.is_some_and(|action| action.pagination.is_some())
}

/// What was emitted, as one value.
fn result(invoked: Invoked, may_repeat: bool) -> Result<Value, ErrorInfo> {
    let Invoked { outputs, error, truncated, .. } = invoked;
    if let Some(error) = error {
        return Err(error);
    }
    let bytes: usize = outputs.iter().map(|output| output.body.get().len()).sum();
    if truncated || bytes > RESULT_BYTES {
        let text = format!("the action gives more than {RESULT_BYTES} bytes, which a script cannot take");
        return Err(ErrorInfo::new("result_too_large", &text, false));
    }
    if outputs.len() > ITEMS {
        let text = format!("the action gives more than {ITEMS} items, which a script cannot take");
        return Err(ErrorInfo::new("too_many_items", &text, false));
    }
    let read = |output: &Output| {
        let body = serde_json::from_str(output.body.get());
        body.map_err(|_| ErrorInfo::new("bad_result", "the action gives what is no JSON", false))
    };
    match outputs.as_slice() {
        [] if !may_repeat => Ok(Value::Null),
        [output] if !may_repeat => read(output),
        all => all.iter().map(read).collect(),
    }
}

/// A refusal of the engine, as the script sees it.
fn told(error: &CommandError) -> ErrorInfo {
    let text = error.to_string();
    match error {
        CommandError::BadRequest { code, .. } => ErrorInfo::new(code, &text, false),
        CommandError::NotFound { .. } | CommandError::Invalid(_) => {
            ErrorInfo::new("unknown_action", &text, false)
        }
        CommandError::Conflict { code, .. } => ErrorInfo::new(code, &text, true),
        CommandError::TimedOut(_) => ErrorInfo::new("timeout", &text, true),
        CommandError::Unavailable(_) | CommandError::Internal(_) => {
            ErrorInfo::new("call_failed", &text, true)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn invoked(bodies: &[Value]) -> Invoked {
        let output = |body: &Value| -> Output { serde_json::from_value(json!({ "body": body })).unwrap() };
        Invoked { outputs: bodies.iter().map(output).collect(), ..Invoked::default() }
    }

    #[test]
    fn what_was_emitted_becomes_one_value() {
        for (bodies, may_repeat, expect) in [
            (vec![], false, json!(null)),
            (vec![json!({ "a": 1 })], false, json!({ "a": 1 })),
            (vec![json!(1), json!(2)], false, json!([1, 2])),
            (vec![], true, json!([])),
            (vec![json!(1)], true, json!([1])),
        ] {
            assert_eq!(result(invoked(&bodies), may_repeat).unwrap(), expect);
        }
        let many: Vec<Value> = (0..=ITEMS).map(Value::from).collect();
        let many = result(invoked(&many), true).unwrap_err();
        assert_eq!((many.code.as_str(), many.retryable), ("too_many_items", false));
        let large = [json!("x".repeat(RESULT_BYTES))];
        assert_eq!(result(invoked(&large), false).unwrap_err().code, "result_too_large");
        let failed =
            Invoked { error: Some(ErrorInfo::new("http_503", "busy", true)), ..invoked(&[json!(1)]) };
        assert_eq!(result(failed, false).unwrap_err().code, "http_503");
    }
}
