//! AMQP tables as JSON and back.

use amq_protocol_types::{AMQPValue, FieldArray, FieldTable};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

/// A table of these values.
pub(super) fn table(values: &Map<String, Value>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in values {
        table.insert(name.as_str().into(), to_amqp(value));
    }
    table
}

fn to_amqp(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => i32::try_from(number).map_or(AMQPValue::LongLongInt(number), AMQPValue::LongInt),
            None => AMQPValue::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(items) => {
            AMQPValue::FieldArray(FieldArray::from(items.iter().map(to_amqp).collect::<Vec<_>>()))
        }
        Value::Object(fields) => AMQPValue::FieldTable(table(fields)),
    }
}

/// The values of a table.
pub(super) fn object(table: &FieldTable) -> Map<String, Value> {
    table.inner().iter().map(|(name, value)| (name.to_string(), to_json(value))).collect()
}

fn to_json(value: &AMQPValue) -> Value {
    let double = |number: f64| Number::from_f64(number).map_or(Value::Null, Value::Number);
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(number) => (*number).into(),
        AMQPValue::ShortShortUInt(number) => (*number).into(),
        AMQPValue::ShortInt(number) => (*number).into(),
        AMQPValue::ShortUInt(number) => (*number).into(),
        AMQPValue::LongInt(number) => (*number).into(),
        AMQPValue::LongUInt(number) => (*number).into(),
        AMQPValue::LongLongInt(number) => (*number).into(),
        AMQPValue::Timestamp(number) => (*number).into(),
        AMQPValue::Float(number) => double(f64::from(*number)),
        AMQPValue::Double(number) => double(*number),
        AMQPValue::DecimalValue(number) => {
            double(f64::from(number.value) / 10f64.powi(i32::from(number.scale)))
        }
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(to_json).collect(),
        AMQPValue::FieldTable(table) => Value::Object(object(table)),
        AMQPValue::ByteArray(bytes) => STANDARD.encode(bytes.as_slice()).into(),
        AMQPValue::Void => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let values = json!({ "a": 1, "b": -5_000_000_000_i64, "c": 1.5, "d": "x", "e": [true, null], "f": { "g": {} } });
        let values = values.as_object().unwrap();
        assert_eq!(&object(&table(values)), values);
    }
}
