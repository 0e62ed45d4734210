//! Parsing reports every fault with its place.

use serde_json::json;

use super::*;

fn faults(source: &Value, limits: &Limits) -> Vec<(String, MappingErrorKind)> {
    let errors = Mapping::parse(source, limits).expect_err("refused");
    assert!(errors.iter().all(|error| !error.reason.is_empty() && !error.to_string().contains('\n')));
    errors.into_iter().map(|error| (error.place, error.kind)).collect()
}

#[test]
fn every_fault_is_reported_with_its_place() {
    let source = json!({
        "a/b": "$.x[", "c~d": ["=1 +", "ok", { "e": "=$eval('1')" }], "f": "$[?match(@, @.x)]", "g": format!("={}", "1".repeat(20_000))
    });
    assert_eq!(
        faults(&source, &Limits::default()),
        [
            ("/a~1b".to_owned(), MappingErrorKind::JsonPathSyntax),
            ("/c~0d/0".to_owned(), MappingErrorKind::JsonataSyntax),
            ("/c~0d/2/e".to_owned(), MappingErrorKind::JsonataForbidden),
            ("/f".to_owned(), MappingErrorKind::JsonPathTooComplex),
            ("/g".to_owned(), MappingErrorKind::ExpressionTooLong),
        ]
    );
    assert_eq!(faults(&json!("=("), &Limits::default()), [(String::new(), MappingErrorKind::JsonataSyntax)]);
}

#[test]
fn deep_and_large_trees_are_refused() {
    let limits = Limits { mapping_depth: 2, mapping_nodes: 6, ..Limits::default() };
    assert!(Mapping::parse(&json!({ "a": { "b": 1 } }), &limits).is_ok());
    assert_eq!(
        faults(&json!({ "a": { "b": { "c": {} } } }), &limits),
        [("/a/b/c".to_owned(), MappingErrorKind::TooDeep)]
    );
    assert_eq!(
        faults(&json!([1, 2, 3, 4, 5, 6, 7, 8]), &limits),
        [("/5".to_owned(), MappingErrorKind::TooManyNodes)]
    );
}

#[test]
fn errors_read_as_one_sentence() {
    let errors = Mapping::parse(&json!({ "a": "=1 +" }), &Limits::default()).expect_err("refused");
    assert_eq!(
        errors[0].to_string(),
        "`1 +` at /a: not a JSONata expression: S0207: Unexpected end of expression"
    );
}

#[test]
fn paths_are_listed_for_checks_against_schemas() {
    let source = json!({ "a": "$.body.lines[0].sku", "b": "=body.lines.sku & steps.x.body.y", "c": "=$map(body.z, function($v) { $v.q })" });
    let mapping = Mapping::parse(&source, &Limits::default()).expect("it parses");
    assert_eq!(mapping.source(), &source);
    let uses: Vec<_> = mapping
        .paths()
        .into_iter()
        .map(|it| {
            let segments = it.segments.iter().map(|segment| match segment {
                Segment::Name(name) => name.clone(),
                Segment::Index(index) => index.to_string(),
            });
            (it.place, segments.collect::<Vec<_>>().join("."), it.exact)
        })
        .collect();
    assert_eq!(
        uses,
        [
            ("/a".to_owned(), "body.lines.0.sku".to_owned(), true),
            ("/b".to_owned(), "body.lines.sku".to_owned(), false),
            ("/b".to_owned(), "steps.x.body.y".to_owned(), false),
            ("/c".to_owned(), "body.z".to_owned(), false),
        ]
    );
}

#[test]
fn parsed_mappings_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Mapping>();
    shared::<Expression>();
    shared::<JsonPath>();
}
