//! Wrong and hostile requests: each is refused with a problem, holds no secret, and leaves the server as it was.

use axum::body::Body;
use axum::http::Request;
use sluice_domain::Permission;

use crate::harness::{FLOW, Server, apply};

#[tokio::test]
async fn only_a_whole_and_valid_token_opens_anything() {
    let server = Server::start().await;
    let good = server.token(Permission::Read).to_owned();
    let (changed, longer) = (format!("{}!", &good[..good.len() - 1]), format!("{good}a"));
    let mut bodies = Vec::new();
    let cases: [&[&str]; 8] = [
        &[],
        &["Bearer"],
        &["Bearer "],
        &["Basic dTpw"],
        &[&format!("Bearer {changed}")],
        &[&format!("Bearer {longer}")],
        &[&format!("Bearer {}", &good[..12])],
        &[&format!("Bearer {good}"), &format!("Bearer {good}")],
    ];
    for values in cases {
        for path in [
            "/api/v1/flows",
            "/nothing",
            "//flows",
            "/api/v1/Flows",
            "/api/v1/flows/",
            "/healthz/../api/v1/flows",
        ] {
            let mut request = Request::builder().uri(path);
            for value in values {
                request = request.header("authorization", *value);
            }
            let answer = server.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 401, "{values:?} {path}");
            assert!(
                answer.is_problem() && answer.headers.contains_key("www-authenticate"),
                "{}",
                answer.text
            );
            assert!(!answer.text.contains(&good), "{}", answer.text);
            bodies.push(answer.json()["detail"].clone());
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "an answer tells tokens apart: {bodies:?}");
}

