//! Mappings from text to text, beside the evaluator that is the reference.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Evaluator, Limits, Mapping, Root};

fn mapping(source: &Value) -> Mapping {
    Mapping::parse(source, &Limits::default()).unwrap()
}

fn text(source: &Value, body: &str, limits: Limits) -> Option<String> {
    Evaluator::new(limits).map_text(&mapping(source), body).map(Result::unwrap)
}

fn picked(source: Value, body: &str) -> Option<String> {
    text(&source, body, Limits::default())
}

#[test]
fn parts_are_copied_to_the_letter() {
    let source =
        json!({ "n": "$.body.n", "first": "$.body.list[0].x", "list": "$.body.list", "gone": "$.body.no" });
    let body = r#"{"list": [{"x":1.10}, 2], "n":12345678901234567890123}"#;
    let text = r#"{"n":12345678901234567890123,"first":1.10,"list":[{"x":1.10}, 2]}"#;
    assert_eq!(picked(source, body).as_deref(), Some(text));
}

#[test]
fn of_members_with_one_name_the_last_counts() {
    let source = json!(["$.body.a.b", "$.body.a"]);
    assert_eq!(picked(source, r#"{"a":{"b":1},"a":{"c":2}}"#).as_deref(), Some(r#"[{"c":2}]"#));
}

#[test]
fn names_are_compared_as_they_read_not_as_they_are_written() {
    assert_eq!(picked(json!("$.body.ab"), r#"{"a\u0062":1}"#).as_deref(), Some("1"));
}

#[test]
fn a_mapping_that_reads_more_than_the_body_is_left_to_the_evaluator() {
    for source in [json!("= headers.x"), json!("$.headers.x"), json!("$.body[-1]"), json!(["$.body[*]"])] {
        assert!(mapping(&source).text_plan().is_none(), "{source}");
    }
}

#[test]
fn what_is_too_large_or_no_json_is_left_to_the_evaluator() {
    let of = |bytes| Limits { output_bytes: bytes, ..Limits::default() };
    let (source, whole) = (json!({ "a": "$.body.a" }), r#"{"a":"0123456789"}"#);
    assert_eq!(text(&source, whole, of(18)).as_deref(), Some(whole));
    assert_eq!(text(&source, whole, of(17)), None);
    assert_eq!(text(&source, r#"{"a":"#, of(100)), None);
    assert_eq!(text(&json!("= $string(body)"), r#"{"a":"#, of(100)), None);
}

#[test]
fn an_error_names_its_place() {
    let source = json!({ "a": [1, "= body.x * 2"] });
    let error =
        Evaluator::new(Limits::default()).map_text(&mapping(&source), r#"{"x":"no"}"#).unwrap().unwrap_err();
    let body = json!({ "body": { "x": "no" } });
    let plain = Evaluator::new(Limits::default()).map(&mapping(&source), &Root::new(&body)).unwrap_err();
    assert_eq!(error.to_string(), plain.to_string());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c\"\\\\é]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-c]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof!["\\.[a-c]", "\\[[0-3]\\]"];
    proptest::collection::vec(segment, 0..4).prop_map(|segments| format!("$.body{}", segments.concat()))
}

fn any_mapping() -> impl Strategy<Value = Value> {
    let computed = prop_oneof![
        Just("= body"),
        Just("= body.a"),
        Just("= body.b.c"),
        Just("= body.a[0]"),
        Just("= $count(body.a)"),
        Just("= $string(body.b)"),
        Just("= body.{ 'k': a, 'u': nothing }"),
        Just("= [body.c, body.nothing, 1.5]"),
        Just("= body.a = body.b"),
        Just("= $keys(body)"),
        Just("= body.**.c"),
        Just("= body.nothing"),
    ];
    let leaf = prop_oneof![
        4 => any_path().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        2 => computed.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_text_says_what_the_evaluator_gives(source in any_mapping(), body in any_json()) {
        let mapping = mapping(&source);
        // What is written is what travels.
        let body = body.to_string();
        let document = json!({ "body": serde_json::from_str::<Value>(&body).unwrap() });
        let plain = Evaluator::new(Limits::default()).map(&mapping, &Root::new(&document));
        let text = Evaluator::new(Limits::default()).map_text(&mapping, &body).unwrap();
        match (text, plain) {
            (Ok(text), Ok(plain)) => prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), plain),
            (text, plain) => prop_assert_eq!(text.unwrap_err().to_string(), plain.unwrap_err().to_string()),
        }
    }
}
