//! A text of a manifest that must be an expression: JSONPath where it is one, JSONata otherwise.

use serde_json::{Map, Value};
use sluice_mapping::{EvalError, Evaluator, Expression, JsonPath, Limits, Mapping, MappingError, Root};
use sluice_sdk::Error;

/// A parsed expression. Any thread may use it.
#[derive(Debug)]
pub(crate) enum Expr {
    Path(JsonPath),
    Jsonata(Expression),
}

impl Expr {
    pub(crate) fn parse(text: &str) -> Result<Self, MappingError> {
        let limits = Limits::default();
        let is_path = text == "$" || text.starts_with("$.") || text.starts_with("$[");
        if is_path && let Ok(path) = JsonPath::parse(text, &limits) {
            return Ok(Self::Path(path));
        }
        Expression::parse(text, &limits).map(Self::Jsonata)
    }

    /// The value; nothing where the expression finds none.
    pub(crate) fn value(&self, evaluator: &mut Evaluator, root: &Root<'_>) -> Result<Option<Value>, Error> {
        match self {
            Self::Path(path) => evaluator.jsonpath(path, root),
            Self::Jsonata(expression) => evaluator.value(expression, root),
        }
        .map_err(|error| failed(&error))
    }

    /// Whether the value counts as true by the rules of JSONata's `$boolean`.
    pub(crate) fn truthy(&self, evaluator: &mut Evaluator, root: &Root<'_>) -> Result<bool, Error> {
        match self {
            Self::Path(path) => {
                evaluator.jsonpath(path, root).map(|value| value.is_some_and(|it| counts(&it)))
            }
            Self::Jsonata(expression) => evaluator.truthy(expression, root),
        }
        .map_err(|error| failed(&error))
    }
}

/// Evaluates a mapping that is an object.
pub(crate) fn members(
    evaluator: &mut Evaluator,
    mapping: &Mapping,
    root: &Root<'_>,
) -> Result<Map<String, Value>, Error> {
    match evaluator.map(mapping, root).map_err(|error| failed(&error))? {
        Value::Object(members) => Ok(members),
        // Only objects are compiled for this.
        _ => Ok(Map::new()),
    }
}

pub(crate) fn failed(error: &EvalError) -> Error {
    Error::fatal("expression_failed", error)
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

/// A text as it is, anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The values of a parameter: a list repeats it, nothing leaves it out.
pub(crate) fn each(value: &Value) -> impl Iterator<Item = &Value> {
    let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter(|item| !item.is_null())
}
