//! Connectors that log in: how often, what is kept from whom, and what a refusal means.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use serde_json::{Value, json};
use sluice_sdk::testing::Harness;

use super::server::{Asked, Reply, Server, ok, status};
use super::{action, bodies, harness, over, run};

const PASSWORD: &str = "sesame-open";

/// A call of an API that wants a login. `extra` is laid over `auth.session`.
fn config(server: &Server, extra: Value) -> Value {
    let login = json!({
        "path": "/login", "query": { "v": "$.vars.v" },
        "body": { "value": { "user": "$.secrets.user", "password": "$.secrets.password" } },
    });
    let session = over(json!({ "login": login, "token": "$.response.body.token" }), extra);
    let auth = json!({ "type": "session", "secrets": ["user", "password"], "session": session });
    over(action(server, json!({})), json!({ "auth": auth }))
}

fn with_secrets() -> Harness {
    harness().settings(json!({ "v": 2 })).secrets(json!({ "user": "ann", "password": PASSWORD }))
}

/// Logs in with tokens `token-1`, `token-2` and so on, and takes those that are not below `floor`.
fn api(floor: Arc<AtomicUsize>) -> impl Fn(&Asked) -> Reply {
    let logins = AtomicUsize::new(0);
    move |asked| {
        if asked.path == "/login" {
            let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
            return ok(json!({ "token": format!("token-{number}"), "expires_in": 3600 }));
        }
        let token = asked.headers.get("authorization").and_then(|it| it.strip_prefix("Bearer token-"));
        match token.and_then(|number| number.parse::<usize>().ok()) {
            Some(number) if number >= floor.load(Ordering::SeqCst) => ok(json!({ "number": number })),
            _ => status(401, json!({ "why": asked.headers.get("authorization") })),
        }
    }
}

fn logins(server: &Server) -> usize {
    server.asked().iter().filter(|one| one.path == "/login").count()
}

#[tokio::test]
async fn many_runs_share_one_login() {
    let server = Server::start(api(Arc::default())).await;
    let (harness, config) =
        (with_secrets(), config(&server, json!({ "expires_in": "$.response.body.expires_in" })));
    let runs = (0..8).map(|_| harness.action("call", config.clone(), json!({})));
    for outputs in join_all(runs).await {
        assert_eq!(bodies(&outputs.unwrap()), [json!({ "number": 1 })]);
    }
    assert_eq!((logins(&server), server.asked().len()), (1, 9));
    let login = &server.asked()[0];
    assert_eq!((login.method.as_str(), login.query.as_str()), ("POST", "v=2"));
    assert_eq!(login.body, r#"{"user":"ann","password":"sesame-open"}"#);
}

#[tokio::test]
async fn a_refused_token_leads_to_one_more_login_for_all() {
    let floor = Arc::new(AtomicUsize::new(0));
    let server = Server::start(api(Arc::clone(&floor))).await;
    let (harness, config) = (with_secrets(), config(&server, json!({})));
    harness.action("call", config.clone(), json!({})).await.unwrap();
    floor.store(2, Ordering::SeqCst);
    let runs = (0..6).map(|_| harness.action("call", config.clone(), json!({})));
    for outputs in join_all(runs).await {
        assert_eq!(bodies(&outputs.unwrap()), [json!({ "number": 2 })]);
    }
    assert_eq!(logins(&server), 2);
    floor.store(99, Ordering::SeqCst);
    let error = harness.action("call", config, json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable, logins(&server)), ("unauthorized", false, 3));
    assert!(error.message.contains("Bearer ***") && !error.message.contains("token-"), "{}", error.message);
}

#[tokio::test]
async fn a_token_that_ends_soon_is_replaced_before() {
    let server = Server::start(api(Arc::default())).await;
    let harness = with_secrets();
    for (lifetime, expect) in
        [(json!({ "expires_in": 3600 }), 1), (json!({ "expires_at": "= '2020-01-01T00:00:00Z'" }), 3)]
    {
        let config = over(config(&server, lifetime), json!({ "connector": format!("api@{expect}.0.0") }));
        let before = logins(&server);
        for _ in 0..3 {
            harness.action("call", config.clone(), json!({})).await.unwrap();
        }
        assert_eq!(logins(&server) - before, expect);
    }
}

