//! Action `write`: the input as one line of JSON on standard output.
//!
//! The line is written whole before the run ends; a log that cannot be written is a retryable error, not a lost line.

use std::io::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluice_sdk::protocol::{ExecutionId, MessageId, StepKey};
use sluice_sdk::{Action, Context, Error, Output, Outputs};

pub(crate) struct Write;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    level: Level,
    message: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

#[derive(Serialize)]
struct Line<'a> {
    level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(rename = "step.id")]
    step: &'a StepKey,
    #[serde(rename = "execution.id", skip_serializing_if = "Option::is_none")]
    execution: Option<ExecutionId>,
    #[serde(rename = "message.id")]
    id: MessageId,
    #[serde(rename = "trace.id", skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    input: &'a RawValue,
}

impl Action for Write {
    type Config = Config;
    type Input = Box<RawValue>;

    async fn run(&self, cx: &Context, config: &Config, input: Self::Input) -> Result<Outputs, Error> {
        let line = Line {
            level: config.level,
            message: config.message.as_deref(),
            step: cx.step(),
            execution: cx.execution(),
            id: cx.message_id(),
            trace: cx.traceparent().and_then(|context| context.get(3..35)),
            input: &input,
        };
        let mut text = serde_json::to_vec(&line).map_err(|error| Error::fatal("bad_input", error))?;
        text.push(b'\n');
        let mut out = std::io::stdout().lock();
        out.write_all(&text).and_then(|()| out.flush()).map_err(|error| {
            Error::retryable("log_unavailable", format_args!("the line was not written: {error}"))
        })?;
        Ok(Output::raw(input).into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_sdk::testing::Harness;

    #[tokio::test]
    async fn the_input_is_passed_on_as_it_came() {
        let harness = Harness::new(crate::component());
        let outputs = harness
            .action("write", json!({ "level": "warn" }), json!({ "b": 1, "a": [2.50] }))
            .await
            .unwrap();
        assert_eq!(outputs[0].body.get(), r#"{"b":1,"a":[2.5]}"#);
    }
}
