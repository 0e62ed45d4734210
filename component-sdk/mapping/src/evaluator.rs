//! Evaluation, one evaluator for each worker thread.
//!
//! An evaluator owns what the JSONata library cannot share between threads: compiled expressions and
//! the two engines that run them. The cache is bounded and never wrong, only cold, so evaluators may
//! be dropped and made at will.

mod cache;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use jsonata_core::evaluator::{Context, Evaluator as Engine, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::{JValue, with_stack};
use serde_json::{Map, Value};

use crate::error::{EvalError, EvalErrorKind};
use crate::expression::Expression;
use crate::jsonata::meter::{self, Budget, OVERRUN};
use crate::limits::Limits;
use crate::mapping::{Mapping, Node};
use crate::path::{JsonPath, Picked};
use crate::root::Root;
use crate::value::{OutputBudget, from_jvalue};
use cache::Cache;

/// Evaluates mappings and expressions. Not `Send`: make one for each thread, and keep it, since it
/// caches what it compiles.
pub struct Evaluator {
    limits: Limits,
    options: EvaluatorOptions,
    cache: Cache,
    plain: Engine,
    metered: Engine,
    budget: Rc<Budget>,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// One evaluation of a mapping.
struct Pass<'e, 'r> {
    evaluator: &'e mut Evaluator,
    root: &'r Root<'r>,
    output: OutputBudget,
    deadline: Instant,
}

impl Evaluator {
    /// An evaluator with an empty cache.
    pub fn new(limits: Limits) -> Self {
        let options = EvaluatorOptions {
            timeout_ms: Some(u64::try_from(limits.timeout.as_millis()).unwrap_or(u64::MAX)),
            cancel: None,
            max_stack_depth: Some(limits.depth),
            max_sequence_length: Some(limits.sequence),
        };
        let budget = Budget::new(limits.work);
        Evaluator {
            cache: Cache::default(),
            plain: Engine::with_options(Context::new(), options.clone()),
            metered: meter::evaluator(options.clone(), &budget),
            options,
            limits,
            budget,
        }
    }

    /// The bounds that this evaluator keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Evaluates a mapping. A root expression without a result gives null.
    ///
    /// Errors carry the place in the mapping and the expression.
    pub fn map(&mut self, mapping: &Mapping, root: &Root<'_>) -> Result<Value, EvalError> {
        let output = OutputBudget::new(self.limits.output_bytes);
        let deadline = deadline(self.limits.timeout);
        let mut pass = Pass { evaluator: self, root, output, deadline };
        Ok(pass.node(mapping.root())?.unwrap_or(Value::Null))
    }

    /// The expression's value; `None` is JSONata's undefined.
    pub fn value(&mut self, expression: &Expression, root: &Root<'_>) -> Result<Option<Value>, EvalError> {
        let mut output = OutputBudget::new(self.limits.output_bytes);
        self.run(expression, root)
            .and_then(|value| from_jvalue(&value, &mut output))
            .map_err(|error| error.at("", expression.source()))
    }

    /// Whether the value counts as true by the rules of `$boolean`; undefined is false.
    pub fn truthy(&mut self, expression: &Expression, root: &Root<'_>) -> Result<bool, EvalError> {
        let mut left = self.limits.work;
        self.run(expression, root)
            .and_then(|value| boolean(&value, &mut left))
            .map_err(|error| error.at("", expression.source()))
    }

    /// The items of an array, nothing for undefined, otherwise the value alone.
    pub fn items(&mut self, expression: &Expression, root: &Root<'_>) -> Result<Vec<Value>, EvalError> {
        Ok(match self.value(expression, root)? {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(value) => vec![value],
        })
    }

    /// A JSONPath's value: of a singular query the match, if any, otherwise the list of matches.
    pub fn jsonpath(&mut self, path: &JsonPath, root: &Root<'_>) -> Result<Option<Value>, EvalError> {
        let mut output = OutputBudget::new(self.limits.output_bytes);
        pick(path, root, &self.limits, &mut output).map_err(|error| error.at("", path.source()))
    }

    /// When an evaluation that begins now has to be over.
    pub(crate) fn deadline(&self) -> Instant {
        deadline(self.limits.timeout)
    }

    /// As one expression of a mapping that has to be over at `deadline`.
    pub(crate) fn run_until(
        &mut self,
        expression: &Expression,
        root: &Root<'_>,
        deadline: Instant,
    ) -> Result<JValue, EvalError> {
        if Instant::now() > deadline {
            return Err(EvalError::new(EvalErrorKind::Timeout, "the mapping took too long"));
        }
        self.run(expression, root)
    }

