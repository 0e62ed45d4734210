//! Operations and the actions that they become.

use serde_json::{Value, json};

use super::*;
use crate::document::Document;
use crate::report::Remark;

fn turn(method: &str, path: &str, spec: &Value) -> (Result<Value, String>, Vec<Remark>) {
    let root = json!({
        "openapi": "3.0.0",
        "components": {
            "schemas": {"Pet": {"type": "object"}},
            "requestBodies": {"pet": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}
        }
    });
    let mut schemas = Schemas::new(Document::new(&root).unwrap());
    let item = json!({});
    // Everything must live as long as the document.
    let (spec, item): (&Value, &Value) = (Box::leak(Box::new(spec.clone())), Box::leak(Box::new(item)));
    let root: &Value = Box::leak(Box::new(root.clone()));
    schemas.document.root = root;
    let path: &str = Box::leak(path.to_owned().into_boxed_str());
    let operation = Operation { method: method.to_owned(), path, item, spec };
    let action = operation.action("a_name", &mut schemas);
    let action = action.map(|action| serde_json::to_value(action).unwrap()).map_err(|Reason(reason)| reason);
    (action, schemas.remarks.finish())
}

#[track_caller]
fn check(method: &str, path: &str, spec: Value, expect: Value) {
    let action = turn(method, path, &spec).0.unwrap();
    for (key, value) in expect.as_object().unwrap() {
        let pointer = format!("/{}", key.replace('.', "/"));
        assert_eq!(action.pointer(&pointer).unwrap_or(&Value::Null), value, "{key} of {action}");
    }
}

#[test]
fn parameters_become_properties() {
    let text = json!({"type": "string"});
    check(
        "GET",
        "/pets/{petId}/{id-2}#copy",
        json!({"summary": "One  pet", "parameters": [
            {"name": "petId", "in": "path", "schema": text, "required": true},
            {"name": "id-2", "in": "path", "schema": text, "required": true},
            {"name": "petId", "in": "query", "schema": text},
            {"name": "X-Trace", "in": "header", "schema": text, "description": "Trace"},
        ]}),
        json!({
            "title": "One pet",
            "request.path": "/pets/{petId}/{id-2}",
            "request.path_params": null,
            "request.query": {"petId": "$.input.petId_query"},
            "request.headers": {"X-Trace": "$.input['X-Trace']"},
            "input.required": ["petId", "id-2"],
            "input.properties": {
                "petId": text, "id-2": text, "petId_query": text,
                "X-Trace": {"type": "string", "description": "Trace"}
            },
        }),
    );
}

#[test]
fn lists_in_paths_and_headers_are_joined() {
    let list = json!({"type": "array", "items": {"type": "integer"}});
    check(
        "GET",
        "/pets/{ids}",
        json!({"parameters": [
            {"name": "ids", "in": "path", "schema": list}, {"name": "X-A", "in": "header", "schema": list}
        ]}),
        json!({
            "title": "A name",
            "request.path_params": {"ids": "= $join(input.ids.$string(), ',')"},
            "request.headers": {"X-A": "= $join(input.`X-A`.$string(), ',')"},
        }),
    );
}

#[test]
fn bodies_are_the_property_body() {
    check(
        "POST",
        "/pets",
        json!({"requestBody": {"$ref": "#/components/requestBodies/pet"}, "parameters": [{"name": "body", "in": "query"}]}),
        json!({
            "input": {
                "type": "object", "required": ["body"],
                "properties": {"body_query": {}, "body": {"$ref": "#/datatypes/Pet"}}
            },
            "request.body": {"format": "json", "value": "$.input.body"},
        }),
    );
    let file = json!({"multipart/form-data": {"schema": {
        "type": "object", "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}, "name": {"type": "string"}}
    }}});
    check(
        "POST",
        "/files",
        json!({"requestBody": {"content": file}}),
        json!({
            "request.body.format": "multipart",
            "input.required": null,
            "input.properties.body.required": ["file"],
            "input.properties.body.properties.file.type": ["string", "object"],
            "input.properties.body.properties.name": {"type": "string"},
        }),
    );
}

#[test]
fn answers_become_outputs_and_lists_pages() {
    let list = json!({"type": "array", "items": {"$ref": "#/components/schemas/Pet"}});
    let answer = |schema: &Value| json!({"200": {"content": {"application/json": {"schema": schema}}}});
    check(
        "GET",
        "/a",
        json!({"responses": answer(&list)}),
        json!({"output.items": {"$ref": "#/datatypes/Pet"}, "pagination": null}),
    );
    let body = json!({"type": "object", "properties": {"data": list}});
    let size = json!({"type": "integer", "maximum": 50});
    check(
        "GET",
        "/a",
        json!({"responses": answer(&body), "parameters": [
            {"name": "page", "in": "query"}, {"name": "limit", "in": "query", "schema": size}, {"name": "q", "in": "query"}
        ]}),
        json!({
            "output": {"$ref": "#/datatypes/Pet"},
            "response": {"result": "$.response.body.data"},
            "request.query": {"q": "$.input.q"},
            "input.properties": {"q": {}},
            "pagination.param": "page", "pagination.size_param": "limit", "pagination.size": 50,
        }),
    );
}

#[test]
fn what_cannot_be_sent_is_left_out_with_the_reason() {
    for (path, spec, expect) in [
        ("/a/{b", json!({}), "its path has a `{` or `}` without its counterpart"),
        ("/a", json!({"parameters": [{"$ref": "x.yaml"}]}), "it refers to another document, `x.yaml`"),
        (
            "/a{b}",
            json!({"parameters": [{"name": "b", "in": "path", "style": "label"}]}),
            "the path parameter `b` has a style that connectors do not have",
        ),
        (
            "/a",
            json!({"requestBody": {"required": true, "content": {"image/*": {}}}}),
            "its body is in a format that connectors cannot send",
        ),
    ] {
        assert_eq!(turn("POST", path, &spec).0.unwrap_err(), expect);
    }
}

#[test]
fn parts_that_go_are_told() {
    for (method, spec) in [
        ("GET", json!({"requestBody": {"content": {"application/json": {}}}})),
        ("GET", json!({"parameters": [{"name": "c", "in": "cookie"}]})),
        ("GET", json!({"parameters": [{"name": "c", "in": "path"}]})),
        ("GET", json!({"parameters": [{"name": "c", "in": "query", "schema": {"type": "object"}}]})),
        ("POST", json!({"requestBody": {"content": {"application/xml": {"schema": {}}}}})),
    ] {
        let (action, remarks) = turn(method, "/a", &spec);
        assert!(action.is_ok(), "{spec}");
        assert_eq!(remarks.len(), 1, "{spec}: {remarks:?}");
    }
}
