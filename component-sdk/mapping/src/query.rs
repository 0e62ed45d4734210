//! A text that must be an expression, as connector files have many: JSONPath where it is one, JSONata otherwise.

use serde_json::Value;

use crate::error::{EvalError, MappingError};
use crate::evaluator::Evaluator;
use crate::expression::Expression;
use crate::limits::Limits;
use crate::path::JsonPath;
use crate::root::Root;

/// Whether a text of a mapping is a JSONPath.
pub(crate) fn is_path(text: &str) -> bool {
    text == "$" || text.starts_with("$.") || text.starts_with("$[")
}

/// Whether a text of a mapping is an expression; a literal otherwise.
#[must_use]
pub fn is_expression(text: &str) -> bool {
    is_path(text) || text.starts_with('=')
}

/// A parsed expression of either language. Any thread may use it.
#[derive(Debug, Clone)]
pub enum Query {
    /// RFC 9535.
    Path(JsonPath),
    /// JSONata.
    Jsonata(Expression),
}

impl Query {
    /// Parses a text. What begins like a JSONPath and is none may still be JSONata.
    ///
    /// # Errors
    /// As [`Expression::parse`].
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, MappingError> {
        if is_path(text)
            && let Ok(path) = JsonPath::parse(text, limits)
        {
            return Ok(Self::Path(path));
        }
        Expression::parse(text, limits).map(Self::Jsonata)
    }

    /// The value; nothing where the expression finds none.
    ///
    /// # Errors
    /// Where the expression fails, or exceeds a limit.
    pub fn value(&self, evaluator: &mut Evaluator, root: &Root<'_>) -> Result<Option<Value>, EvalError> {
        match self {
            Self::Path(path) => evaluator.jsonpath(path, root),
            Self::Jsonata(expression) => evaluator.value(expression, root),
        }
    }

    /// Whether the value counts as true by the rules of JSONata's `$boolean`.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn truthy(&self, evaluator: &mut Evaluator, root: &Root<'_>) -> Result<bool, EvalError> {
        match self {
            Self::Path(path) => Ok(evaluator.jsonpath(path, root)?.is_some_and(|value| counts(&value))),
            Self::Jsonata(expression) => evaluator.truthy(expression, root),
        }
    }
}

fn counts(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(counts),
        Value::Object(members) => !members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_languages_agree_on_what_counts_as_true() {
        let limits = Limits::default();
        let mut evaluator = Evaluator::new(limits.clone());
        for (value, expect) in [
            (json!(null), false),
            (json!(0), false),
            (json!(-1), true),
            (json!(""), false),
            (json!("x"), true),
            (json!([0, ""]), false),
            (json!([0, 1]), true),
            (json!({}), false),
            (json!({ "a": 0 }), true),
        ] {
            let document = json!({ "a": value });
            let root = Root::new(&document);
            for text in ["$.a", "a", "= a"] {
                let query = Query::parse(text, &limits).unwrap();
                assert_eq!(query.truthy(&mut evaluator, &root).unwrap(), expect, "{text} of {document}");
            }
        }
    }

    #[test]
    fn a_text_is_an_expression_by_how_it_begins() {
        for (text, expect) in [
            ("$", true),
            ("$.a", true),
            ("$['a']", true),
            ("= a", true),
            ("$a", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(is_expression(text), expect, "{text}");
        }
    }
}