#[tokio::test]
async fn wrong_requests_are_refused_with_a_problem() {
    let server = Server::start().await;
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    let deeper = "[".repeat(100_000);
    let large = apply(&"x".repeat(9 << 20));
    let medium = format!(r#"{{"body": "{}"}}"#, "x".repeat(2 << 20));
    let huge = r#"{"files":[],"params":{"x":123456789012345678901234567890}}"#;
    let dead = "/api/v1/dead-letters/dead_00000000000000000000000000";
    let cases: &[(&str, &str, Option<&str>, u16)] = &[
        ("GET", "/api/v1/nothing", None, 404),
        ("GET", "/api/v1/flows/NoSuch", None, 400),
        ("GET", "/api/v1/flows/no-such", None, 404),
        ("GET", "/api/v1/flows/..%2f..%2fetc%2fpasswd", None, 400),
        ("GET", "/api/v1/flows/%252e%252e%252f", None, 400),
        ("GET", "/api/v1/flows/a%00b", None, 400),
        ("GET", "/api/v1/flows/%ff", None, 400),
        ("GET", "/api/v1/instances/..%5c", None, 400),
        ("GET", "/api/v1/templates/%2fetc", None, 400),
        ("GET", "/api/v1/executions/exec_x", None, 400),
        ("GET", "/api/v1/executions/exec_00000000000000000000000000", None, 404),
        ("GET", "/api/v1/executions?limit=-1", None, 400),
        ("GET", "/api/v1/executions?limit=0", None, 400),
        ("GET", "/api/v1/flows?limit=1000000000", None, 400),
        ("GET", "/api/v1/flows?sort=name;drop", None, 400),
        ("GET", "/api/v1/executions?cursor=%00%ff", None, 400),
        ("GET", "/api/v1/executions?flow='%20or%201=1", None, 400),
        ("GET", "/api/v1/dead-letters?state=nope", None, 400),
        ("GET", "/api/v1/flows/no-such/logs?tail=4294967295", None, 400),
        ("POST", "/api/v1/apply", Some("{"), 400),
        ("POST", "/api/v1/apply", Some("[]"), 422),
        ("POST", "/api/v1/apply", Some("null"), 422),
        ("POST", "/api/v1/apply", Some(r#"{"files":[],"tenant":"x"}"#), 422),
        ("POST", "/api/v1/apply", Some(r#"{"files":[{"name":1,"text":""}]}"#), 422),
        ("POST", "/api/v1/apply", Some(r#"{"files":[],"files":[]}"#), 400),
        ("POST", "/api/v1/apply", Some(huge), 400),
        ("POST", "/api/v1/apply", Some("\u{feff}{}"), 400),
        ("POST", "/api/v1/apply", Some(r#"{"name":"\ud800"}"#), 400),
        ("POST", "/api/v1/apply", Some(&deep), 400),
        ("POST", "/api/v1/apply", Some(&deeper), 400),
        ("POST", "/api/v1/apply", Some(&large), 413),
        ("PATCH", dead, Some(&medium), 413),
        ("PATCH", dead, Some("{}"), 422),
        ("PATCH", dead, Some(r#"{"body":1}"#), 404),
        ("POST", "/api/v1/connectors", Some(r#"{"image":"../../etc"}"#), 422),
        ("POST", "/api/v1/flows/no-such/trigger", Some("{}"), 404),
        ("POST", "/api/v1/flows/no-such/trigger", None, 404),
        ("POST", "/api/v1/flows/no-such/trigger", Some(r#"{"step":"A B"}"#), 422),
        ("POST", "/api/v1/tokens", Some(r#"{"name":"x","permissions":["root"]}"#), 422),
        ("POST", "/api/v1/tokens", Some(r#"{"name":"x","permissions":["read"],"hash":"00"}"#), 422),
        ("DELETE", "/api/v1/tokens/tok_00000000000000000000000000", None, 404),
        ("POST", "/api/v1/mappings/evaluate", Some(r#"{"input":1}"#), 422),
        ("POST", "/api/v1/mappings/evaluate", Some(r#"{"jsonata":"(","input":1}"#), 400),
        ("PUT", "/api/v1/flows", Some("{}"), 405),
        ("TRACE", "/api/v1/flows", None, 405),
        ("OPTIONS", "/api/v1/flows", None, 405),
    ];
    for (method, path, body, expect) in cases {
        let answer = server.call(method, path, *body).await;
        let shown: String = answer.text.chars().take(300).collect();
        assert_eq!(answer.status, *expect, "{method} {path}: {shown}");
        assert!(answer.is_problem(), "{method} {path}: {shown}");
        assert!(answer.headers["x-content-type-options"] == "nosniff", "{method} {path}");
    }
    assert_eq!(server.call("GET", "/api/v1/flows", None).await.status, 200);
}

#[tokio::test]
async fn bodies_must_be_plain_json() {
    let server = Server::start().await;
    let body = apply(FLOW);
    for (header, value) in [("content-encoding", "gzip"), ("content-encoding", "br")] {
        let answer = server.call_with("POST", "/api/v1/validate", Some(&body), &[(header, value)]).await;
        assert_eq!(answer.status, 415, "{header}: {value}: {}", answer.text);
    }
    let authorization = format!("Bearer {}", server.token(Permission::Admin));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let request = Request::builder().method("POST").uri("/api/v1/validate").header("content-type", kind);
        let request = request.header("authorization", &authorization).body(Body::from(body.clone())).unwrap();
        assert_eq!(server.send(request).await.status, 415, "{kind}");
    }
}

#[tokio::test]
async fn a_stream_without_length_is_cut_at_the_bound() {
    let server = Server::start().await;
    let chunk = axum::body::Bytes::from(vec![b' '; 64 * 1024]);
    let endless = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
    let authorization = format!("Bearer {}", server.token(Permission::Admin));
    let request =
        Request::builder().method("POST").uri("/api/v1/apply").header("content-type", "application/json");
    let request = request.header("authorization", authorization).body(Body::from_stream(endless)).unwrap();
    let answer = server.send(request).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert!(answer.is_problem());
}

#[tokio::test]
async fn other_sites_get_no_leave_to_read() {
    let server = Server::start().await;
    for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example"] {
        let answer = server.call_with("GET", "/api/v1/flows", None, &[("origin", origin)]).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
    }
}
