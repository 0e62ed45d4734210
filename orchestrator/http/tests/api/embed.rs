//! Sessions, and what pages may do with them.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use sluice_domain::Permission;

use crate::harness::{Answer, Server};

const FILES: &str = r"
sluice: 1
kind: connector
name: crm
version: 1.0.0
title: CRM
http: { base_url: https://crm.example.com }
auth:
  type: oauth2
  oauth2:
    authorize_url: https://login.example/authorize
    token_url: https://login.example/token
actions:
  find: { title: Find, request: { path: /contacts } }
---
sluice: 1
kind: instance
name: crm-a
connector: crm
secrets: { client_id: { env: A }, client_secret: { env: B } }
---
sluice: 1
kind: instance
name: crm-b
connector: crm
secrets: { client_id: { env: A }, client_secret: { env: B } }
";
const ORIGIN: &str = "https://app.example.com";
const MINE: &str = "/embed/v1/instances/crm-a";

async fn start() -> Server {
    start_with(FILES).await
}

async fn start_with(files: &str) -> Server {
    let server = Server::start().await;
    server.install("sluice/rest:1.0.0").await;
    let client = json!({ "client_id": "canary-id", "client_secret": "canary-secret" });
    let body = json!({
        "files": [{ "name": "crm.yaml", "text": files }], "secrets": { "crm-a": client, "crm-b": client },
    });
    let applied = server.call("POST", "/api/v1/apply", Some(&body.to_string())).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    server
}

async fn create(server: &Server, permission: Permission, body: &Value) -> Answer {
    let request = Request::post("/api/v1/sessions")
        .header("authorization", format!("Bearer {}", server.token(permission)))
        .header("content-type", "application/json");
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// The token of a session about `crm-a` for pages of [`ORIGIN`].
async fn session(server: &Server, allow: &[&str]) -> String {
    let body = json!({ "instances": ["crm-a"], "origin": ORIGIN, "allow": allow });
    let created = create(server, Permission::Write, &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    created.json()["token"].as_str().unwrap().to_owned()
}

async fn visit(server: &Server, method: &str, path: &str, token: &str, origin: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    request = request.header("authorization", format!("Bearer {token}"));
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

fn shared_with(answer: &Answer) -> Option<&str> {
    answer.headers.get("access-control-allow-origin").map(|origin| origin.to_str().unwrap())
}

#[tokio::test]
async fn a_page_sees_and_authorises_the_instances_of_its_session() {
    let server = start().await;
    let token = session(&server, &[]).await;
    let seen = visit(&server, "GET", MINE, &token, Some(ORIGIN)).await;
    assert_eq!((seen.status, shared_with(&seen)), (200, Some(ORIGIN)), "{}", seen.text);
    assert_eq!(
        seen.json(),
        json!({ "instance": "crm-a", "connector": "crm", "state": "needs_authorization" })
    );
    let begun = visit(&server, "POST", &format!("{MINE}/authorize"), &token, Some(ORIGIN)).await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    assert!(begun.json()["url"].as_str().unwrap().contains("/oauth/start/"), "{}", begun.text);
    let revoked = visit(&server, "POST", &format!("{MINE}/revoke"), &token, Some(ORIGIN)).await;
    assert_eq!(
        (revoked.status, revoked.json()["state"].as_str()),
        (200, Some("revoked")),
        "{}",
        revoked.text
    );
    for answer in [seen, begun, revoked] {
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_page_sees_when_an_instance_was_authorised() {
    let own = "grant: client_credentials";
    let server = start_with(&FILES.replace("authorize_url: https://login.example/authorize", own)).await;
    let token = session(&server, &[]).await;
    let authorize = async || {
        let done = visit(&server, "POST", &format!("{MINE}/authorize"), &token, Some(ORIGIN)).await;
        assert_eq!((done.status, done.json()), (200, json!({})), "{}", done.text);
        visit(&server, "GET", MINE, &token, Some(ORIGIN)).await.json()
    };
    let first = authorize().await;
    assert_eq!((&first["state"], &first["authorized_at"]), (&json!("ok"), &json!("2026-01-01T12:00:00Z")));
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(authorize().await["authorized_at"], "2026-01-01T12:01:00Z");
    server.clock.advance(Duration::from_secs(60));
    let revoked = visit(&server, "POST", &format!("{MINE}/revoke"), &token, Some(ORIGIN)).await.json();
    let times = (&revoked["authorized_at"], &revoked["updated_at"]);
    assert_eq!(times, (&json!("2026-01-01T12:01:00Z"), &json!("2026-01-01T12:02:00Z")), "{revoked}");
}

#[tokio::test]
async fn a_page_sees_why_an_attempt_came_to_nothing_until_the_next() {
    let server = start().await;
    let token = session(&server, &[]).await;
    let begin = async || {
        let begun = visit(&server, "POST", &format!("{MINE}/authorize"), &token, Some(ORIGIN)).await;
        let url: axum::http::Uri = begun.json()["url"].as_str().unwrap().parse().unwrap();
        url.path().to_owned()
    };
    let failure = async || visit(&server, "GET", MINE, &token, Some(ORIGIN)).await.json()["failure"].clone();
    let (old, stolen, last) = (begin().await, begin().await, begin().await);
    for (path, is_own, expect) in [
        (old, true, Value::Null),
        (stolen, false, Value::Null),
        (last, true, json!("access was refused: access_denied: not today")),
    ] {
        let left = server.send(Request::get(&path).body(Body::empty()).unwrap()).await;
        assert_eq!(left.status, 302, "{}", left.text);
        let cookie = left.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let state = path.rsplit('/').next().unwrap();
        let query = format!("error=access_denied&error_description=not+today&state={state}");
        let cookie = if is_own { cookie } else { "another=browser".to_owned() };
        let back = Request::get(format!("/oauth/callback?{query}")).header("cookie", cookie);
        let refused = server.send(back.body(Body::empty()).unwrap()).await;
        assert_eq!((refused.status, failure().await), (400, expect), "{}", refused.text);
    }
    begin().await;
    assert_eq!(failure().await, Value::Null);
}

#[tokio::test]
async fn a_session_opens_nothing_but_what_it_names() {
    let server = start().await;
    let token = session(&server, &["status"]).await;
    let other = MINE.replace("crm-a", "crm-b");
    for (method, path, origin, status) in [
        ("GET", MINE, None, 200),
        ("GET", MINE, Some("https://evil.example.com"), 403),
        ("GET", MINE, Some("null"), 403),
        ("GET", &other, Some(ORIGIN), 403),
        ("GET", "/embed/v1/instances/no-such", Some(ORIGIN), 403),
        ("POST", &format!("{MINE}/authorize"), Some(ORIGIN), 403),
        ("POST", &format!("{MINE}/revoke"), Some(ORIGIN), 403),
        ("POST", &format!("{MINE}/invoke/find"), Some(ORIGIN), 403),
        ("GET", "/embed/v1/nothing", Some(ORIGIN), 401),
        ("GET", "/api/v1/instances/crm-a", Some(ORIGIN), 401),
        ("POST", "/api/v1/sessions", Some(ORIGIN), 401),
    ] {
        let answer = visit(&server, method, path, &token, origin).await;
        assert_eq!(answer.status, status, "{method} {path} {origin:?}: {}", answer.text);
        assert!(status == 200 || answer.is_problem(), "{}", answer.text);
    }
    let api = visit(&server, "GET", MINE, server.token(Permission::Admin), Some(ORIGIN)).await;
    assert_eq!(api.status, 401, "an operator's token does not belong into a page");
}

#[tokio::test]
async fn a_session_that_is_over_or_changed_opens_nothing() {
    let server = start().await;
    let token = session(&server, &[]).await;
    let mut bytes = token.clone().into_bytes();
    let last = bytes.len() - 3;
    bytes[last] = if bytes[last] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(bytes).unwrap();
    for wrong in [changed.as_str(), &token[..token.len() - 4], "sluice_session_a.b", "sluice_session_"] {
        let answer = visit(&server, "GET", MINE, wrong, Some(ORIGIN)).await;
        assert_eq!((answer.status, shared_with(&answer)), (401, Some(ORIGIN)), "pages can read why");
    }
    server.clock.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(visit(&server, "GET", MINE, &token, Some(ORIGIN)).await.status, 401);
    let token = session(&server, &[]).await;
    assert_eq!(visit(&server, "GET", MINE, &token, Some(ORIGIN)).await.status, 200);
    for issuer in server.engine.tokens().await.unwrap() {
        if issuer.permissions.contains(&Permission::Write) {
            server.engine.revoke_token(issuer.id).await.unwrap();
        }
    }
    let answer = visit(&server, "GET", MINE, &token, Some(ORIGIN)).await;
    assert_eq!(answer.status, 401, "it ends with the token that it was made with");
}

#[tokio::test]
async fn a_session_that_makes_no_sense_is_not_made() {
    let server = start().await;
    let good = json!({ "instances": ["crm-a"] });
    assert_eq!(create(&server, Permission::Read, &good).await.status, 403);
    for (change, status) in [
        (json!({ "instances": [] }), 400),
        (json!({ "instances": ["no-such"] }), 404),
        (json!({ "instances": ["No Such"] }), 422),
        (json!({ "allow": ["everything"] }), 422),
        (json!({ "origin": "*" }), 400),
        (json!({ "expires_in": "10s" }), 400),
        (json!({ "expires_in": "2h" }), 400),
        (json!({ "expires_in": 900 }), 422),
        (json!({ "more": 1 }), 422),
    ] {
        let mut body = good.clone();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = create(&server, Permission::Write, &body).await;
        assert!(answer.status == status && answer.is_problem(), "{change}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_session_is_listed_without_its_token_until_its_end_and_may_be_revoked() {
    let server = start().await;
    let body = json!({ "instances": ["crm-a"], "origin": ORIGIN, "allow": ["status"], "expires_in": "10m" });
    let (mine, other) =
        (create(&server, Permission::Write, &body).await, create(&server, Permission::Write, &body).await);
    let (mine, other) = (mine.json(), other.json());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (id, token) = (text(&mine["id"]), text(&mine["token"]));
    let listed = server.call("GET", "/api/v1/sessions", None).await;
    let seen: Vec<Value> = listed.json()["items"].as_array().unwrap().clone();
    let of_mine = seen.iter().find(|one| one["id"] == *id).unwrap();
    let part = (&of_mine["instances"], &of_mine["allow"], &of_mine["origin"], &of_mine["expires_at"]);
    assert_eq!(part, (&json!(["crm-a"]), &json!(["status"]), &json!(ORIGIN), &json!("2026-01-01T12:10:00Z")));
    assert!(seen.len() == 2 && !listed.text.contains("sluice_session_"), "{}", listed.text);

    let status = async |token: &str| visit(&server, "GET", MINE, token, Some(ORIGIN)).await.status;
    assert_eq!((status(&token).await, status(&text(&other["token"])).await), (200, 200));
    for _ in 0..2 {
        let path = format!("/api/v1/sessions/{id}");
        assert_eq!(server.call("DELETE", &path, None).await.status, 204, "once more changes nothing");
    }
    assert_eq!((status(&token).await, status(&text(&other["token"])).await), (401, 200));
    let listed = server.call("GET", "/api/v1/sessions", None).await.json();
    let revoked = listed["items"].as_array().unwrap().iter().filter(|one| one["revoked_at"].is_string());
    assert_eq!(revoked.count(), 1, "{listed}");
    let unknown = "/api/v1/sessions/ses_00000000000000000000000000";
    assert_eq!(server.call("DELETE", unknown, None).await.status, 404);
    server.clock.advance(Duration::from_secs(600));
    assert_eq!(server.call("GET", "/api/v1/sessions", None).await.json()["items"], json!([]));
}

#[tokio::test]
async fn only_these_routes_answer_to_other_origins() {
    let server = start().await;
    for (path, open) in [
        (MINE, true),
        ("/embed/v1/instances/crm-a/invoke/find", true),
        ("/api/v1/instances/crm-a", false),
        ("/api/v1/sessions", false),
    ] {
        let request = Request::options(path)
            .header("origin", ORIGIN)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(shared_with(&answer).is_some(), open, "{path}: {} {}", answer.status, answer.text);
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
}
