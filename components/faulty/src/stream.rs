//! Listener `stream`: numbered messages at a rate, each with the key that it has in every start.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
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
}

impl ListenerTrigger for Stream {
    type Config = Config;

    async fn listen(&self, cx: &Context, config: &Config, emitter: Emitter) -> Result<(), Error> {
        let filler = "x".repeat(config.bytes);
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
            let body = json!({ "n": n, "filler": filler });
            last = Some(emitter.enqueue(Some(&n.to_be_bytes()), Output::new(body)).await?);
        }
        if let Some(last) = last {
            last.await?;
        }
        cx.cancelled().await;
        Ok(())
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
}
