//! Between JSON values and JSONata values, with a bound on what comes out.
//!
//! JSONata numbers are doubles. An integer below 2^53 comes back as an integer; what JSON cannot say
//! (functions, NaN, infinities) is an error, never a silent null.

use jsonata_core::value::{JArray, JValue, with_stack};
use serde_json::{Map, Number, Value};

use crate::error::{EvalError, EvalErrorKind};

/// Largest magnitude below which every double that is whole is exactly that integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What is left of the bound on a result's size, in bytes of JSON text.
#[derive(Debug)]
pub(crate) struct OutputBudget {
    left: usize,
    limit: usize,
}

impl OutputBudget {
    pub(crate) fn new(limit: usize) -> Self {
        OutputBudget { left: limit, limit }
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), EvalError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(EvalError::new(
                EvalErrorKind::OutputSize,
                format!("the result is larger than {} bytes", self.limit),
            )),
        }
    }

    /// Clones a value exactly, if it still fits.
    pub(crate) fn copy(&mut self, value: &Value) -> Result<Value, EvalError> {
        let mut bytes = 0;
        measure(value, &mut bytes);
        self.take(bytes)?;
        Ok(value.clone())
    }
}

/// Adds the approximate length of `value` as JSON text to `bytes`.
pub(crate) fn measure(value: &Value, bytes: &mut usize) {
    *bytes += match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 3,
        Value::Array(items) => {
            with_stack(|| items.iter().for_each(|item| measure(item, bytes)));
            2
        }
        Value::Object(members) => {
            with_stack(|| {
                for (name, member) in members {
                    *bytes += name.len() + 4;
                    measure(member, bytes);
                }
            });
            2
        }
    };
}

/// Converts a document, adding its approximate length as JSON text to `bytes`.
pub(crate) fn to_jvalue(value: &Value, bytes: &mut usize) -> JValue {
    match value {
        Value::Null => {
            *bytes += 5;
            JValue::Null
        }
        Value::Bool(flag) => {
            *bytes += 5;
            JValue::Bool(*flag)
        }
        Value::Number(number) => {
            *bytes += 8;
            JValue::Number(number.as_f64().unwrap_or(f64::NAN))
        }
        Value::String(text) => {
            *bytes += text.len() + 3;
            JValue::string(text.as_str())
        }
        Value::Array(items) => with_stack(|| {
            *bytes += 2;
            // Saying that no item is an array spares the engine a scan on every path over it.
            let flat = !items.iter().any(Value::is_array);
            let items = items.iter().map(|item| to_jvalue(item, bytes)).collect();
            JValue::Array(JArray::new_flat(items, flat))
        }),
        Value::Object(members) => with_stack(|| {
            *bytes += 2;
            JValue::object(
                members
                    .iter()
                    .map(|(name, member)| {
                        *bytes += name.len() + 4;
                        (name.clone(), to_jvalue(member, bytes))
                    })
                    .collect(),
            )
        }),
    }
}

/// Converts a result; `None` is JSONata's undefined. Undefined members and items are left out.
pub(crate) fn from_jvalue(value: &JValue, budget: &mut OutputBudget) -> Result<Option<Value>, EvalError> {
    Ok(Some(match value {
        JValue::Undefined => return Ok(None),
        JValue::Null => {
            budget.take(5)?;
            Value::Null
        }
        JValue::Bool(flag) => {
            budget.take(5)?;
            Value::Bool(*flag)
        }
        JValue::Number(number) => {
            budget.take(8)?;
            Value::Number(json_number(*number)?)
        }
        JValue::String(text) => {
            budget.take(text.len() + 3)?;
            Value::String(text.as_ref().to_owned())
        }
        JValue::Array(items) => with_stack(|| array(items, budget))?,
        JValue::Object(members) => with_stack(|| {
            budget.take(2)?;
            let mut object = Map::with_capacity(members.len());
            for (name, member) in members.iter() {
                budget.take(name.len() + 4)?;
                if let Some(member) = from_jvalue(member, budget)? {
                    object.insert(name.clone(), member);
                }
            }
            Ok::<_, EvalError>(Value::Object(object))
        })?,
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            return Err(EvalError::new(
                EvalErrorKind::NotData,
                "the result holds a function, which is not JSON",
            ));
        }
    }))
}

fn array(items: &[JValue], budget: &mut OutputBudget) -> Result<Value, EvalError> {
    budget.take(2)?;
    let mut array = Vec::with_capacity(items.len());
    for item in items {
        if let Some(item) = from_jvalue(item, budget)? {
            array.push(item);
        }
    }
    Ok(Value::Array(array))
}

pub(crate) fn json_number(number: f64) -> Result<Number, EvalError> {
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Ok(Number::from(number as i64));
    }
    Number::from_f64(number).ok_or_else(|| {
        EvalError::new(
            EvalErrorKind::NotFinite,
            format!("the result holds {number}, which is not a JSON number"),
        )
    })
}
