//! Configs that do not fit their function.

use serde_json::Value;
use sluice_mapping::is_expression;

use super::Context;
use crate::resolve::Function;
use crate::schema::{UNKNOWN_NAME, Violation, violations};
use crate::{Code, Report};

/// Checks the parts of configs that need no parameters. What an expression will give is not known yet.
pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    for (index, step) in context.steps() {
        let Some(resolved) = context.resolved[index] else { continue };
        let open: Vec<String> = expressions(&step.config, String::new());
        let config = plain(&step.config);
        for violation in misfits(resolved.function, &config) {
            let depends = open.iter().any(|pointer| {
                // A violation around an expression may go away with its value, unless it is about names alone.
                let around = pointer.starts_with(&violation.pointer);
                match violation.keyword.as_str() {
                    UNKNOWN_NAME => false,
                    "required" => pointer == &violation.pointer,
                    _ => around,
                }
            });
            let field = format!("/config{}", violation.pointer);
            if !depends && !context.doc.places.is_broken(&context.doc.pointer(index, &field)) {
                report.push(context.at_step(Code::Config, index, &field, violation.message));
            }
        }
    }
}

/// What of a config, its expressions evaluated, breaks the function's schema.
pub(crate) fn misfits(function: Function<'_>, config: &Value) -> Vec<Violation> {
    let Some(schema) = function.config() else {
        let names = config.as_object().into_iter().flat_map(|members| members.keys());
        return names
            .map(|name| Violation {
                pointer: format!("/{}", crate::places::escape(name)),
                keyword: UNKNOWN_NAME.to_owned(),
                message: format!(
                    "the function takes no config, so {} has no effect",
                    crate::near::quote(name)
                ),
            })
            .collect();
    };
    violations(schema, config).unwrap_or_else(|reason| {
        let message =
            format!("the config cannot be checked, because the function's own schema is wrong: {reason}");
        vec![Violation { pointer: String::new(), keyword: String::new(), message }]
    })
}

/// The places of the expressions.
fn expressions(value: &Value, pointer: String) -> Vec<String> {
    match value {
        Value::String(text) if is_expression(text) => vec![pointer],
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, item)| expressions(item, format!("{pointer}/{index}"))).collect()
        }
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| {
                expressions(member, format!("{pointer}/{}", crate::places::escape(name)))
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The config with the backslashes taken off that make texts literal.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.strip_prefix('\\').unwrap_or(text).to_owned()),
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (name.clone(), plain(member))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
