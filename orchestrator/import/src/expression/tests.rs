//! What is translated gives what it gave.

use proptest::prelude::*;
use serde_json::json;
use sluice_mapping::{Evaluator, Mapping, Root};

use super::*;

fn steps() -> BTreeMap<String, String> {
    [("step_1", "step_1"), ("Step 2", "step-2")].map(|(a, b)| (a.to_owned(), b.to_owned())).into()
}

#[track_caller]
fn check(scheme: Scheme, source: &str, expect: serde_json::Value) {
    let steps = steps();
    let done = translate(source, &Scope { scheme, steps: &steps }).unwrap();
    assert_eq!(done.value, expect, "{source}");
}

#[track_caller]
fn refused(scheme: Scheme, source: &str, code: FindingCode, says: &str) {
    let steps = steps();
    let (found, message) = translate(source, &Scope { scheme, steps: &steps }).unwrap_err();
    assert_eq!(found, code, "{source}: {message}");
    assert!(message.contains(says), "{source}: {message}");
}

#[test]
fn names_at_the_root_are_led_to_the_body() {
    let is = |source: &str, expect: &str| check(Scheme::Body, source, json!(expect));
    is("Address.Street", "= body.Address.Street");
    is("\"Address\".'Street'", "= body.\"Address\".'Street'");
    is("`a b`", "= body.`a b`");
    is("first & ' ' & last", "= body.first & ' ' & body.last");
    is(
        "items[price > 3 and type = $$.type].name[]",
        "= body.items[price > 3 and type = $$.body.type].name[]",
    );
    is("items^(>price).(name & $.sku)", "= body.items^(>price).(name & $.sku)");
    is("items.$uppercase(name)", "= body.items.$uppercase(name)");
    is("$uppercase(name)", "= $uppercase(body.name)");
    is("$map(items, function($i) { $i.a + b })", "= $map(body.items, function($i) { $i.a + body.b })");
    is("items{sku: $sum(qty)}", "= body.items{sku: $sum(qty)}");
    is("{ 'a': a, \"b\": [b, c.d] }", "= { 'a': body.a, \"b\": [body.b, body.c.d] }");
    is("($x := items; $x[0].a & b)", "= ($x := body.items; $x[0].a & body.b)");
    is("$", "= body");
    is("$.a", "= body.a");
    is("$exists(a) ? a : b", "= $exists(body.a) ? body.a : body.b");
    is("a.* ~> $keys()", "= body.a.* ~> $keys()");
    is("**.sku", "= body.**.sku");
    is("a in ['x', y] or c", "= body.a in ['x', body.y] or body.c");
    is("items ~> |$|{'a': 1}|", "= body.(items ~> |$|{'a': 1}|)");
    is("$replace(a, /b\\/c/, d)", "= $replace(body.a, /b\\/c/, body.d)");
    is("a /* of b */ / b", "= body.a /* of b */ / body.b");
}

#[test]
fn literals_become_literals() {
    let is = |source: &str, expect: serde_json::Value| check(Scheme::Body, source, expect);
    is("\"sold\"", json!("sold"));
    is("'= 1'", json!("\\= 1"));
    is("12.50", json!(12.5));
    is("-3", json!(-3));
    is("true", json!(true));
    is("null", json!(null));
}

#[test]
fn earlier_steps_and_variables_are_found() {
    let is = |source: &str, expect: &str| check(Scheme::Body, source, json!(expect));
    is("$getPassthrough().\"step_1\".body.a", "= steps.step_1.body.a");
    is("elasticio.step_1.body.a", "= steps.step_1.body.a");
    is("$.elasticio.step_1.body.a", "= steps.step_1.body.a");
    is("$getPassthrough().`Step 2`.headers.b", "= steps.`step-2`.headers.`eio-headers`.b");
    is("items.(a & $getPassthrough().step_1.body.b)", "= body.items.(a & $$.steps.step_1.body.b)");
    is("$getFlowVariables().email", "= params.email");
    refused(Scheme::Body, "$getPassthrough().step_9.body", FindingCode::UnknownStep, "step_9");
    refused(Scheme::Body, "$getPassthrough()", FindingCode::NotHere, "all earlier steps");
    refused(Scheme::Body, "$moment().format()", FindingCode::NotHere, "$moment");
    refused(Scheme::Body, "a +", FindingCode::NotRead, "a +");
    refused(Scheme::Body, "{{first}}", FindingCode::NotRead, "{{first}}");
    let steps = steps();
    let whole =
        translate("$getPassthrough().step_1", &Scope { scheme: Scheme::Body, steps: &steps }).unwrap();
    assert_eq!(whole.remarks[0].0, FindingCode::WholeStep);
}

