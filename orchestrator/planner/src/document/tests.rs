//! YAML and JSON give the same values, at their places.

use serde_json::{Value, json};

use super::{SourceFile, parse};
use crate::{Mark, Report};

fn value(text: &str) -> Value {
    let mut report = Report::default();
    let file = SourceFile { name: "f".to_owned(), text: text.to_owned() };
    let documents = parse(&file, &mut report);
    assert!(report.is_empty(), "{text}: {report}");
    documents[0].root.to_value()
}

#[track_caller]
fn fails(text: &str, expect: &str) {
    let mut report = Report::default();
    parse(&SourceFile { name: "f".to_owned(), text: text.to_owned() }, &mut report);
    assert!(report.to_string().contains(expect), "{report}");
}

#[test]
fn json_escapes_tabs_and_big_integers_are_read_as_json_has_them() {
    let text = "{\t\"a\": \"\\ud83d\\ude00 \\/ \\u00e4\",\r\n\t\"b\": [1, -2.5e3, 18446744073709551615, true, null]}";
    assert_eq!(value(text), json!({"a": "\u{1f600} / ä", "b": [1, -2500.0, u64::MAX, true, null]}));
}

#[test]
fn yaml_expressions_are_plain_texts() {
    let text = "a: = body.x & ' ' & body.y\nb: $.a\nc: \"= x: 1\"\nd: &x [1]\ne: *x\n404: y\n";
    let expect =
        json!({"a": "= body.x & ' ' & body.y", "b": "$.a", "c": "= x: 1", "d": [1], "e": [1], "404": "y"});
    assert_eq!(value(text), expect);
}

#[test]
fn a_flow_mapping_of_bare_words_is_yaml() {
    assert_eq!(value("{ a: b, c: [d] }"), json!({"a": "b", "c": ["d"]}));
}

#[test]
fn faults_stand_at_their_places() {
    fails("{\n  \"a\": [1,\n  2 3]}", "F0002]: expected `,` or `]`\n  --> f:3:5");
    fails("{\"a\": \"\\ud83d\"}", "F0002");
    fails("{\"a\": 1, \"a\": 2}", "the key `a` stands twice\n  --> f:1:10");
    fails("{\"a\": 99999999999999999999}", "does not fit into 64 bits\n  --> f:1:7");
    fails("a: 1\nb: .nan\n", "F0007]: `.nan` is no number that JSON has\n  --> f:2:4");
    fails("a: {b: 1, b: 2}\n", "the key `b` stands twice\n  --> f:1:11");
    fails("a:\n\t- 1\n", "F0002");
    fails("<<: {a: 1}\n", "merge keys are no part of YAML 1.2");
    fails("? [a]\n: b\n", "a key must be a text");
    fails("a: !custom 1\n", "means nothing here");
}

#[test]
fn places_are_those_of_the_values() {
    let mut report = Report::default();
    let file = SourceFile { name: "f".to_owned(), text: "a:\n  - b: 1\n    c/d: x\n".to_owned() };
    let places = parse(&file, &mut report)[0].root.places();
    assert_eq!(places.at("/a/0/b"), Mark { line: 2, column: 8 });
    assert_eq!(places.at("/a/0/c~1d"), Mark { line: 3, column: 10 });
    assert_eq!(places.at("/a/0/nothing"), Mark { line: 2, column: 5 });
}
