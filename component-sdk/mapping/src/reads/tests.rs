//! Reads are as small as they can be where it matters, and everything where it is unclear.

use super::*;
use crate::{Expression, JsonPath, Limits};

/// Reads written as names: `steps.a.body`, `steps.a`, `steps.*`, or `all`.
fn named(reads: &Reads) -> String {
    if *reads == Reads::everything() {
        return "all".to_owned();
    }
    let names = ["body", "headers", "item", "params", "flow", "execution", "attempt"];
    let mut found: Vec<String> =
        names.into_iter().filter(|name| reads.reads(name)).map(str::to_owned).collect();
    match &reads.steps {
        StepReads::None => {}
        StepReads::All => found.push("steps.*".to_owned()),
        StepReads::Some(steps) => {
            found.extend(steps.iter().map(|(id, read)| match (read.body, read.headers) {
                (true, true) => format!("steps.{id}"),
                (true, false) => format!("steps.{id}.body"),
                (false, true) => format!("steps.{id}.headers"),
                (false, false) => format!("steps.{id}?"),
            }))
        }
    }
    found.join(" ")
}

fn check(source: &str, expect: &str) {
    let reads = match source.strip_prefix('=') {
        Some(source) => Expression::parse(source, &Limits::default()).expect(source).reads().clone(),
        None => jsonpath::reads(JsonPath::parse(source, &Limits::default()).expect(source).query()),
    };
    assert_eq!(named(&reads), expect, "{source}");
}

#[test]
fn paths_read_their_first_name() {
    check("$.body.a", "body");
    check("$['headers']", "headers");
    check("$.steps.orders.body.x", "steps.orders.body");
    check("$.steps.orders['headers'].x", "steps.orders.headers");
    check("$.steps.orders", "steps.orders");
    check("$.steps.orders.*", "steps.orders");
    check("$.steps", "steps.*");
    check("$.steps[*].body", "steps.*");
    check("$.body[?@.a == $.params.min]", "body params");
    check("$.body[?$.steps.a.body]", "body steps.a.body");
    check("$", "all");
    check("$..x", "all");
    check("$.*", "all");
}

#[test]
fn expressions_read_what_they_step_through() {
    check("=1 + 1", "");
    check("=body.x & headers.y", "body headers");
    check("=steps.orders.body.total", "steps.orders.body");
    check("=$$.steps.orders.headers.x", "steps.orders.headers");
    check("=steps.orders.body.(x + $$.params.y)", "params steps.orders.body");
    check("=$map(body.lines, function($l) { $l.sku & attempt })", "body attempt");
    check("=body.lines[price > $$.params.min].{'s': sku}", "body params");
    check("=body.lines.{'s': sku, 'flow': flow}", "body");
    check("=body.tags ~> $distinct", "body");
    check("=body.x ~> $string()", "body");
    check("=$string(steps.a.body) & $now()", "steps.a.body");
    check("=(body.a; steps.a).body", "body steps.a.body");
    check("=execution.id & flow.name & item", "item flow execution");
}

#[test]
fn whatever_is_unclear_reads_everything() {
    for source in [
        "=$",
        "=$$",
        "=*",
        "=**",
        "=$keys($)",
        "=$keys()",
        "=$lookup($$, 'body')",
        "=$lookup('body')",
        "=body.%",
        "=steps@$s.body",
        "=$.($string())",
        "=($k := $keys; $k())",
        "=$each($$, function($v) { $v })",
        "=other",
    ] {
        check(source, "all");
    }
    check("=steps", "steps.*");
    check("=steps.*", "steps.*");
    check("=steps.$keys()", "steps.*");
    check("=($s := steps; $s.a.body)", "steps.*");
    check("=steps.a.$keys()", "steps.a");
}

#[test]
fn merging_keeps_the_larger() {
    let of = |source: &str| Expression::parse(source, &Limits::default()).expect(source).reads().clone();
    let mut reads = of("steps.a.body");
    reads.merge(&of("steps.a.headers & steps.b.body & body"));
    assert_eq!(named(&reads), "body steps.a steps.b.body");
    reads.merge(&of("steps"));
    assert_eq!(named(&reads), "body steps.*");
}
