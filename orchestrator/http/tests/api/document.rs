//! The OpenAPI document, and the rule that every route in it is guarded.

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use sluice_domain::Permission;

use crate::harness::Server;

/// Routes that anybody may ask.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];
/// Calls that change nothing, although their method is one that may.
const EVALUATES: [&str; 2] = ["/api/v1/validate", "/api/v1/mappings/evaluate"];

/// Every method and path of the document, with something in the place of each parameter.
fn routes() -> Vec<(String, String)> {
    let document = serde_json::to_value(sluice_http::openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|key| key.len() < 7 && *key != "servers") {
            let filled: Vec<&str> =
                path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
            routes.push((method.to_uppercase(), filled.join("/")));
        }
    }
    assert!(routes.len() > 30, "{routes:?}");
    routes
}

async fn status(server: &Server, method: &str, path: &str, token: Option<&str>) -> u16 {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    assert!(
        answer.status < 400 || answer.is_problem() || path == "/readyz",
        "{method} {path}: {}",
        answer.text
    );
    answer.status
}

#[tokio::test]
async fn every_route_asks_for_a_token_and_for_the_right_permission() {
    let server = Server::start().await;
    for (method, path) in routes() {
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        assert_eq!(status(&server, &method, &path, None).await, 401, "{method} {path}");
        if path.starts_with("/embed/") {
            // Pages have sessions; what these allow has tests of its own.
            continue;
        }
        let read = status(&server, &method, &path, Some(server.token(Permission::Read))).await;
        let reveals = path == "/api/v1/flows/x/hooks";
        let changes = reveals || (method != "GET" && !EVALUATES.contains(&path.as_str()));
        let secret = path.starts_with("/api/v1/tokens") || path.starts_with("/api/v1/keys");
        let programs = path.starts_with("/api/v1/connectors") || path.starts_with("/api/v1/attachments");
        let admin = secret || (changes && programs);
        assert_eq!(read == 403, changes || admin, "{method} {path} answers {read} to a token that may read");
        if admin {
            let write = status(&server, &method, &path, Some(server.token(Permission::Write))).await;
            assert_eq!(write, 403, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_document_is_served_and_is_the_one_that_was_agreed() {
    let server = Server::start().await;
    let served = server.send(Request::builder().uri("/openapi.json").body(Body::empty()).unwrap()).await;
    let served: Value = served.json();
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"), "{}", served["openapi"]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi.json");
    let text = serde_json::to_string_pretty(&served).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let agreed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        agreed == text,
        "the API changed; if that is meant, run this test with UPDATE=1 and commit openapi.json"
    );
}
