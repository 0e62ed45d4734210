//! What mappings and expressions evaluate to.

use serde_json::json;

use super::*;

mod examples;
mod hostile;
mod laws;

fn document() -> Value {
    json!({
        "body": {
            "id": u64::MAX, "small": i64::MIN, "ratio": 0.1, "name": "Ada", "empty": [],
            "lines": [{ "sku": "a", "quantity": 2, "price": 1.5 }, { "sku": "b", "quantity": 1, "price": 4 }]
        },
        "headers": { "content-type": "text/plain" },
        "steps": { "orders": { "body": { "x": 1 }, "headers": {} } },
        "attempt": 1
    })
}

fn map(mapping: &Value, root: &Value) -> Result<Value, EvalError> {
    let mapping = Mapping::parse(mapping, &Limits::default()).expect("the mapping parses");
    Evaluator::new(Limits::default()).map(&mapping, &Root::new(root))
}

fn check(mapping: Value, expect: Value) {
    assert_eq!(map(&mapping, &document()).expect("it evaluates"), expect, "{mapping}");
}

fn expression(source: &str) -> Expression {
    Expression::parse(source, &Limits::default()).expect("the expression parses")
}

#[test]
fn literals_stay_and_a_backslash_makes_one() {
    check(json!({ "a": 1, "b": [null, true, "x"] }), json!({ "a": 1, "b": [null, true, "x"] }));
    check(
        json!(["\\=x", "\\$.x", "\\\\x", "$x", "$$", "price = 1", ""]),
        json!(["=x", "$.x", "\\x", "$x", "$$", "price = 1", ""]),
    );
    check(json!({}), json!({}));
}

#[test]
fn a_singular_path_gives_the_value_and_no_match_leaves_the_key_out() {
    check(json!({ "a": "$.body.name", "b": "$.body.nothing" }), json!({ "a": "Ada" }));
    check(json!(["$.body.name", "$.body.nothing", 1]), json!(["Ada", 1]));
    check(json!("$.body['lines'][-1].sku"), json!("b"));
    check(json!("$.body.nothing"), Value::Null);
    check(json!("$"), document());
}

#[test]
fn any_other_path_gives_the_list_of_matches() {
    check(json!({ "a": "$.body.lines[*].sku", "b": "$.nothing[*]" }), json!({ "a": ["a", "b"], "b": [] }));
    check(json!("$.body.lines[?@.quantity > 1].sku"), json!(["a"]));
    check(json!("$..sku"), json!(["a", "b"]));
}

#[test]
fn a_path_keeps_numbers_exactly() {
    check(json!(["$.body.id", "$.body.small", "$.body.ratio"]), json!([u64::MAX, i64::MIN, 0.1]));
}

#[test]
fn undefined_leaves_the_key_or_the_item_out() {
    check(
        json!({ "a": "=body.name", "b": "=body.nothing", "c": ["=nothing", 1] }),
        json!({ "a": "Ada", "c": [1] }),
    );
    check(json!("=nothing"), Value::Null);
    check(json!("=null"), Value::Null);
}

#[test]
fn jsonata_reads_the_root_by_name() {
    check(json!("=$uppercase(body.name) & attempt"), json!("ADA1"));
    check(json!("=steps.orders.body.x + 1"), json!(2));
    check(json!("=$sum(body.lines.(quantity * price))"), json!(7));
    check(json!("=headers.`content-type`"), json!("text/plain"));
    check(json!("=body.lines.{'s': sku}"), json!([{ "s": "a" }, { "s": "b" }]));
    check(json!("=$map(body.lines, function($l) { $l.sku & $l.quantity })"), json!(["a2", "b1"]));
}

#[test]
fn special_names_are_plain_data() {
    let root = json!({ "body": { "__proto__": 1, "constructor": 2 } });
    let mapping =
        json!({ "__proto__": "=body.`__proto__`", "toString": "$.body.constructor", "x": "=body.toString" });
    assert_eq!(map(&mapping, &root).unwrap(), json!({ "__proto__": 1, "toString": 2 }));
    assert_eq!(map(&json!({ "e": "=$env", "s": "=$secrets" }), &root).unwrap(), json!({}));
}

#[test]
fn truth_follows_the_rules_of_boolean() {
    let root = document();
    let mut evaluator = Evaluator::new(Limits::default());
    for (source, expect) in [
        ("nothing", false),
        ("null", false),
        ("''", false),
        ("'0'", true),
        ("0", false),
        ("-1", true),
        ("{}", false),
        ("{'a': 0}", true),
        ("[]", false),
        ("[0]", false),
        ("[0, 1]", true),
        ("[[0]]", false),
        ("[[[0]]]", false),
        ("body.lines.quantity", true),
        ("$sum", false),
        ("attempt > 1", false),
        ("=attempt = 1", true),
    ] {
        assert_eq!(evaluator.truthy(&expression(source), &Root::new(&root)), Ok(expect), "{source}");
    }
}

#[test]
fn a_split_gives_items_nothing_or_one() {
    let root = document();
    let mut evaluator = Evaluator::new(Limits::default());
    let mut items = |source: &str| evaluator.items(&expression(source), &Root::new(&root)).unwrap();
    assert_eq!(items("body.lines.sku"), [json!("a"), json!("b")]);
    assert_eq!(items("nothing"), Vec::<Value>::new());
    assert_eq!(items("body.empty"), Vec::<Value>::new());
    assert_eq!(items("body.name"), [json!("Ada")]);
}

#[test]
fn failures_name_their_kind_place_and_expression() {
    let fails = |source: &str, kind: EvalErrorKind| {
        let error = map(&json!({ "a": ["x", source] }), &document()).expect_err(source);
        assert_eq!((error.kind.clone(), error.place.as_str()), (kind, "/a/1"), "{source}: {error}");
        assert_eq!(error.expression, source.trim_start_matches('='));
    };
    let coded = |code: &str| EvalErrorKind::Jsonata { code: Some(code.to_owned()) };
    fails("=body.name + 1", coded("T2001"));
    fails("=$error('no')", coded("D3137"));
    fails("=1/0", EvalErrorKind::NotFinite);
    fails("=$sum", EvalErrorKind::NotData);
    fails("=[function($x){$x}]", EvalErrorKind::NotData);
    fails("=[1..200000]", EvalErrorKind::Sequence);
    fails("=($f := function($n) { 1 + $f($n) }; $f(1))", EvalErrorKind::Depth);
    fails("=($f := function() { $f() }; $f())", EvalErrorKind::Timeout);
    fails("=$pad('x', 1e9)", EvalErrorKind::Work);
}

#[test]
fn a_result_larger_than_the_bound_is_refused() {
    let limits = Limits { output_bytes: 50, ..Limits::default() };
    let mapping = json!({ "a": "$.body.lines", "b": "$.body.lines" });
    let mapping = Mapping::parse(&mapping, &limits).unwrap();
    let root = document();
    let error = Evaluator::new(limits).map(&mapping, &Root::new(&root)).unwrap_err();
    assert_eq!((error.kind, error.place.as_str()), (EvalErrorKind::OutputSize, "/a"));
}

#[test]
fn the_cache_is_bounded_and_only_ever_cold() {
    let root = document();
    let mut evaluator = Evaluator::new(Limits::default());
    for n in 0..5_000 {
        let value = evaluator.value(&expression(&format!("attempt + {n}")), &Root::new(&root));
        assert_eq!(value, Ok(Some(json!(n + 1))));
    }
    assert!(evaluator.cache.len() <= 4096);
}
