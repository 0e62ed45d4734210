//! How long a call of a script takes: `cargo run -p sluice-script --release --example call_speed`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is there to print")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use sluice_script::{Limits, NoHost, Scripts};

const CALLS: u32 = 1000;

fn main() {
    let items: Value =
        (0..100).map(|id| json!({ "id": id, "name": format!("name {id}"), "tags": ["a", "b"] })).collect();
    let long = format!("(x) => x // {}", "x".repeat(60_000));
    for (what, code, input) in [
        ("nothing", "(x) => x", json!(null)),
        ("an HMAC", "(x) => crypto.hmac('sha256', 'key', x)", json!("a message to be signed")),
        ("100 records mapped", "(x) => x.map((it) => ({ ...it, name: it.name.toUpperCase() }))", items),
        ("60 KB of comment", long.as_str(), json!(null)),
    ] {
        let sources = BTreeMap::from([("main".to_owned(), code.to_owned())]);
        let scripts = Scripts::compile(&sources, Limits::default()).unwrap();
        let begun = Instant::now();
        for _ in 0..CALLS {
            scripts.call("main", vec![input.clone()], Arc::new(NoHost)).unwrap();
        }
        println!("{what}: {} µs a call", begun.elapsed().as_micros() / u128::from(CALLS));
    }
}
