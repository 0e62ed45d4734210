//! A text of a manifest that must be an expression: JSONPath where it is one, JSONata otherwise.

use serde_json::{Map, Value};
use sluice_mapping::{EvalError, Evaluator, Limits, Mapping, MappingError, Query, Root};
use sluice_sdk::Error;

/// A parsed expression. Any thread may use it.
#[derive(Debug)]
pub(crate) struct Expr(Query);

impl Expr {
    pub(crate) fn parse(text: &str) -> Result<Self, MappingError> {
        Query::parse(text, &Limits::default()).map(Self)
    }

    pub(crate) fn is_jsonata(&self) -> bool {
        matches!(self.0, Query::Jsonata(_))
    }

    /// The value; nothing where the expression finds none.
    pub(crate) fn value(&self, evaluator: &mut Evaluator, root: &Root<'_>) -> Result<Option<Value>, Error> {
        self.0.value(evaluator, root).map_err(|error| failed(&error))
    }

    /// Whether the value counts as true by the rules of JSONata's `$boolean`.
    pub(crate) fn truthy(&self, evaluator: &mut Evaluator, root: &Root<'_>) -> Result<bool, Error> {
        self.0.truthy(evaluator, root).map_err(|error| failed(&error))
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

/// A text as it is, anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The values of a parameter: a list repeats it, nothing leaves it out.
pub(crate) fn each(value: &Value) -> impl Iterator<Item = &Value> {
    let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter(|item| !item.is_null())
}
