//! Actions that walk through all pages of a list.

use serde_json::{Value, json};

use super::server::{Asked, Reply, Server, ids, ok, status};
use super::{action, over, run};

/// Seven items, three a page, by whatever the query says.
fn list(asked: &Asked) -> Reply {
    let number = |name: &str| asked.param(name).and_then(|text| text.parse::<u64>().ok());
    let from = match (number("page"), number("offset"), number("cursor")) {
        (Some(page), _, _) => (page - 1) * 3,
        (_, Some(offset), _) => offset,
        (_, _, cursor) => cursor.unwrap_or(0),
    };
    let items = ids(from + 1..(from + 4).min(8));
    let more = from + 3 < 7;
    let next = if more { json!(format!("/x?cursor={}", from + 3)) } else { json!("") };
    let token = if more { json!(from + 3) } else { Value::Null };
    let reply = ok(json!({ "items": items, "next": next, "token": token, "total": 7 }));
    if more { reply.header("link", format!("</x?cursor={}>; rel=\"next\"", from + 3)) } else { reply }
}

async fn walked(pagination: Value) -> (Result<Vec<u64>, String>, usize) {
    let server = Server::start(list).await;
    let plan = json!({ "response": { "result": "= response.body.items" }, "pagination": pagination });
    let got = run(action(&server, plan), json!({})).await;
    let got = got.map(|items| items.iter().map(|item| item["id"].as_u64().unwrap()).collect());
    (got.map_err(|error| error.code), server.asked().len())
}

#[tokio::test]
async fn every_way_finds_all_items() {
    for (pagination, pages) in [
        (json!({ "type": "page", "param": "page" }), 4),
        (json!({ "type": "page", "param": "page", "size": 3 }), 3),
        (json!({ "type": "page", "param": "page", "stop": "= page.number * 3 >= response.body.total" }), 3),
        (json!({ "type": "offset", "param": "offset", "size": 3, "size_param": "limit" }), 3),
        (json!({ "type": "cursor", "param": "cursor", "next": "$.response.body.token" }), 3),
        (json!({ "type": "link" }), 3),
        (json!({ "type": "next_url", "next": "= response.body.next" }), 3),
    ] {
        let got = walked(pagination.clone()).await;
        assert_eq!(got, (Ok((1..8).collect()), pages), "{pagination}");
    }
}

#[tokio::test]
async fn limits_end_a_walk() {
    let got = walked(json!({ "type": "page", "param": "page", "max_pages": 2 })).await;
    assert_eq!(got, (Ok((1..7).collect()), 2));
    let got = walked(json!({ "type": "page", "param": "page", "max_items": 4 })).await;
    assert_eq!(got, (Ok((1..5).collect()), 2));
}

#[tokio::test]
async fn a_page_that_comes_again_is_an_error() {
    let got = walked(json!({ "type": "page", "param": "ignored" })).await;
    assert_eq!(got, (Err("pagination_loop".to_owned()), 2));
}

#[tokio::test]
async fn a_page_that_is_no_list_is_an_error_and_an_ignored_status_ends_the_list() {
    let server = Server::always(ok(json!({ "items": "none" }))).await;
    for result in ["$.response.body.items", "= response.body.items", "$.response.body.missing"] {
        let plan =
            json!({ "response": { "result": result }, "pagination": { "type": "page", "param": "page" } });
        let error = run(action(&server, plan), json!({})).await.unwrap_err();
        assert_eq!(error.code, "no_list", "{result}");
    }
    server.answer(|asked| match asked.param("page").as_deref() {
        Some("1") => ok(ids(1..3)),
        _ => status(404, json!({ "error": "no such page" })),
    });
    let plan = json!({ "pagination": { "type": "page", "param": "page" } });
    let rules = json!({ "http": { "errors": [{ "status": [404], "then": "ignore" }] } });
    let got = run(over(action(&server, plan), rules), json!({})).await.unwrap();
    assert_eq!(Value::from(got), ids(1..3));
}
