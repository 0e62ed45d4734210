//! The queue that a listener consumes: one that exists, or one of its own bound to an exchange.

use lapin::Channel;
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde::Deserialize;
use sluice_sdk::{Context, Error};

use crate::broker::answered;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    queue: Option<String>,
    exchange: Option<String>,
    routing_key: Option<String>,
    #[serde(default)]
    routing_keys: Vec<String>,
    queue_name: Option<String>,
    #[serde(default = "yes")]
    durable: bool,
    #[serde(default = "two_hundred")]
    pub(crate) prefetch: u16,
}

fn yes() -> bool {
    true
}

fn two_hundred() -> u16 {
    200
}

/// Finds or makes the queue, and gives its name.
pub(crate) async fn prepare(cx: &Context, config: &Config, channel: &Channel) -> Result<String, Error> {
    match (&config.queue, &config.exchange) {
        (Some(queue), None) => Ok(queue.clone()),
        (None, Some(exchange)) => own_queue(cx, config, channel, exchange).await,
        _ => Err(Error::fatal("bad_config", "a listener needs either a queue or an exchange")),
    }
}

async fn own_queue(
    cx: &Context,
    config: &Config,
    channel: &Channel,
    exchange: &str,
) -> Result<String, Error> {
    let name = config.queue_name.clone().unwrap_or_else(|| stable_name(cx));
    let options = QueueDeclareOptions {
        durable: config.durable,
        // One that is not to outlive its listener belongs to its connection.
        exclusive: !config.durable,
        auto_delete: !config.durable,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(name.as_str().into(), options, FieldTable::default());
    let name = answered(declared).await?.name().to_string();
    for key in binding_keys(config) {
        let options = QueueBindOptions::default();
        let bound = channel.queue_bind(
            name.as_str().into(),
            exchange.into(),
            key.into(),
            options,
            FieldTable::default(),
        );
        answered(bound).await?;
    }
    Ok(name)
}

/// `#` gets everything from a topic exchange; fanout exchanges ignore it.
fn binding_keys(config: &Config) -> Vec<&str> {
    let keys: Vec<&str> = config.routing_key.iter().chain(&config.routing_keys).map(String::as_str).collect();
    if keys.is_empty() { vec!["#"] } else { keys }
}

/// The same over restarts and updates of the flow, so that a durable queue is found again.
fn stable_name(cx: &Context) -> String {
    let parts: Vec<&str> = cx.step().as_str().split('/').collect();
    match parts.as_slice() {
        [flow, _, step] => format!("sluice.{flow}.{step}"),
        _ => format!("sluice.{}", cx.step()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_routing_key_everything_is_bound() {
        let read = |text: &str| serde_json::from_str::<Config>(text).unwrap();
        assert_eq!(binding_keys(&read(r#"{"exchange":"e"}"#)), ["#"]);
        let both = read(r#"{"exchange":"e","routing_key":"a","routing_keys":["b","c"]}"#);
        assert_eq!(binding_keys(&both), ["a", "b", "c"]);
    }
}
