//! Polling trigger `tick`: one message for each tick, counted by its cursor.

use chrono::{SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_sdk::{Context, Error, Output, Polled, PollingTrigger};

pub(crate) struct Tick;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {}

/// What the orchestrator says of a tick.
#[derive(Default, Deserialize)]
struct Due {
    scheduled_at: Option<String>,
}

impl PollingTrigger for Tick {
    type Config = Config;

    async fn poll(&self, cx: &Context, _: &Config, state: Option<Value>) -> Result<Polled, Error> {
        let count = state.and_then(|state| state["count"].as_u64()).unwrap_or(0) + 1;
        // A tick that says nothing of its time is one that was asked for by hand.
        let due: Due = cx.tick().and_then(|tick| serde_json::from_str(tick.get()).ok()).unwrap_or_default();
        let mut body = Map::new();
        body.insert("tick".to_owned(), cx.message_id().to_string().into());
        body.extend(due.scheduled_at.map(|at| ("scheduled_at".to_owned(), at.into())));
        body.insert("at".to_owned(), Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true).into());
        body.insert("count".to_owned(), count.into());
        Ok(Polled::new(Output::new(body)).state(json!({ "count": count })))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sluice_sdk::testing::Harness;

    #[tokio::test]
    async fn ticks_are_counted() {
        let harness = Harness::new(crate::component());
        let first = harness.poll("tick", json!({}), None).await.unwrap();
        let second = harness.poll("tick", json!({}), first.state).await.unwrap();
        let body: Value = serde_json::from_str(second.outputs[0].body.get()).unwrap();
        assert_eq!(body["count"], 2);
    }
}
