//! What is evident, and what is not.

use serde_json::{Map, json};

use super::*;

/// What is guessed of query parameters, as `name` or `name=maximum`, and an answer.
#[track_caller]
fn check(names: &[&str], schema: Value, has_link: bool, expect: &str) {
    let root = json!({"openapi": "3.0.0"});
    let document = Document::new(&root).unwrap();
    let specs: Vec<(String, Value)> = names
        .iter()
        .map(|name| match name.split_once('=') {
            Some((name, most)) => {
                (name.to_owned(), json!({"type": "integer", "maximum": most.parse::<u64>().unwrap()}))
            }
            None => ((*name).to_owned(), json!({})),
        })
        .collect();
    let parameters: Vec<Parameter<'_>> = specs
        .iter()
        .map(|(name, schema)| Parameter {
            name,
            place: Place::Query,
            required: false,
            style: None,
            explode: None,
            schema: Some(schema),
            is_json: false,
            description: None,
            deprecated: false,
        })
        .collect();
    let got = guess(document, &parameters, Answer { schema: Some(&schema), has_link });
    let got = got.map_or_else(String::new, |guess| {
        let mut plan = serde_json::to_value(&guess.pagination).unwrap();
        let plan = plan.as_object_mut().unwrap();
        plan.shift_remove("max_pages");
        plan.shift_remove("max_items");
        let mut shown: Vec<String> = std::mem::take::<Map<_, _>>(plan)
            .into_iter()
            .map(|(key, value)| {
                format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            })
            .collect();
        shown.extend(guess.result);
        shown.join(" ")
    });
    assert_eq!(got, expect, "{names:?}");
}

fn list() -> Value {
    json!({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}})
}

fn with(name: &str, more: Value) -> Value {
    let mut properties = more;
    properties[name] = list();
    json!({ "type": "object", "properties": properties })
}

#[test]
fn numbers_and_offsets_need_a_size() {
    check(&["page", "per_page=100"], list(), false, "type=page param=page size_param=per_page size=100");
    check(&["page", "pageSize"], list(), false, "type=page param=page");
    check(&["page"], list(), false, "");
    check(
        &["offset", "limit=50"],
        with("items", json!({})),
        false,
        "type=offset param=offset size_param=limit size=50 $.response.body.items",
    );
}

#[test]
fn tokens_need_a_field_with_the_next_one() {
    let text = json!({"type": "string"});
    check(
        &["cursor"],
        with("data", json!({"next_cursor": text})),
        false,
        "type=cursor param=cursor next=$.response.body.next_cursor $.response.body.data",
    );
    check(
        &["pageToken"],
        with("things", json!({"meta": {"type": "object", "properties": {"nextPageToken": text}}})),
        false,
        "type=cursor param=pageToken next=$.response.body.meta.nextPageToken $.response.body.things",
    );
    check(&["cursor"], with("data", json!({})), false, "");
    check(
        &["starting_after", "limit=100"],
        with("data", json!({"has_more": {"type": "boolean"}})),
        false,
        "type=cursor param=starting_after size_param=limit size=100 next== response.body.has_more ? response.body.data[-1].id $.response.body.data",
    );
}

#[test]
fn links_are_followed() {
    let text = json!({"type": "string"});
    check(&["page", "per_page=100"], list(), true, "type=link size_param=per_page size=100");
    check(
        &[],
        with("data", json!({"next_page_uri": text})),
        false,
        "type=next_url next=$.response.body.next_page_uri $.response.body.data",
    );
    check(
        &[],
        with(
            "data",
            json!({"links": {"type": "object", "properties": {"pages": {"type": "object", "properties": {"next": text}}}}}),
        ),
        false,
        "type=next_url next=$.response.body.links.pages.next $.response.body.data",
    );
}

#[test]
fn what_is_no_list_has_no_pages() {
    check(&["page", "limit"], json!({"type": "object"}), true, "");
    check(&["page", "limit"], json!({"type": "object", "properties": {"a": list(), "b": list()}}), false, "");
}