#[tokio::test]
async fn a_token_goes_where_the_file_says() {
    for (place, header, expect, query) in [
        (json!({}), "authorization", Some("Bearer t0ken"), ""),
        (json!({ "name": "X-Session" }), "x-session", Some("t0ken"), ""),
        (json!({ "prefix": "Token " }), "authorization", Some("Token t0ken"), ""),
        (json!({ "in": "cookie", "name": "sid" }), "cookie", Some("sid=t0ken"), ""),
        (json!({ "in": "query", "name": "sid" }), "authorization", None, "sid=t0ken"),
    ] {
        let server = Server::always(ok(json!({ "token": "t0ken" }))).await;
        with_secrets().action("call", config(&server, place), json!({})).await.unwrap();
        let asked = server.last();
        assert_eq!(asked.headers.get(header).map(String::as_str), expect);
        assert_eq!(asked.query, query);
    }
}

#[tokio::test]
async fn a_refused_login_is_for_good_and_others_are_not() {
    let echo = json!({ "why": format!("{PASSWORD} is wrong") });
    for (answer, code, retryable) in [
        (status(400, echo.clone()), "login_refused", false),
        (status(401, echo.clone()), "login_refused", false),
        (status(403, echo.clone()), "login_refused", false),
        (status(404, echo.clone()), "login_failed", true),
        (status(503, echo.clone()).header("retry-after", "7"), "login_failed", true),
        (ok(json!({ "other": "granted-42" })), "bad_login", false),
    ] {
        let server = Server::always(answer).await;
        // What the answers say of limits is another matter.
        let patient = json!({ "http": { "rate_limit": { "learn": false } } });
        let (harness, config) = (with_secrets(), over(config(&server, json!({})), patient));
        let error = harness.action("call", config.clone(), json!({})).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), (code, retryable));
        assert_eq!(error.retry_after, error.message.contains("503").then_some(7));
        assert!(error.message.starts_with("POST 127.0.0.1/login: "), "{}", error.message);
        assert!(!error.message.contains(PASSWORD) && !error.message.contains("granted"), "{}", error.message);
        let again = harness.action("call", config, json!({})).await.unwrap_err();
        assert_eq!(again.code, error.code);
        let expect = if code == "login_refused" { 1 } else { 2 };
        assert_eq!(logins(&server), expect, "a refused login rests: {code}");
    }
    let server = Server::always(ok(json!({}))).await;
    let elsewhere = json!({ "login": { "path": null, "url": format!("{}/login", server.other_url()) } });
    let error = with_secrets().action("call", config(&server, elsewhere), json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.asked().len()), ("host_refused", 0));
}

#[tokio::test]
async fn neither_token_nor_secrets_are_in_the_raw_exchange() {
    let server = Server::start(api(Arc::default())).await;
    server.answer(|asked| match asked.path.as_str() {
        "/login" => {
            ok(json!({ "token": "token-secret", "refresh": "other-grant" })).header("x-new", "token-secret")
        }
        _ => ok(json!({ "echo": asked.headers.get("x-session") })),
    });
    let harness = with_secrets().trace();
    let outputs =
        harness.action("call", config(&server, json!({ "name": "X-Session" })), json!({})).await.unwrap();
    let [login, exchange, result] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(result.body.get(), r#"{"echo":"token-secret"}"#);
    for told in [login, exchange] {
        assert_eq!(told.port.as_str(), "exchange");
        let told = told.body.get();
        assert!(!told.contains("secret") && !told.contains("sesame") && !told.contains("grant"), "{told}");
    }
    let told: Value = serde_json::from_str(login.body.get()).unwrap();
    assert_eq!(
        (&told["response"]["status"], &told["response"]["headers"]["x-new"]),
        (&json!(200), &json!("***"))
    );
    assert_eq!((&told["request"]["body"], &told["response"]["body"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_session_that_begins_with_a_cookie_and_a_redirect_works() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let server = Server::start(move |asked| {
        kept.lock().unwrap().push(asked.path.clone());
        match asked.path.as_str() {
            "/login" => {
                status(302, json!({})).header("location", "/home").header("set-cookie", "sid=abc-1; Path=/")
            }
            _ => ok(json!(asked.headers.get("cookie"))),
        }
    })
    .await;
    let session = json!({
        "token": "= $match(response.headers.`set-cookie`, /sid=([^;]+)/).groups[0]", "in": "cookie", "name": "sid"
    });
    let outputs = with_secrets().action("call", config(&server, session), json!({})).await.unwrap();
    assert_eq!(bodies(&outputs), [json!("sid=abc-1")]);
    assert_eq!(*seen.lock().unwrap(), ["/login", "/x"], "the redirect is not followed");
}

#[tokio::test]
async fn a_missing_secret_is_no_request() {
    let server = Server::always(ok(json!({}))).await;
    let extra = json!({ "login": { "headers": { "X-Key": "= $error('no key')" } } });
    let error = run(config(&server, extra), json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.asked().len()), ("expression_failed", 0));
}
