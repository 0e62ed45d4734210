//! The component as a whole, against an HTTP server on loopback.

mod actions;
mod auth;
mod budgets;
mod errors;
mod formats;
mod hosts;
mod pages;
mod polling;
mod scripts;
mod server;
mod sessions;
mod signing;
mod tokens;
mod uploads;

use serde_json::{Value, json};
use sluice_sdk::protocol::{ErrorInfo, Output};
use sluice_sdk::testing::Harness;

use server::Server;

fn harness() -> Harness {
    Harness::new(crate::component())
}

/// A call of an action of an API at this server. `extra` is laid over the action.
fn action(server: &Server, extra: Value) -> Value {
    let action = over(json!({ "title": "T", "request": { "path": "/x" } }), extra);
    call(server, json!({ "action": action }))
}

/// A call of a trigger of an API at this server. `extra` is laid over the trigger.
fn trigger(server: &Server, extra: Value) -> Value {
    let trigger = over(json!({ "title": "T", "kind": "polling", "request": { "path": "/items" } }), extra);
    call(server, json!({ "trigger": trigger }))
}

fn call(server: &Server, kind: Value) -> Value {
    json!({
        "connector": "api@1.0.0",
        "function": "f",
        "http": { "base_url": server.url(), "timeout_seconds": 10 },
        "auth": { "type": "none" },
        "kind": kind,
        "config": {}
    })
}

fn over(mut base: Value, extra: Value) -> Value {
    match (&mut base, extra) {
        (Value::Object(base), Value::Object(extra)) => {
            for (name, value) in extra {
                let old = base.remove(&name).unwrap_or(Value::Null);
                base.insert(name, over(old, value));
            }
        }
        (base, extra) => *base = extra,
    }
    base
}

fn bodies(outputs: &[Output]) -> Vec<Value> {
    outputs.iter().map(|output| serde_json::from_str(output.body.get()).unwrap()).collect()
}

async fn run(config: Value, input: Value) -> Result<Vec<Value>, ErrorInfo> {
    harness().action("call", config, input).await.map(|outputs| bodies(&outputs))
}

#[test]
fn a_call_that_cannot_be_compiled_says_where() {
    let call = json!({
        "connector": "api@1.0.0", "function": "f", "http": { "base_url": "= 1 +" }, "auth": {},
        "kind": { "action": { "title": "T", "request": { "path": "/x" } } }
    });
    let error = serde_json::from_value::<crate::step::Step>(call).err().unwrap().to_string();
    assert!(error.starts_with("base_url: "), "{error}");
}
