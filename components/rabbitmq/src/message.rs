//! A message of the broker as an output: the body parsed, the properties as headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::BasicProperties;
use lapin::message::Delivery;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sluice_sdk::Output;

use crate::values::table_to_json;

/// What a message became.
pub(crate) struct Received {
    pub(crate) output: Output,
    /// The sender's message id, by which a message that comes twice is recognised.
    pub(crate) key: Option<Vec<u8>>,
}

pub(crate) fn receive(delivery: &Delivery) -> Received {
    let properties = &delivery.properties;
    let mut headers = headers(delivery);
    let output = match parse(&delivery.data) {
        Body::Json(body) => Output::raw(body),
        Body::Text(body) => Output::new(body),
        Body::Bytes(body) => {
            headers.insert("amqp.body_encoding".to_owned(), "base64".into());
            Output::new(body)
        }
    };
    let key = properties.message_id().as_ref().map(|id| id.as_str()).filter(|id| !id.is_empty());
    Received { output: output.headers(headers), key: key.map(|id| id.as_bytes().to_vec()) }
}

enum Body {
    Json(Box<RawValue>),
    Text(String),
    Bytes(String),
}

/// JSON whatever the content type says: many senders do not set one. JSON keeps its numbers to the letter.
fn parse(data: &[u8]) -> Body {
    match std::str::from_utf8(data) {
        Err(_) => Body::Bytes(STANDARD.encode(data)),
        Ok(text) => serde_json::from_str(text).map_or_else(|_| Body::Text(text.to_owned()), Body::Json),
    }
}

fn headers(delivery: &Delivery) -> Map<String, Value> {
    let mut headers = Map::new();
    let mut set = |name: &str, value: Value| headers.insert(format!("amqp.{name}"), value);
    set("exchange", delivery.exchange.as_str().into());
    set("routing_key", delivery.routing_key.as_str().into());
    set("redelivered", delivery.redelivered.into());
    for (name, value) in texts(&delivery.properties) {
        set(name, value.into());
    }
    if let Some(seconds) = *delivery.properties.timestamp() {
        set("timestamp", seconds.into());
    }
    if let Some(priority) = *delivery.properties.priority() {
        set("priority", priority.into());
    }
    if let Some(table) = delivery.properties.headers() {
        set("headers", Value::Object(table_to_json(table)));
    }
    headers
}

fn texts(properties: &BasicProperties) -> Vec<(&'static str, String)> {
    [
        ("content_type", properties.content_type()),
        ("content_encoding", properties.content_encoding()),
        ("correlation_id", properties.correlation_id()),
        ("reply_to", properties.reply_to()),
        ("message_id", properties.message_id()),
        ("type", properties.kind()),
        ("app_id", properties.app_id()),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.as_ref().map(|value| (name, value.to_string())))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::types::FieldTable;

    fn check(data: &[u8], body: &str) -> sluice_sdk::protocol::Output {
        let mut delivery = Delivery::mock(1, "shop".into(), "order.new".into(), true, data.to_vec());
        let mut table = FieldTable::default();
        table.insert("amqp.exchange".into(), lapin::types::AMQPValue::Boolean(true));
        delivery.properties = BasicProperties::default().with_message_id("m1".into()).with_headers(table);
        let received = receive(&delivery);
        assert_eq!(received.key.as_deref(), Some(&b"m1"[..]));
        let output = received.output.build().unwrap();
        assert_eq!(output.body.get(), body);
        output
    }

    #[test]
    fn json_is_passed_on_to_the_letter_and_on_one_line() {
        check(br#"{"n":12345678901234567890123,"a":1.10}"#, r#"{"n":12345678901234567890123,"a":1.10}"#);
        check(b"{\"a\":\n1}", "{\"a\": 1}");
    }

    #[test]
    fn text_is_a_string_and_bytes_are_base64_with_a_header() {
        assert!(!check(b"hello", r#""hello""#).headers.contains_key("amqp.body_encoding"));
        assert_eq!(check(&[0xff, 0x00], r#""/wA=""#).headers["amqp.body_encoding"], "base64");
    }

    #[test]
    fn the_senders_headers_cannot_pose_as_properties() {
        let headers = check(b"1", "1").headers;
        assert_eq!((&headers["amqp.exchange"], &headers["amqp.redelivered"]), (&"shop".into(), &true.into()));
        assert_eq!(headers["amqp.headers"]["amqp.exchange"], true);
    }
}
