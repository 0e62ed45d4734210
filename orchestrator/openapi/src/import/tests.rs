//! Whole documents.

use serde_json::{Value, json};

use super::*;

fn ok() -> Value {
    json!({"responses": {"200": {"description": "done"}}})
}

#[test]
fn a_document_becomes_a_connector() {
    let root = json!({
        "openapi": "3.0.3",
        "info": {"title": "Pet Store", "version": "1.2", "description": "All pets.", "contact": {"email": "pets@example.com"}},
        "servers": [{"url": "https://pets.example/v1"}],
        "security": [{"key": []}],
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
            "schemas": {"Pet": {"type": "object", "properties": {"parent": {"$ref": "#/components/schemas/Pet"}}}, "Other": {}}
        },
        "paths": {"/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer", "format": "int64"}}],
            "get": {
                "operationId": "getPet", "summary": "One pet",
                "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}
            }
        }}
    });
    let Imported { manifest, report } = import(&root, &Options::default()).unwrap();
    let expect = "sluice: 1
kind: connector
name: pet-store
version: 1.2.0
title: Pet Store
description: All pets.
support: pets@example.com
variables:
  type: object
  properties:
    url: { type: string, description: Another address of the API, default: \"https://pets.example/v1\" }
datatypes:
  Pet: { type: object, properties: { parent: { $ref: \"#/datatypes/Pet\" } } }
http: { base_url: \"= vars.url ? vars.url : 'https://pets.example/v1'\" }
auth: { type: api_key, in: header, name: X-Key }
actions:
  get_pet:
    title: One pet
    input: { type: object, required: [id], properties: { id: { type: integer } } }
    output: { $ref: \"#/datatypes/Pet\" }
    request: { path: \"/pets/{id}\" }
";
    assert_eq!(crate::to_yaml(&manifest), expect);
    assert_eq!((report.operations, report.actions, report.datatypes), (1, 1, 1));
    assert_eq!(report.remarks.len(), 1, "{:?}", report.remarks);
}

#[test]
fn what_is_no_such_document_is_refused() {
    let deep = (0..220).fold(json!({}), |inner, _| json!({ "a": inner }));
    for (root, expect) in [
        (json!({"openapi": "3.0.0", "paths": {}}), "the document describes no operation"),
        (json!({"openapi": "3.0.0", "x": deep}), "the document nests deeper than 200 levels"),
        (json!({"swagger": "2.0"}), "this is a Swagger 2.0 document"),
        (
            json!({"openapi": "3.0.0", "paths": {"/a": {"get": {"$ref": "a.yaml"}}}}),
            "none of the 1 operations can be imported; the first, GET /a, since it refers to another document, `a.yaml`",
        ),
        (
            json!({"openapi": "3.0.0", "paths": {"/a": {"$ref": "a.yaml"}}}),
            "none of the 1 operations can be imported; the first, /a, since it refers to another document, `a.yaml`",
        ),
    ] {
        let error = import(&root, &Options::default()).unwrap_err().to_string();
        assert!(error.starts_with(expect), "{error}");
    }
    let many: serde_json::Map<_, _> =
        (0..5001).map(|number| (format!("/{number}"), json!({"get": ok()}))).collect();
    let root = json!({"openapi": "3.0.0", "paths": many});
    assert_eq!(import(&root, &Options::default()), Err(ImportError::TooManyOperations { found: 5001 }));
    let few = Options { only: vec!["/400".to_owned()], ..Options::default() };
    assert_eq!(import(&root, &few).unwrap().report.actions, 11);
}

#[test]
fn operations_can_be_chosen() {
    let root = json!({"openapi": "3.1.0", "paths": {
        "/a": {"get": {"tags": ["Users"]}}, "/b": {"get": {"tags": ["pets"]}}, "/b/c": {"post": {}}
    }});
    for (only, expect) in [
        (vec!["users"], Ok(1)),
        (vec!["/b"], Ok(2)),
        (vec!["users", "/b/c"], Ok(2)),
        (vec![], Ok(3)),
        (vec!["none"], Err("no operation has the tag or path that was asked for; the tags are: Users, pets")),
    ] {
        let options = Options { only: only.into_iter().map(str::to_owned).collect(), ..Options::default() };
        let got = import(&root, &options)
            .map(|imported| imported.report.actions)
            .map_err(|error| error.to_string());
        assert_eq!(got, expect.map_err(str::to_owned));
    }
}

#[test]
fn operations_that_lead_out_of_the_document_are_left_out() {
    let answer = |name: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        json!({"get": {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}})
    };
    let root = json!({
        "openapi": "3.1.0", "servers": [{"url": "https://a.example"}],
        "components": {"schemas": {"A": {"items": {"$ref": "#/components/schemas/B"}}, "B": {"$ref": "b.yaml"}, "C": {}}},
        "paths": {"/a": answer("A"), "/c": answer("C"), "/d": {"servers": [{"url": "https://d.example"}], "get": ok()}}
    });
    let imported = import(&root, &Options::default()).unwrap();
    assert_eq!(imported.manifest.datatypes.keys().collect::<Vec<_>>(), ["C"]);
    let lost = imported.report.remarks.iter().filter(|remark| remark.kind == RemarkKind::OperationLeftOut);
    let lost: Vec<_> = lost.flat_map(|remark| remark.places.clone()).collect();
    assert_eq!(lost, ["GET /d", "GET /a"]);
}
