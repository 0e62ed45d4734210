//! Prints microseconds per evaluation of typical mappings over an order of about 1 KiB, with the
//! conversion of the document included. Run with `--release`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people")]

use std::hint::black_box;
use std::time::Instant;

use serde_json::{Value, json};
use sluice_mapping::{Evaluator, Limits, Mapping, Root};

const ROUNDS: u32 = 20_000;

fn main() {
    let root = order();
    println!("document of {} bytes", root.to_string().len());
    measure("10 JSONPath picks", &picks(), &root);
    measure(
        "10 JSONata fields, $map with a lambda",
        &fields("=$map(body.lines, function($l) { {'sku': $l.sku, 'total': $l.quantity * $l.price} })"),
        &root,
    );
    measure(
        "10 JSONata fields, lines.{…}",
        &fields("=body.lines.{'sku': sku, 'total': quantity * price}"),
        &root,
    );
    measure(
        "10 JSONata fields, metered",
        &fields("=($c := body.currency; body.lines.{'sku': sku, 'total': $c & $string(quantity * price)})"),
        &root,
    );
    measure("1 JSONata field, which is mostly the conversion", &json!({ "id": "=body.id" }), &root);
    measure("1 filter query", &json!({ "all": "$.body.lines[?@.quantity > 1].sku" }), &root);
    measure("constants only", &json!({ "a": 1, "b": ["x", { "c": true }] }), &root);
}

fn measure(name: &str, mapping: &Value, root: &Value) {
    let limits = Limits::default();
    let mapping = Mapping::parse(mapping, &limits).unwrap();
    let mut evaluator = Evaluator::new(limits);
    for _ in 0..1_000 {
        black_box(evaluator.map(&mapping, &Root::new(root)).unwrap());
    }
    let started = Instant::now();
    for _ in 0..ROUNDS {
        black_box(evaluator.map(&mapping, &Root::new(black_box(root))).unwrap());
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    println!("{micros:8.2} us  {name}");
}

fn picks() -> Value {
    json!({
        "id": "$.body.id", "currency": "$.body.currency", "name": "$.body.customer.name",
        "mail": "$.body.customer.email", "city": "$.body.customer.address.city",
        "first": "$.body.lines[0].sku", "last": "$.body.lines[-1].sku", "placed": "$.body.placed",
        "attempt": "$.attempt", "flow": "$.flow.name"
    })
}

fn fields(lines: &str) -> Value {
    json!({
        "id": "=body.id", "currency": "=$uppercase(body.currency)",
        "name": "=body.customer.first & ' ' & body.customer.last",
        "total": "=$sum(body.lines.price)", "count": "=$count(body.lines)",
        "big": "=body.total > 100 ? 'big' : 'small'", "mail": "=$lowercase(body.customer.email)",
        "city": "=body.customer.address.city", "first": "=body.lines[0].sku", "lines": lines
    })
}

fn order() -> Value {
    let lines: Vec<Value> = (0..8)
        .map(|n| json!({ "sku": format!("SKU-{n:05}"), "quantity": n % 3 + 1, "price": 9.95 + f64::from(n), "title": "An article" }))
        .collect();
    json!({
        "body": {
            "id": 9_007_199_254_740_993_u64, "currency": "eur", "placed": "2024-05-01T10:00:00Z", "total": 123.5,
            "customer": { "name": "Ada Lovelace", "first": "Ada", "last": "Lovelace", "email": "Ada@Example.org",
                "address": { "street": "Main Street 1", "city": "London", "zip": "N1" } },
            "lines": lines
        },
        "headers": { "content-type": "application/json" },
        "params": {}, "steps": {}, "flow": { "name": "orders" }, "execution": { "id": "exec_1" }, "attempt": 1
    })
}