#[test]
fn parts_of_a_message_are_found() {
    let is = |source: &str, expect: &str| check(Scheme::Message, source, json!(expect));
    is("{'data': {'n': data.first & data.last}}", "= {'data': {'n': body.first & body.last}}");
    is("$.metadata.oihUid", "= headers.`eio-metadata`.oihUid");
    is("data.lines.(a & $$.data.b)", "= body.lines.(a & $$.body.b)");
    is("passthrough.step_1.data.a", "= steps.step_1.body.a");
    refused(Scheme::Message, "payload.a", FindingCode::NotHere, "payload");
}

/// Evaluates an expression of ours.
fn value(source: &serde_json::Value, root: &serde_json::Value) -> Option<serde_json::Value> {
    let limits = Limits::default();
    let mapping = Mapping::parse(&json!({ "v": source }), &limits).unwrap();
    let mut made = Evaluator::new(limits).map(&mapping, &Root::new(root)).ok()?;
    Some(made["v"].take())
}

const EXPRESSIONS: &[&str] = &[
    "a",
    "a.b",
    "items.name",
    "items.name[]",
    "items[price > 2].name",
    "items[0]",
    "items^(price).name",
    "items{name: $sum(price)}",
    "items.(name & '-' & $$.a)",
    "items.$uppercase(name)",
    "$map(items, function($i) { $i.name & a })",
    "$filter(items, function($i, $n) { $i.price > $n })",
    "{ 'x': a, 'y': items.price, 'z': [a, items[-1].name] }",
    "($x := items; $count($x) > 1 ? $x[0] : a)",
    "$sum(items.price) + $count(items)",
    "items ~> |$|{'new': 1}|",
    "$merge([{'q': a}, items[0]])",
    "*",
    "**.name",
    "$",
    "$.items.name",
    "$keys($)",
    "'lit'",
    "a = null or $exists(items)",
    "$string(a) in ['1', items.name]",
    "items.{'n': name, 'all': $count($$.items)}",
    "[a, [items.name]]",
];

proptest! {
    /// The expression on the body, and ours on a root with that body, say the same.
    #[test]
    fn what_is_translated_gives_what_it_gave(
        number in 0..EXPRESSIONS.len(),
        a in prop_oneof![Just(json!(null)), any::<i16>().prop_map(|n| json!(n)), "[a-z]{0,3}".prop_map(|t| json!(t)),
            Just(json!({ "b": 1 }))],
        items in prop::collection::vec(("[a-c]{1,2}", 0..5i32), 0..4),
    ) {
        let items: Vec<_> = items.iter().map(|(name, price)| json!({ "name": name, "price": price })).collect();
        let body = json!({ "a": a, "items": items });
        let steps = steps();
        let source = EXPRESSIONS[number];
        let done = translate(source, &Scope { scheme: Scheme::Body, steps: &steps }).unwrap();
        let there = value(&json!(format!("= {source}")), &body);
        let here = value(&done.value, &json!({ "body": body, "headers": {}, "steps": {}, "params": {} }));
        prop_assert_eq!(there, here, "{} became {}", source, done.value);
    }

    #[test]
    fn any_text_is_translated_or_refused(source in "\\PC{0,60}") {
        let steps = steps();
        for scheme in [Scheme::Body, Scheme::Message] {
            drop(translate(&source, &Scope { scheme, steps: &steps }));
        }
    }

    #[test]
    fn anything_like_an_expression_is_translated_or_refused(
        words in prop::collection::vec(prop_oneof![
            Just("a"), Just("."), Just("("), Just(")"), Just("["), Just("]"), Just("{"), Just("}"), Just("$"), Just("$$"),
            Just("'t'"), Just("$getPassthrough()"), Just("elasticio"), Just("function($x)"), Just("/"), Just("*"), Just("%"),
            Just("?"), Just(":"), Just("|"), Just("~>"), Just("1"), Just("step_1"), Just("`"), Just("é"),
        ], 0..14),
    ) {
        let steps = steps();
        for scheme in [Scheme::Body, Scheme::Message] {
            drop(translate(&words.concat(), &Scope { scheme, steps: &steps }));
        }
    }
}