    fn run(&mut self, expression: &Expression, root: &Root<'_>) -> Result<JValue, EvalError> {
        let root = root.converted();
        let program = expression.program();
        let cost = program.shape.nodes.saturating_mul(root.bytes);
        // The library overflows on some arguments instead of failing; a flow must not end a worker.
        let result = catch_unwind(AssertUnwindSafe(|| {
            if !program.shape.linear || cost > self.limits.work {
                self.budget.refill();
                self.metered.evaluate(&program.metered, &root.value)
            } else if program.shape.compiled {
                let compiled = self.cache.get(expression);
                compiled.evaluate_with_options(&root.value, self.options.clone())
            } else {
                self.plain.evaluate(&program.plain, &root.value)
            }
        }));
        match result {
            Ok(result) => result.map_err(|error| failure(&error)),
            Err(_) => {
                // Whatever state the engines were left in goes with them.
                *self = Evaluator::new(self.limits.clone());
                Err(EvalError::new(EvalErrorKind::Engine, "the expression engine failed on this value"))
            }
        }
    }
}

impl Pass<'_, '_> {
    fn node(&mut self, node: &Node) -> Result<Option<Value>, EvalError> {
        match node {
            Node::Constant(value, bytes) => {
                self.output.take(*bytes)?;
                Ok(Some(value.clone()))
            }
            Node::Path { place, path } => pick(path, self.root, &self.evaluator.limits, &mut self.output)
                .map_err(|error| error.at(place, path.source())),
            Node::Jsonata { place, expression } => {
                self.jsonata(expression).map_err(|error| error.at(place, expression.source()))
            }
            Node::Object(members) => {
                self.output.take(2)?;
                let mut object = Map::with_capacity(members.len());
                for (name, member) in members {
                    self.output.take(name.len() + 4)?;
                    if let Some(value) = self.node(member)? {
                        object.insert(name.clone(), value);
                    }
                }
                Ok(Some(Value::Object(object)))
            }
            Node::Array(items) => {
                self.output.take(2)?;
                let mut array = Vec::with_capacity(items.len());
                for item in items {
                    array.extend(self.node(item)?);
                }
                Ok(Some(Value::Array(array)))
            }
        }
    }

    fn jsonata(&mut self, expression: &Expression) -> Result<Option<Value>, EvalError> {
        let value = self.evaluator.run_until(expression, self.root, self.deadline)?;
        from_jvalue(&value, &mut self.output)
    }
}

fn pick(
    path: &JsonPath,
    root: &Root<'_>,
    limits: &Limits,
    output: &mut OutputBudget,
) -> Result<Option<Value>, EvalError> {
    match path.select(root.value(), limits)? {
        Picked::One(None) => Ok(None),
        Picked::One(Some(value)) => output.copy(value).map(Some),
        Picked::List(values) => {
            output.take(2)?;
            let copies = values.into_iter().map(|value| output.copy(value));
            copies.collect::<Result<Vec<_>, _>>().map(Value::Array).map(Some)
        }
    }
}

fn deadline(timeout: Duration) -> Instant {
    let now = Instant::now();
    // A timeout beyond the clock is none, for which a day does.
    now.checked_add(timeout).unwrap_or(now + Duration::from_secs(86_400))
}

/// The rules of `$boolean`. A computed array may share its parts and so be far larger than its
/// memory, hence the count of what may still be looked at.
fn boolean(value: &JValue, left: &mut usize) -> Result<bool, EvalError> {
    *left = left.checked_sub(1).ok_or_else(|| EvalError::new(EvalErrorKind::Work, OVERRUN))?;
    Ok(match value {
        JValue::Bool(flag) => *flag,
        JValue::Number(number) => *number != 0.0 && !number.is_nan(),
        JValue::String(text) => !text.is_empty(),
        JValue::Object(members) => !members.is_empty(),
        JValue::Array(items) => with_stack(|| {
            for item in items.iter() {
                if boolean(item, left)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })?,
        _ => false,
    })
}

fn failure(error: &EvaluatorError) -> EvalError {
    let message = error.message();
    let kind = match error.code() {
        Some("D1012" | "U1003") => EvalErrorKind::Timeout,
        Some("D1011" | "U1001") => EvalErrorKind::Depth,
        Some("D2014" | "D2015") => EvalErrorKind::Sequence,
        Some("D1001" | "D3001") => EvalErrorKind::NotFinite,
        None if message.starts_with(OVERRUN) => EvalErrorKind::Work,
        code => EvalErrorKind::Jsonata { code: code.map(str::to_owned) },
    };
    EvalError::new(kind, message)
}

#[cfg(test)]
mod tests;
