//! What a message costs as the work grows: larger bodies, more steps, more flows, at the same number of messages.

use std::io::Write as _;

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

/// Measures each kind of growth by itself. A run that does not come to its end is told of in its row.
pub(crate) async fn run(count: usize) -> Result<Value> {
    let mut report = json!({ "messages": count });
    let mut rows = Vec::new();
    for size in [256, 1024, 4 * 1024, 32 * 1024, 256 * 1024] {
        let load = Load { count: count.min(MOST_BYTES / size), body: body(size), ..Load::orders(count) };
        let mut row = measured(("bytes", size), &load).await;
        let rate = row["per_second"].as_f64().unwrap_or(0.0);
        row["mib_per_second"] = json!(rate * float(size) / 1_048_576.0);
        rows.push(row);
    }
    report["by_bytes"] = std::mem::take(&mut rows).into();
    for steps in [1, 4, 16] {
        let load = Load { count: count / steps, steps, ..Load::orders(count) };
        let mut row = measured(("steps", steps), &load).await;
        row["step_runs_per_second"] = json!(row["per_second"].as_f64().unwrap_or(0.0) * float(steps));
        rows.push(row);
    }
    report["by_steps"] = std::mem::take(&mut rows).into();
    // Of a thousand at full load the first would be done before the last has begun.
    for flows in [1, 10, 100] {
        rows.push(measured(("flows", flows), &Load { flows, ..Load::orders(count) }).await);
    }
    report["by_flows"] = std::mem::take(&mut rows).into();
    for flows in [1, 10, 100, 1000] {
        let load = Load { count: RATE * SECONDS, flows, rate: RATE, ..Load::orders(count) };
        rows.push(measured(("flows", flows), &load).await);
    }
    report["by_flows_at_the_same_rate"] = rows.into();
    Ok(report)
}

/// The row of a run. It is shown at once as well: all of them take a while.
async fn measured((what, number): (&str, usize), load: &Load<'_>) -> Value {
    let mut row = flow(load).await.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
    row[what] = json!(number);
    writeln!(std::io::stderr(), "{row}").ok();
    row
}

/// Orders of about this many bytes together, each different.
fn body(bytes: usize) -> Value {
    if bytes < 1024 {
        return json!({ "note": "handle with care ".repeat(bytes / 17) });
    }
    // The source has the body in its configuration, which may have 10,000 nodes: so most orders are texts, in bodies of each size.
    let orders = bytes / 1024;
    let text: Vec<String> = (orders.div_ceil(4)..orders).map(|number| order(number).to_string()).collect();
    let orders: Vec<Value> = (0..orders.div_ceil(4)).map(order).collect();
    json!({ "orders": orders, "more": text })
}
