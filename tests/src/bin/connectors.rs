//! Many declarative connectors in one container: its memory, and how long an invocation takes beside a plain request.
//!
//! ```text
//! cargo run --release -p sluice-tests --bin connectors [-- CONNECTORS INSTANCES CALLS]
//! ```
//!
//! Needs the binary of `sluice` and the component images of the same profile; `tests/run` says which variables name the
//! broker. Prints figures and ratios; asserts nothing but that each call succeeds.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, Orchestrator, World};

/// Files in one request, so that it stays far below the limit of a body.
const AT_ONCE: usize = 50;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual: usize| -> Result<usize> {
        arguments.next().map_or(Ok(usual), |text| text.parse()).context("the arguments are numbers")
    };
    let (connectors, instances, calls) = (number(500)?, number(1000)?, number(2000)?);
    let world = World::start("connectors", &["rest"]).await?;
    let server = HttpSink::start().await?;
    let url = server.url(&world.host);
    let began = Instant::now();
    apply(&world, &url, (connectors, instances)).await?;
    let applied = began.elapsed();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let first = timed(invoke(&http, &world, 0)).await?;
    let empty = rest_kib(&world).await?;

    let mut each = Vec::with_capacity(instances);
    for number in 0..instances {
        each.push(timed(invoke(&http, &world, number)).await?);
    }
    let all_used = rest_kib(&world).await?;
    // In an order that is the same in each run, and no neighbour after the other.
    let mut warm = Vec::with_capacity(calls);
    for number in 0..calls {
        warm.push(timed(invoke(&http, &world, number * 7919 % instances)).await?);
    }
    let mut raw = Vec::with_capacity(calls);
    for _ in 0..calls {
        let request = http.get(format!("{url}/contacts")).send();
        raw.push(timed(async { Ok(request.await?.error_for_status()?.text().await?) }).await?);
    }
    let pid = world.orchestrator().and_then(Orchestrator::pid).context("no orchestrator")?;
    let report = json!({
        "connectors": connectors,
        "instances": instances,
        "applied_seconds": applied.as_secs_f64(),
        "containers": world.containers().await?.len(),
        "first_invocation_ms": millis(first),
        "rest_kib": { "after_the_first": empty, "after_all_instances": all_used, "at_the_end": rest_kib(&world).await? },
        "orchestrator_kib": Orchestrator::memory_kib(pid)?,
        "first_of_each_instance_ms": percentiles(&mut each),
        "invoke_ms": percentiles(&mut warm),
        "plain_request_ms": percentiles(&mut raw),
        "ratio": { "p50": millis(at(&warm, 50)) / millis(at(&raw, 50)), "p99": millis(at(&warm, 99)) / millis(at(&raw, 99)) },
    });
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    world.stop().await
}

async fn apply(world: &World, url: &str, (connectors, instances): (usize, usize)) -> Result<()> {
    for start in (0..connectors).step_by(AT_ONCE) {
        let text: Vec<String> = (start..connectors.min(start + AT_ONCE)).map(connector).collect();
        world.api.apply(&text.join("---\n"), json!({})).await?;
    }
    for start in (0..instances).step_by(AT_ONCE) {
        let numbers = start..instances.min(start + AT_ONCE);
        let text: Vec<String> =
            numbers.clone().map(|number| instance(number, number % connectors, url)).collect();
        let secrets: serde_json::Map<String, Value> = numbers
            .map(|number| (format!("i{number}"), json!({ "api_key": format!("key-{number}") })))
            .collect();
        world.api.apply(&text.join("---\n"), Value::Object(secrets)).await?;
    }
    Ok(())
}

/// A connector as they are: ten actions, schemas, a mapping.
fn connector(number: usize) -> String {
    let actions: String = (0..10)
        .map(|action| {
            format!(
                "  get_{action}:\n    title: Get {action}\n    input: {{ type: object, properties: {{ id: {{ type: integer }} }} }}\n    request: {{ path: /contacts, query: {{ id: $.input.id, of: = vars.url & '/{number}/{action}' }} }}\n    response: {{ result: \"= {{ 'status': response.status }}\" }}\n"
            )
        })
        .collect();
    format!(
        "sluice: 1\nkind: connector\nname: c{number}\nversion: 1.0.0\ntitle: Connector {number}\nvariables: {{ type: object, required: [url], properties: {{ url: {{ type: string }} }} }}\nhttp: {{ base_url: = vars.url }}\nauth: {{ type: api_key, name: X-Key }}\nactions:\n{actions}"
    )
}

fn instance(number: usize, connector: usize, url: &str) -> String {
    format!(
        "sluice: 1\nkind: instance\nname: i{number}\nconnector: c{connector}\nsettings: {{ url: \"{url}\" }}\nsecrets: {{ api_key: {{ env: K }} }}\n"
    )
}

async fn invoke(http: &reqwest::Client, world: &World, number: usize) -> Result<String> {
    let url = format!("{}/api/v1/instances/i{number}/invoke/get_{}", world.api.base(), number % 10);
    let body = json!({ "input": { "id": number } }).to_string();
    let request = http.post(url).bearer_auth(world.api.token()).header("content-type", "application/json");
    let answer: Value = serde_json::from_str(&request.body(body).send().await?.text().await?)?;
    ensure!(answer["status"] == "succeeded", "{answer}");
    Ok(answer.to_string())
}

async fn timed(call: impl Future<Output = Result<String>>) -> Result<Duration> {
    let began = Instant::now();
    call.await?;
    Ok(began.elapsed())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Sorts the times.
fn percentiles(times: &mut [Duration]) -> Value {
    times.sort();
    json!({ "p50": millis(at(times, 50)), "p99": millis(at(times, 99)) })
}

fn at(sorted: &[Duration], share: usize) -> Duration {
    sorted[(sorted.len() - 1) * share / 100]
}

async fn rest_kib(world: &World) -> Result<u64> {
    Orchestrator::memory_kib(world.process("rest").await?)
}
