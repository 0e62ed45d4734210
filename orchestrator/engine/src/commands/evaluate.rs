//! Evaluating a mapping or an expression with the very code that runs live.

use serde_json::Value;
use sluice_mapping::{EvalError, Evaluator, Expression, JsonPath, Limits, Mapping, Root};

use crate::{CommandError, Engine};

/// What to evaluate, and on which document.
#[derive(Debug, Clone)]
pub enum EvaluateRequest {
    /// A mapping; the document is the root `{ body, headers, … }`.
    Mapping {
        /// The mapping.
        mapping: Value,
        /// The document.
        input: Value,
    },
    /// A JSONata expression.
    Jsonata {
        /// The expression.
        expression: String,
        /// The document.
        input: Value,
    },
    /// A JSONPath.
    JsonPath {
        /// The path.
        path: String,
        /// The document.
        input: Value,
    },
}

/// Evaluates; none when the result is undefined.
///
/// # Errors
/// [`CommandError::BadRequest`] with the place and the reason, for syntax and for evaluation.
pub fn evaluate(request: EvaluateRequest) -> Result<Option<Value>, CommandError> {
    let limits = Limits::default();
    let failed = |error: EvalError| CommandError::bad("mapping_failed", error.to_string());
    let mut evaluator = Evaluator::new(limits.clone());
    match request {
        EvaluateRequest::Mapping { mapping, input } => {
            let mapping = Mapping::parse(&mapping, &limits).map_err(|errors| {
                let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                CommandError::bad("mapping_invalid", all.join("; "))
            })?;
            evaluator.map(&mapping, &Root::from(input)).map(Some).map_err(failed)
        }
        EvaluateRequest::Jsonata { expression, input } => {
            let expression = Expression::parse(&expression, &limits)
                .map_err(|error| CommandError::bad("mapping_invalid", error.to_string()))?;
            evaluator.value(&expression, &Root::from(input)).map_err(failed)
        }
        EvaluateRequest::JsonPath { path, input } => {
            let path = JsonPath::parse(&path, &limits)
                .map_err(|error| CommandError::bad("mapping_invalid", error.to_string()))?;
            evaluator.jsonpath(&path, &Root::from(input)).map_err(failed)
        }
    }
}

impl Engine {
    /// See [`evaluate`]. Blocks for at most about two seconds: call it where blocking is fine.
    ///
    /// # Errors
    /// See [`evaluate`].
    pub fn evaluate(&self, request: EvaluateRequest) -> Result<Option<Value>, CommandError> {
        evaluate(request)
    }
}
