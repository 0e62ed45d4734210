//! Action `publish`: one message per input, confirmed before the run ends.
//!
//! All runs of an instance share one channel, so that their publishes are pipelined.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lapin::options::ConfirmSelectOptions;
use lapin::{BasicProperties, Channel, Connection};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sluice_sdk::{Action, Context, Error, Outputs};
use tokio::sync::Mutex;

use crate::broker::{Access, answered};
use crate::confirms::{Confirms, Fate, Message};
use crate::values::table_from_json;

/// Connections by instance. One lock per instance, so that a dead broker does not stall the others.
#[derive(Default)]
pub(crate) struct Publish {
    lines: Mutex<HashMap<String, Arc<Mutex<Option<Line>>>>>,
}

/// A connection with its channel.
#[derive(Clone)]
struct Line {
    version: u64,
    channel: Channel,
    confirms: Confirms,
    _connection: Arc<Connection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    exchange: String,
    #[serde(default)]
    routing_key: String,
    #[serde(default = "yes")]
    persistent: bool,
    #[serde(default = "yes")]
    mandatory: bool,
    #[serde(default)]
    retry_unroutable: bool,
}

fn yes() -> bool {
    true
}

/// An input that says it all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    body: Box<RawValue>,
    #[serde(default)]
    headers: Map<String, Value>,
    routing_key: Option<String>,
    message_id: Option<String>,
}

impl Action for Publish {
    type Config = Config;
    type Input = Box<RawValue>;

    async fn run(&self, cx: &Context, config: &Config, input: Self::Input) -> Result<Outputs, Error> {
        let input = read(input);
        let id = input.message_id.unwrap_or_else(|| cx.message_id().to_string());
        let routing_key = input.routing_key.as_deref().unwrap_or(&config.routing_key);
        for (what, text) in
            [("routing key", routing_key), ("message id", &id), ("exchange", &config.exchange)]
        {
            if text.len() > 255 {
                return Err(Error::fatal("bad_input", format_args!("the {what} is longer than 255 bytes")));
            }
        }
        let (content_type, payload) = payload(&input.body);
        let properties = properties(config, &id, content_type, &input.headers);
        let line = self.line(cx).await?;
        let message = Message {
            id: id.clone(),
            exchange: config.exchange.clone(),
            routing_key: routing_key.to_owned(),
            mandatory: config.mandatory,
            properties,
            payload,
        };
        match line.confirms.publish(message).await {
            Fate::Stored => Ok(Outputs::one(json!({ "message_id": id }))),
            Fate::Returned if config.retry_unroutable => {
                Err(Error::retryable("unroutable", "no queue takes the message"))
            }
            Fate::Returned => Err(Error::fatal("unroutable", "no queue takes the message")),
            Fate::Refused => Err(Error::retryable("broker_refused", "the broker did not store the message")),
            Fate::Unknown(error) => Err(error),
        }
    }
}

impl Publish {
    /// The open line of the step's instance, made anew when it broke or its credentials changed.
    async fn line(&self, cx: &Context) -> Result<Line, Error> {
        let instance = cx.instance().unwrap_or_default().to_owned();
        let slot = Arc::clone(self.lines.lock().await.entry(instance).or_default());
        let mut slot = slot.lock().await;
        let access = Access::of(cx).await?;
        if let Some(line) = slot.as_ref()
            && line.version == access.version
            && line.channel.status().connected()
            && line.confirms.is_open()
        {
            return Ok(line.clone());
        }
        *slot = None;
        let connection = access.connect(cx).await?;
        let channel = answered(connection.create_channel()).await?;
        answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let line = Line {
            version: access.version,
            confirms: Confirms::start(channel.clone()),
            channel,
            _connection: Arc::new(connection),
        };
        *slot = Some(line.clone());
        Ok(line)
    }
}

/// An object with a `body` and nothing that is unknown says it all; anything else is the body.
fn read(input: Box<RawValue>) -> Input {
    serde_json::from_str(input.get()).unwrap_or(Input {
        body: input,
        headers: Map::new(),
        routing_key: None,
        message_id: None,
    })
}

/// A string is sent as it is, anything else as JSON.
fn payload(body: &RawValue) -> (&'static str, Vec<u8>) {
    match serde_json::from_str::<String>(body.get()) {
        Ok(text) => ("text/plain", text.into_bytes()),
        Err(_) => ("application/json", body.get().as_bytes().to_vec()),
    }
}

fn properties(
    config: &Config,
    id: &str,
    content_type: &str,
    headers: &Map<String, Value>,
) -> BasicProperties {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut properties = BasicProperties::default()
        .with_delivery_mode(if config.persistent { 2 } else { 1 })
        .with_message_id(id.into())
        .with_content_type(content_type.into())
        .with_timestamp(seconds);
    if !headers.is_empty() {
        properties = properties.with_headers(table_from_json(headers));
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, body: &str, id: Option<&str>) {
        let message = read(RawValue::from_string(input.to_owned()).unwrap());
        assert_eq!((message.body.get(), message.message_id.as_deref()), (body, id));
    }

    #[test]
    fn an_input_with_a_body_says_it_all_and_any_other_is_the_body() {
        check(r#"{"body":{"a":1},"message_id":"m"}"#, r#"{"a":1}"#, Some("m"));
        check(r#"{"a":1}"#, r#"{"a":1}"#, None);
        check(r#"{"body":1,"title":"x"}"#, r#"{"body":1,"title":"x"}"#, None);
        check("[1]", "[1]", None);
    }

    #[test]
    fn a_string_is_sent_as_text() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(payload(&raw(r#""hi""#)), ("text/plain", b"hi".to_vec()));
        assert_eq!(payload(&raw(r#"{"a":1.10}"#)), ("application/json", br#"{"a":1.10}"#.to_vec()));
    }
}
