//! Between AMQP values and JSON. Every AMQP value has a JSON form; bytes that are no text become base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use serde_json::{Map, Value};

pub(crate) fn table_to_json(table: &FieldTable) -> Map<String, Value> {
    table.inner().iter().map(|(name, value)| (name.to_string(), to_json(value))).collect()
}

fn to_json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        AMQPValue::Float(value) => (*value).into(),
        AMQPValue::Double(value) => (*value).into(),
        AMQPValue::DecimalValue(value) => {
            (f64::from(value.value) / 10f64.powi(i32::from(value.scale))).into()
        }
        AMQPValue::ShortString(value) => value.to_string().into(),
        AMQPValue::LongString(value) => text(value.as_bytes()),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(to_json).collect(),
        AMQPValue::Timestamp(value) => (*value).into(),
        AMQPValue::FieldTable(table) => Value::Object(table_to_json(table)),
        AMQPValue::ByteArray(value) => text(value.as_slice()),
        AMQPValue::Void => Value::Null,
    }
}

fn text(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| STANDARD.encode(bytes).into(), Value::from)
}

pub(crate) fn table_from_json(fields: &Map<String, Value>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(name.as_str().into(), from_json(value));
    }
    table
}

fn from_json(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => AMQPValue::LongLongInt(whole),
            None => AMQPValue::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(items) => {
            let mut array = FieldArray::default();
            items.iter().for_each(|item| array.push(from_json(item)));
            AMQPValue::FieldArray(array)
        }
        Value::Object(fields) => AMQPValue::FieldTable(table_from_json(fields)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn headers_survive_a_round_trip() {
        let headers = json!({ "a": 1, "b": "text", "c": [true, null, 1.5], "d": { "e": -7 } });
        assert_eq!(Value::Object(table_to_json(&table_from_json(headers.as_object().unwrap()))), headers);
    }

    #[test]
    fn bytes_that_are_no_text_become_base64() {
        assert_eq!(text(&[0xff, 0x00]), json!("/wA="));
    }
}
