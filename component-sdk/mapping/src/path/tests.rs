//! Paths pick what RFC 9535 says, and what cannot be bounded is refused.

use serde_json::json;

use super::*;

fn document() -> Value {
    json!({
        "a": [5, 3, [{ "j": 4 }], { "k": 6 }], "b": { "x y": 1, "j": { "k": 3 } },
        "o": [{ "n": 9_007_199_254_740_993_u64, "s": "ab" }, { "n": 9_007_199_254_740_992_u64, "s": "b\n" }, { "s": "ba" }]
    })
}

fn check(source: &str, expect: Value) {
    let path = JsonPath::parse(source, &Limits::default()).expect(source);
    let root = document();
    let picked = match path.select(&root, &Limits::default()).expect(source) {
        Picked::One(value) => json!(value),
        Picked::List(values) => json!(values),
    };
    assert_eq!(picked, expect, "{source}");
}

fn refused(source: &str) -> MappingError {
    JsonPath::parse(source, &Limits::default()).expect_err(source)
}

#[test]
fn names_indexes_slices_and_wildcards() {
    check("$.a[0]", json!(5));
    check("$.a[-1].k", json!(6));
    check("$.a[9]", Value::Null);
    check("$['b']['x y']", json!(1));
    check("$[\"b\"].j", json!({ "k": 3 }));
    check("$.a[0:2]", json!([5, 3]));
    check("$.a[::-2]", json!([{ "k": 6 }, 3]));
    check("$.a[-2:]", json!([[{ "j": 4 }], { "k": 6 }]));
    check("$.a[1:0:0]", json!([]));
    check("$.a[3,0,0]", json!([{ "k": 6 }, 5, 5]));
    check("$ .b ['x y']", json!(1));
    check("$.b.*", json!([1, { "k": 3 }]));
    check("$..j", json!([4, { "k": 3 }]));
    check("$..k", json!([6, 3]));
}

#[test]
fn filters_compare_exactly_and_by_type() {
    check("$.o[?@.n == $.o[1].n].s", json!(["b\n"]));
    check("$.o[?@.n > 0].s", json!(["ab", "b\n"]));
    check("$.o[?!@.n].s", json!(["ba"]));
    check("$.o[?@.n == @.m].s", json!(["ba"]));
    check("$.o[?@.s >= 'b'].s", json!(["b\n", "ba"]));
    check("$.o[?@.s == 'ab' || @.s == 'ba'].s", json!(["ab", "ba"]));
    check("$.a[?@ > 3 && @ < 9]", json!([5]));
    check("$.o[?@.n == $.o[0].n].s", json!(["ab"]));
    check("$.o[?@.s == 1]", json!([]));
    check("$.a[?@ == 5.0]", json!([5]));
}

#[test]
fn functions_of_the_rfc() {
    check("$.o[?length(@.s) == 2].s", json!(["ab", "b\n", "ba"]));
    check("$.o[?length(@) == 1].s", json!(["ba"]));
    check("$.o[?count(@.*) == 2].s", json!(["ab", "b\n"]));
    check("$.o[?count(@.x) == 0].s", json!(["ab", "b\n", "ba"]));
    check("$.o[?value(@..s) == 'ba'].s", json!(["ba"]));
    check("$.o[?match(@.s, 'b.')].s", json!(["ba"]));
    check("$.o[?match(@.s, 'a|b')].s", json!([]));
    check("$.o[?search(@.s, '^b')].s", json!(["b\n", "ba"]));
    check("$.o[?!search(@.s, 'a')].s", json!(["b\n"]));
}

#[test]
fn syntax_errors_say_where() {
    for (source, offset) in
        [("$.a[", Some(4)), ("$.a b", Some(4)), ("$['ä'] x", Some(8)), ("$[?@.a b]", Some(7))]
    {
        let error = refused(source);
        assert_eq!((error.kind, error.offset), (MappingErrorKind::JsonPathSyntax, offset), "{error}");
    }
    for source in ["$.", "$..", "$[]", "$.a.", "$[01]", "$[?@.a = 1]", "$ ", "a.b", ""] {
        assert_eq!(refused(source).kind, MappingErrorKind::JsonPathSyntax, "{source}");
    }
}

#[test]
fn what_the_rfc_forbids_is_refused() {
    for source in [
        "$[?length(@.a)]",
        "$[?count(1) > 1]",
        "$[?length(@.*) > 1]",
        "$[?in(@.a, $.b)]",
        "$[?count(@.a)]",
        "$[?length(@.a == 1) > 1]",
    ] {
        assert_eq!(refused(source).kind, MappingErrorKind::JsonPathSyntax, "{source}");
    }
}

#[test]
fn what_cannot_be_bounded_is_refused() {
    let long = format!("$[?match(@, '{}')]", "a".repeat(300));
    for source in
        ["$[?match(@.a, @.b)]", "$[?search(@, '(')]", "$[?match(@, '(a{1,99}){1,999}')]", long.as_str()]
    {
        assert_eq!(refused(source).kind, MappingErrorKind::JsonPathTooComplex, "{source}");
    }
    let long = format!("$.{}", "a".repeat(20_000));
    assert_eq!(refused(&long).kind, MappingErrorKind::ExpressionTooLong);
}

#[test]
fn the_prefix_stops_at_the_first_computed_segment() {
    let prefix = |source: &str| JsonPath::parse(source, &Limits::default()).expect(source).prefix();
    let name = |name: &str| Segment::Name(name.to_owned());
    assert_eq!(prefix("$.a['b'][-1].c"), [name("a"), name("b"), Segment::Index(-1), name("c")]);
    assert_eq!(prefix("$.a[*].c"), [name("a")]);
    assert_eq!(prefix("$"), []);
}
