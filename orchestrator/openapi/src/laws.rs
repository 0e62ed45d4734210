//! What holds for every document.

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_declarative::Manifest;
use sluice_planner::SourceFile;

use crate::{Imported, Options, import, to_yaml};

/// Names as documents have them, and as nobody should write them.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z][a-zA-Z0-9_]{0,12}",
        "[a-z]{1,4}[-.\\[\\] :/'\"`#=$\\\\][a-z]{0,4}",
        "\\PC{1,8}",
        "[ -~]{1,10}"
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string", "nullable": true, "example": "x"})),
        Just(json!({"type": "integer", "format": "int32", "minimum": 0, "exclusiveMinimum": true})),
        Just(json!({"$ref": "#/components/schemas/Tree"})),
        Just(json!({"type": "file", "required": true})),
        name().prop_map(
            |text| json!({"type": "string", "pattern": text, "description": text, "default": text})
        ),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            (name(), inner.clone()).prop_map(
                |(name, inner)| json!({"type": "object", "required": [name], "properties": {name: inner}})
            ),
            prop::collection::vec(inner, 1..3).prop_map(|all| json!({ "oneOf": all })),
        ]
    })
}

fn parameter() -> impl Strategy<Value = Value> {
    let place = prop::sample::select(vec!["path", "query", "header", "cookie"]);
    let style = prop::sample::select(vec!["form", "simple", "deepObject", "pipeDelimited", "spaceDelimited"]);
    (name(), place, style, any::<bool>(), schema()).prop_map(|(name, place, style, explode, schema)| {
        json!({"name": name, "in": place, "style": style, "explode": explode, "required": explode, "schema": schema})
    })
}

fn document() -> impl Strategy<Value = Value> {
    let path = (name(), name()).prop_map(|(a, b)| format!("/{a}/{{{b}}}"));
    let operation =
        (prop::option::of(name()), name(), prop::collection::vec(parameter(), 0..4), schema(), schema());
    let method = prop::sample::select(vec!["get", "post", "put"]);
    let item =
        (path, method, operation).prop_map(|(path, method, (id, summary, parameters, body, answer))| {
            let mut spec = json!({
                "summary": summary, "description": summary, "parameters": parameters,
                "requestBody": {"required": true, "content": {"application/json": {"schema": body}}},
                "responses": {"200": {"content": {"application/json": {"schema": answer}}}}
            });
            if let Some(id) = id {
                spec["operationId"] = json!(id);
            }
            (path, json!({ method: spec }))
        });
    (name(), name(), prop::collection::vec(item, 1..4)).prop_map(|(title, server, items)| {
        json!({
            "openapi": "3.0.0",
            "info": {"title": title, "version": title, "description": title},
            "servers": [{"url": format!("https://a.example/{server}/{{{title}}}")}],
            "components": {"schemas": {"Tree": {"allOf": [{"$ref": "#/components/schemas/Tree"}], "items": {"$ref": "#/components/schemas/Tree"}}}},
            "paths": items.into_iter().collect::<serde_json::Map<_, _>>()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_import_is_valid_and_reads_back(document in document()) {
        let Ok(Imported { manifest, .. }) = import(&document, &Options::default()) else { return Ok(()) };
        prop_assert_eq!(manifest.check(), vec![]);
        let text = to_yaml(&manifest);
        let value: Value = serde_saphyr::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let back = Manifest::from_value(&value).map_err(|error| TestCaseError::fail(format!("{error:?}\n{text}")))?;
        prop_assert_eq!(&back, &manifest, "{}", text);
        let (documents, report) = sluice_planner::read(&[SourceFile { name: "x".to_owned(), text: text.clone() }]);
        let faults: Vec<String> = report.errors().map(|fault| format!("{fault:?}")).collect();
        prop_assert!(faults.is_empty(), "{:?}\n{}", faults, text);
        prop_assert_eq!(&documents.connectors[0].manifest, &manifest);
    }
}
