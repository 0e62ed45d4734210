//! What a message costs as the work grows: larger bodies, more steps, more flows, at the same number of messages.

use anyhow::Result;
use serde_json::{Value, json};
use sluice_tests::workload::order;

use super::float;
use super::plane::{Load, flow};

/// Most bytes of bodies in one run.
const MOST_BYTES: usize = 1024 * 1024 * 1024;

/// Messages a second, over all flows, of the runs at the same rate.
const RATE: usize = 5000;
/// How long such a run takes.
const SECONDS: usize = 20;

/// Measures each kind of growth by itself.
pub(crate) async fn run(count: usize) -> Result<Value> {
    let (mut bytes, mut steps, mut flows) = (Vec::new(), Vec::new(), Vec::new());
    for size in [256, 1024, 4 * 1024, 32 * 1024, 256 * 1024] {
        let load = Load { count: count.min(MOST_BYTES / size), body: body(size), ..Load::orders(count) };
        let mut report = flow(&load).await?;
        report["bytes"] = json!(size);
        report["mib_per_second"] =
            json!(report["per_second"].as_f64().unwrap_or(0.0) * float(size) / 1_048_576.0);
        bytes.push(report);
    }
    for number in [1, 4, 16] {
        let mut report = flow(&Load { count: count / number, steps: number, ..Load::orders(count) }).await?;
        report["steps"] = json!(number);
        report["step_runs_per_second"] = json!(report["per_second"].as_f64().unwrap_or(0.0) * float(number));
        steps.push(report);
    }
    for number in [1, 10, 100, 1000] {
        let mut report = flow(&Load { flows: number, ..Load::orders(count) }).await?;
        report["flows"] = json!(number);
        flows.push(report);
    }
    let mut paced = Vec::new();
    for number in [1, 10, 100, 1000] {
        let load = Load { count: RATE * SECONDS, flows: number, rate: RATE, ..Load::orders(count) };
        let mut report = flow(&load).await?;
        report["flows"] = json!(number);
        paced.push(report);
    }
    Ok(json!({
        "messages": count, "by_bytes": bytes, "by_steps": steps, "by_flows": flows,
        "by_flows_at_the_same_rate": paced,
    }))
}

/// Orders of about this many bytes together, each different.
fn body(bytes: usize) -> Value {
    if bytes < 1024 {
        return json!({ "note": "handle with care ".repeat(bytes / 17) });
    }
    // The source has the body in its configuration, which may have 10,000 nodes.
    let orders: Vec<Value> = (0..(bytes / 1024).min(64)).map(order).collect();
    let text: Vec<String> = (64..bytes / 1024).map(|number| order(number).to_string()).collect();
    json!({ "orders": orders, "more": text })
}
