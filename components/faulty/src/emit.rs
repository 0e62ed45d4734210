//! Polling trigger `emit`: some numbered messages, continued by its cursor.

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_sdk::{Context, Error, Output, Outputs, Polled, PollingTrigger};

pub(crate) struct Emit;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default = "one")]
    count: u64,
    #[serde(default)]
    bytes: usize,
}

fn one() -> u64 {
    1
}

impl PollingTrigger for Emit {
    type Config = Config;

    async fn poll(&self, _: &Context, config: &Config, state: Option<Value>) -> Result<Polled, Error> {
        let from = state.and_then(|state| state.as_u64()).unwrap_or(0);
        let to = from + config.count;
        let filler = "x".repeat(config.bytes);
        let outputs: Outputs = (from..to).map(|n| Output::new(json!({ "n": n, "filler": filler }))).collect();
        Ok(Polled::new(outputs).state(to))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_sdk::testing::Harness;

    #[tokio::test]
    async fn a_poll_goes_on_where_the_last_one_stopped() {
        let polled = Harness::new(crate::component())
            .poll("emit", json!({ "count": 3 }), Some(json!(7)))
            .await
            .unwrap();
        assert_eq!((polled.outputs.len(), polled.state), (3, Some(json!(10))));
    }
}
