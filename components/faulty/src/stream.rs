//! Listener `stream`: numbered messages at a rate, each with the key that it has in every start.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sluice_sdk::{Context, Emitter, Error, ListenerTrigger, Output};
use tokio::time::{MissedTickBehavior, interval};

pub(crate) struct Stream;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    rate: f64,
    count: Option<u64>,
    #[serde(default)]
    bytes: usize,
    /// What each message holds besides its number.
    #[serde(default)]
    body: Map<String, Value>,
}

impl ListenerTrigger for Stream {
    type Config = Config;

    async fn listen(&self, cx: &Context, config: &Config, emitter: Emitter) -> Result<(), Error> {
        let text = Text::of(config);
        let mut pace = (config.rate > 0.0).then(|| interval(Duration::from_secs_f64(1.0 / config.rate)));
        if let Some(pace) = &mut pace {
            pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        }
        let mut last = None;
        for n in 0..config.count.unwrap_or(u64::MAX) {
            if let Some(pace) = &mut pace {
                tokio::select! {
                    () = cx.cancelled() => return Ok(()),
                    _ = pace.tick() => {}
                }
            }
            last = Some(emitter.enqueue(Some(&n.to_be_bytes()), Output::raw(text.numbered(n)?)).await?);
        }
        if let Some(last) = last {
            last.await?;
        }
        cx.cancelled().await;
        Ok(())
    }
}

/// A message but for its number, written once: what makes the messages is not to cost what others do with them.
struct Text {
    before: String,
}

impl Text {
    fn of(config: &Config) -> Self {
        let mut body = config.body.clone();
        body.remove("n");
        if config.bytes > 0 || body.is_empty() {
            body.insert("filler".to_owned(), "x".repeat(config.bytes).into());
        }
        let mut before = Value::Object(body).to_string();
        before.truncate(before.len() - 1);
        before.push_str(",\"n\":");
        Self { before }
    }

    fn numbered(&self, n: u64) -> Result<Box<RawValue>, Error> {
        RawValue::from_string(format!("{}{n}}}", self.before))
            .map_err(|error| Error::fatal("bad_body", error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_sdk::testing::Harness;

    #[tokio::test]
    async fn as_many_messages_come_as_asked() {
        let outputs =
            Harness::new(crate::component()).listen("stream", json!({ "count": 5 }), 5).await.unwrap();
        assert_eq!(outputs.len(), 5);
    }

    #[tokio::test]
    async fn each_holds_the_body_and_its_number() {
        let config = json!({ "count": 1, "body": { "a": [1] } });
        let outputs = Harness::new(crate::component()).listen("stream", config, 1).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(outputs[0].body.get()).unwrap();
        assert_eq!(body, json!({ "a": [1], "n": 0 }));
    }
}
