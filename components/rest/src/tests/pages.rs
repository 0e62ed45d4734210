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

/// A list that is asked for by `POST` with the cursor deep in the body.
fn by_body(asked: &Asked) -> Reply {
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    let from = body["page"]["after"].as_u64().unwrap_or(0);
    let items: Vec<Value> = (from + 1..(from + 4).min(8)).map(|id| json!({ "id": id })).collect();
    ok(json!({ "items": items, "asked": body }))
}

fn custom(server: &Server, request: Value, next: &str) -> Value {
    let plan = json!({
        "request": request, "response": { "result": "= response.body.items" },
        "pagination": { "type": "custom", "next": next },
    });
    action(server, plan)
}

#[tokio::test]
async fn an_expression_changes_the_body_of_the_request() {
    let server = Server::start(by_body).await;
    let request = json!({ "method": "POST", "body": { "value": { "q": "x", "page": { "size": 3 } } } });
    let next = "= page.items = 3 ? { 'body': { 'page': { 'after': items[-1].id } }, 'headers': { 'X-Page': page.number + 1 } }";
    let got = run(custom(&server, request, next), json!({})).await.unwrap();
    assert_eq!(Value::from(got), ids(1..8));
    let asked = server.asked();
    let bodies: Vec<&str> = asked.iter().map(|one| one.body.as_str()).collect();
    assert_eq!(
        bodies,
        [
            r#"{"q":"x","page":{"size":3}}"#,
            r#"{"q":"x","page":{"size":3,"after":3}}"#,
            r#"{"q":"x","page":{"size":3,"after":6}}"#,
        ]
    );
    assert_eq!(asked[2].headers["x-page"], "3");
}

#[tokio::test]
async fn an_expression_sees_the_last_request_and_may_lead_elsewhere() {
    let server = Server::start(|asked| match (asked.path.as_str(), asked.query.as_str()) {
        ("/x", "from=0&keep=1") => ok(json!({ "items": ids(1..3), "to": 2 })),
        ("/x", "from=2&keep=1") => ok(json!({ "items": [], "go": "/y" })),
        ("/y", "keep=1") => ok(json!({ "items": ids(3..4), "url": "z?last=1" })),
        ("/z", "last=1") => ok(json!({ "items": ids(4..5) })),
        other => status(404, json!(format!("{other:?}"))),
    })
    .await;
    let request = json!({ "query": { "from": 0, "keep": 1 } });
    let next = "= response.body.to ? { 'query': { 'from': $number(request.query.from) + response.body.to,
            'keep': request.query.keep } }
        : response.body.go ? { 'path': response.body.go, 'query': { 'from': null } }
        : response.body.url ? { 'url': response.body.url }";
    let got = run(custom(&server, request, next), json!({})).await.unwrap();
    assert_eq!(Value::from(got), ids(1..5), "an empty page is not the last");
}

#[tokio::test]
async fn what_is_no_next_request_ends_a_walk_with_an_error() {
    let server =
        Server::start(|asked| ok(json!({ "items": [{ "id": asked.query.len() }], "n": asked.query }))).await;
    for (next, code) in [
        ("= {}", "pagination_loop"),
        ("= { 'query': { 'a': 1 } }", "pagination_loop"),
        ("= { 'query': { 'a': page.number % 3 } }", "pagination_loop"),
        ("= 7", "bad_next_page"),
        ("= { 'quer': {} }", "bad_next_page"),
        ("= { 'path': '/y', 'url': '/y' }", "bad_next_page"),
        ("= { 'path': '/../y' }", "bad_path"),
        ("= { 'body': 1 }", "bad_next_page"),
        ("= { 'headers': { 'Host': 'x' } }", "bad_next_page"),
        ("= { 'url': 'http://other.test/' }", "host_refused"),
    ] {
        let error = run(custom(&server, json!({}), next), json!({})).await.unwrap_err();
        assert_eq!(error.code, code, "{next}");
    }
    let before = server.asked().len();
    let endless = over(
        custom(&server, json!({}), "= { 'query': { 'a': $join([request.query.a, 'x']) } }"),
        json!({ "kind": { "action": { "pagination": { "max_pages": 4 } } } }),
    );
    run(endless, json!({})).await.unwrap();
    assert_eq!(server.asked().len() - before, 4);
}
