//! `sluice instance invoke` and `sluice instance test`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::files;
use crate::output::Out;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The instance.
    name: String,
    /// An action or polling trigger of its connector.
    function: String,
    /// A file with the input (JSON or YAML); `-` for standard input. For a trigger, the cursor.
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The input, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "input")]
    body: Option<String>,
    /// What a step's config would be, as JSON.
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// Show each request as it was sent, secrets masked, and each answer with its status, headers and body.
    #[arg(long)]
    raw: bool,
    /// How many seconds it may take, starting the container included.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=50))]
    timeout: u32,
}

impl Invoke {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let input = match (&self.input, &self.body) {
            (Some(path), _) => files::value(path)?,
            (None, Some(text)) => json("--body", text)?,
            (None, None) => Value::Null,
        };
        let config = self.config.as_deref().map_or(Ok(Value::Null), |text| json("--config", text))?;
        let body = dto::Invoke { input, config, timeout_seconds: Some(self.timeout), raw: self.raw };
        let path = ["api", "v1", "instances", &self.name, "invoke", &self.function];
        let invoked: dto::Invoked = client.post(&path, &[], &body).await?;
        show(out, &invoked, self.raw)?;
        failed(&invoked)
    }
}

/// Calls the connector's test.
pub(super) async fn test(client: &Client, out: &Out, name: &str) -> Result<(), Failure> {
    let invoked: dto::Invoked = client.post(&["api", "v1", "instances", name, "test"], &[], &()).await?;
    failed(&invoked)?;
    out.done(&format!("Instance {name} works ({}).", millis(invoked.micros)));
    Ok(())
}

fn json(option: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::new(Code::Usage, format!("{option} is no JSON: {error}")))
}

fn failed(invoked: &dto::Invoked) -> Result<(), Failure> {
    let Some(error) = &invoked.error else { return Ok(()) };
    let failure = Failure::new(Code::RunFailed, format!("{}: {}", error.code, error.message));
    Err(if error.retryable { failure.help("it may succeed later") } else { failure })
}

/// One output as it is, more as one JSON value a line.
fn show(out: &Out, invoked: &dto::Invoked, raw: bool) -> Result<(), Failure> {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let text = || {
        let mut text = String::new();
        if raw {
            for exchange in &invoked.exchanges {
                told(&mut text, exchange);
            }
            return text;
        }
        match invoked.outputs.as_slice() {
            [one] => pretty(&one.body),
            all => all.iter().map(|one| one.body.to_string()).collect::<Vec<_>>().join("\n"),
        }
    };
    out.show(invoked, || invoked.outputs.iter().map(|one| one.body.to_string()).collect(), text)
}

/// A request and its answer as they are on the wire.
fn told(text: &mut String, exchange: &Value) {
    let (request, response) = (&exchange["request"], &exchange["response"]);
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut side = |mark: &str, first: String, message: &Value| {
        // Writing to a text cannot fail.
        writeln!(text, "{mark} {first}").ok();
        for (name, value) in message["headers"].as_object().into_iter().flatten() {
            writeln!(text, "{mark} {name}: {}", plain(value)).ok();
        }
        match message["body"].as_str() {
            Some(body) => writeln!(text, "\n{body}\n").ok(),
            None => writeln!(text, "\n({} bytes)\n", plain(&message["bytes"])).ok(),
        };
    };
    side(">", format!("{} {}", plain(&request["method"]), plain(&request["url"])), request);
    let took = millis(exchange["micros"].as_u64().unwrap_or_default());
    side("<", format!("{} ({took})", plain(&response["status"])), response);
}

fn millis(micros: u64) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}
