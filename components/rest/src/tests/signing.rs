//! Requests that a script signs, as the other side checks them.

use serde_json::{Value, json};
use sluice_script::{Limits, NoHost, Scripts};

use super::server::{Asked, Server, ok, status};
use super::{action, bodies, harness, over};

const SIGN: &str = "(request, secrets, cx) => {
    const text = [request.method, request.path, request.query.q, request.headers.host, request.body].join('\\n');
    return {
        headers: { 'X-Id': secrets.id, 'X-Signature': crypto.hmac('sha256', secrets.key, text) },
        query: { tenant: cx.vars.tenant },
    };
}";

fn signed(server: &Server, code: &str) -> Value {
    let request =
        json!({ "method": "POST", "path": "/v1/x", "query": { "q": "1" }, "body": { "value": "$.input" } });
    over(
        action(server, json!({ "request": request })),
        json!({ "auth": { "type": "script", "script": "sign", "secrets": ["id", "key"] }, "scripts": { "sign": code } }),
    )
}

fn secrets() -> Value {
    json!({ "id": "ident-42", "key": "sesame open" })
}

/// What the signature of a request should be.
fn expected(asked: &Asked) -> Value {
    let text = format!(
        "{}\n{}\n{}\n{}\n{}",
        asked.method,
        asked.path,
        asked.param("q").unwrap_or_default(),
        asked.headers["host"],
        asked.body
    );
    let code = "(key, text) => crypto.hmac('sha256', key, text)".to_owned();
    let scripts = Scripts::compile(&[("hmac".to_owned(), code)].into(), Limits::default()).unwrap();
    scripts.call("hmac", vec![json!("sesame open"), json!(text)], std::sync::Arc::new(NoHost)).unwrap()
}

#[tokio::test]
async fn the_server_finds_the_signature_right() {
    let server = Server::start(|asked| {
        let right = asked.headers.get("x-signature").map(String::as_str) == expected(asked).as_str();
        if right && asked.headers["x-id"] == "ident-42" { ok(json!("in")) } else { status(403, json!("out")) }
    })
    .await;
    let harness = harness().settings(json!({ "tenant": "acme" })).secrets(secrets());
    let outputs = harness.action("call", signed(&server, SIGN), json!({ "a": "ü" })).await.unwrap();
    assert_eq!(bodies(&outputs), [json!("in")]);
    assert_eq!(server.last().query, "q=1&tenant=acme");
    let other = SIGN.replace("request.path", "'/'");
    let error = harness.action("call", signed(&server, &other), json!({})).await.unwrap_err();
    assert_eq!(error.code, "http_403");
}

#[tokio::test]
async fn secrets_and_signatures_are_in_no_error_and_no_trace() {
    let server = Server::start(|asked| status(403, json!({ "you": asked.headers["x-signature"] }))).await;
    let harness = harness().settings(json!({ "tenant": "acme" })).secrets(secrets()).trace();
    let error = harness.action("call", signed(&server, SIGN), json!({})).await.unwrap_err();
    let signature = server.last().headers["x-signature"].clone();
    assert!(error.message.contains("***") && !error.message.contains(&signature), "{}", error.message);
    server.answer(|_| ok(json!({})));
    let outputs = harness.action("call", signed(&server, SIGN), json!({})).await.unwrap();
    let told = outputs[0].body.get();
    assert!(told.contains("x-signature"), "{told}");
    assert!(!told.contains("sesame") && !told.contains("ident-42"), "{told}");
    assert!(!told.contains(&server.last().headers["x-signature"]), "{told}");
    for thrown in
        ["secrets.key", "url.encode(secrets.key)", "base64.encode(secrets.key)", "hex.encode(secrets.key)"]
    {
        let code = format!("(request, secrets) => {{ throw new Error('no: ' + {thrown}); }}");
        let error = harness.action("call", signed(&server, &code), json!({})).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), ("script_failed", false));
        assert_eq!(error.message, "script `sign`, line 1: no: ***", "{thrown}");
    }
}

#[tokio::test]
async fn another_host_sees_no_signature() {
    let other = Server::always(ok(json!("there"))).await;
    let to = format!("{}/there", other.other_url());
    let server = Server::always(status(307, json!({})).header("location", to)).await;
    let config = over(signed(&server, SIGN), json!({ "http": { "allowed_hosts": ["localhost"] } }));
    let harness = harness().settings(json!({})).secrets(secrets());
    harness.action("call", config, json!({})).await.unwrap();
    assert!(server.last().headers.contains_key("x-signature"));
    assert!(!other.last().headers.contains_key("x-signature"));
}

#[tokio::test]
async fn what_is_no_signature_sends_nothing() {
    let server = Server::always(ok(json!({}))).await;
    let harness = harness().settings(json!({})).secrets(secrets());
    for (code, text) in [
        ("() => 1", "no object"),
        ("() => ({ headers: [] })", "that are no object"),
        ("() => ({ body: 'x' })", "more than"),
        ("() => ({ headers: { Host: 'x' } })", "a header that cannot be set"),
        ("() => ({ headers: { 'a b': 'x' } })", "a header that cannot be set"),
        ("() => ({ query: { a: [1] } })", "no text"),
    ] {
        let error = harness.action("call", signed(&server, code), json!({})).await.unwrap_err();
        assert_eq!(error.code, "script_failed", "{code}");
        assert!(error.message.contains(text), "{code}: {}", error.message);
    }
    let error = harness
        .action("call", signed(&server, "() => ({ headers: { a: 'x\\r\\ny: z' } })"), json!({}))
        .await
        .unwrap_err();
    assert_eq!(error.code, "bad_secrets");
    assert!(server.asked().is_empty());
}
