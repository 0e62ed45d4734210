//! Requests and verdicts.

use secrecy::SecretString;
use serde_json::{Value, json};
use sluice_mapping::{Evaluator, Limits};
use sluice_webhook::{Refusal, Request};

use super::{Case, Verdict, judge};
use crate::hooks::Hook;
use crate::ingress::HookError;

fn hook(webhook: Value) -> Hook {
    let mut whole = json!({ "title": "T", "kind": "webhook", "signature": { "preset": "none" } });
    for (name, value) in webhook.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let call = json!({ "connector": "shop@1.0.0", "webhook": whole, "config": { "kind": "paid" } });
    Hook::read(&call).unwrap()
}

fn post(body: &str) -> Request {
    Request {
        method: "POST".to_owned(),
        query: "a=1&b=2&b=3".to_owned(),
        headers: vec![
            ("Content-Type".to_owned(), b"application/json".to_vec()),
            ("X-Event".to_owned(), b"paid".to_vec()),
            ("X-Id".to_owned(), b"d-1".to_vec()),
        ],
        body: body.to_owned().into(),
    }
}

fn judged(webhook: Value, request: &Request) -> Result<Verdict, HookError> {
    let secrets = [SecretString::from("s3cret".to_owned())];
    let (hook, vars) = (hook(webhook), json!({ "shop": "eu" }));
    let mut evaluator = Evaluator::new(Limits::default());
    judge(&mut evaluator, Case { hook: &hook, request, vars, secrets: &secrets, now: 0 })
}

fn message(webhook: Value, request: &Request) -> (Option<String>, Value, Value) {
    match judged(webhook, request).unwrap() {
        Verdict::Message { delivery, body, headers } => (delivery, body, Value::Object(headers)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_anything_else_the_body_is_the_message() {
    let (delivery, body, headers) = message(json!({}), &post(r#"{"n":9007199254740993}"#));
    assert_eq!((delivery, body), (None, json!({ "n": 9_007_199_254_740_993_u64 })));
    assert_eq!(headers, json!({ "method": "POST", "query": { "a": "1", "b": ["2", "3"] } }));
}

#[test]
fn a_message_is_shaped_from_the_request_the_settings_and_the_config() {
    let webhook = json!({
        "body": { "event": "= request.headers.`x-event`", "shop": "$.vars.shop", "kind": "$.config.kind",
            "n": "$.request.body.n", "query": "$.request.query.a" },
        "headers": ["X-Event", "X-None"],
    });
    let (_, body, headers) = message(webhook, &post(r#"{"n":1}"#));
    assert_eq!(body, json!({ "event": "paid", "shop": "eu", "kind": "paid", "n": 1, "query": "1" }));
    assert_eq!(headers["x-event"], "paid");
    assert!(headers.get("x-none").is_none());
}

#[test]
fn what_the_filter_does_not_want_is_no_message() {
    let filter = json!({ "filter": "= request.body.n > 1" });
    assert_eq!(judged(filter.clone(), &post(r#"{"n":1}"#)).unwrap(), Verdict::Filtered);
    assert!(matches!(judged(filter, &post(r#"{"n":2}"#)), Ok(Verdict::Message { .. })));
    let path = json!({ "filter": "$.request.body.live" });
    assert_eq!(judged(path, &post(r#"{"n":1}"#)).unwrap(), Verdict::Filtered);
}

#[test]
fn a_delivery_is_told_by_header_or_body_and_one_without_is_refused() {
    let by_header = json!({ "delivery_id": { "header": "x-id" } });
    assert_eq!(message(by_header.clone(), &post("{}")).0.as_deref(), Some("d-1"));
    let mut without = post("{}");
    without.headers.pop();
    assert!(matches!(judged(by_header, &without), Err(HookError::NoDelivery)));
    let by_value = json!({ "delivery_id": { "value": "$.request.body.id" } });
    assert_eq!(message(by_value.clone(), &post(r#"{"id":7}"#)).0.as_deref(), Some("7"));
    for body in ["{}", r#"{"id":""}"#, r#"{"id":{}}"#] {
        assert!(matches!(judged(by_value.clone(), &post(body)), Err(HookError::NoDelivery)), "{body}");
    }
}

#[test]
fn a_get_that_asks_is_answered_unsigned_and_nothing_else_is() {
    let webhook = json!({
        "signature": { "preset": "github" },
        "challenge": { "when": "= $exists(request.query.challenge)", "body": "$.request.query.challenge" },
    });
    let ask = |method: &str, query: &str| Request {
        method: method.to_owned(),
        query: query.to_owned(),
        ..Request::default()
    };
    let answer = Verdict::Challenge { content_type: "text/plain".to_owned(), body: "x y".to_owned() };
    assert_eq!(judged(webhook.clone(), &ask("GET", "challenge=x%20y")).unwrap(), answer);
    for (method, query) in [("GET", ""), ("POST", "challenge=x")] {
        let refused = judged(webhook.clone(), &ask(method, query));
        assert!(
            matches!(refused, Err(HookError::Refused(Refusal::Missing))),
            "{method} {query}: {refused:?}"
        );
    }
}

#[test]
fn a_signed_question_in_a_body_is_answered() {
    let webhook = json!({
        "signature": { "preset": "token", "header": "X-Token" },
        "challenge": { "when": "= request.body.type = 'url_verification'", "body": "$.request.body.challenge" },
    });
    let mut request = post(r#"{"type":"url_verification","challenge":"3eZb"}"#);
    assert!(matches!(judged(webhook.clone(), &request), Err(HookError::Refused(Refusal::Missing))));
    request.headers.push(("x-token".to_owned(), b"s3cret".to_vec()));
    let answer = Verdict::Challenge { content_type: "text/plain".to_owned(), body: "3eZb".to_owned() };
    assert_eq!(judged(webhook, &request).unwrap(), answer);
}

#[test]
fn a_token_gets_into_no_message() {
    let body = json!({ "all": "$.request" });
    let in_header = json!({ "signature": { "preset": "token", "header": "X-Token" }, "body": body });
    let mut request = post("{}");
    request.headers.push(("X-TOKEN".to_owned(), b"s3cret".to_vec()));
    let (_, body_, headers) = message(in_header, &request);
    assert!(!format!("{body_}{headers}").contains("s3cret"));
    let in_query = json!({ "signature": { "preset": "token", "query": "token" }, "body": body });
    let request = Request { query: "token=s3cret&a=1".to_owned(), ..post("{}") };
    let (_, body_, headers) = message(in_query, &request);
    assert!(!format!("{body_}{headers}").contains("s3cret"), "{body_} {headers}");
}

#[test]
fn a_body_that_is_not_what_it_says_is_refused_after_its_signature() {
    assert!(matches!(judged(json!({}), &post("{")), Err(HookError::Body(_))));
    let signed = json!({ "signature": { "preset": "github" } });
    assert!(matches!(judged(signed, &post("{")), Err(HookError::Refused(_))));
    let as_json = json!({ "format": "json" });
    let mut text = post(r#"{"n":1}"#);
    text.headers[0].1 = b"text/plain".to_vec();
    assert_eq!(message(as_json, &text).1, json!({ "n": 1 }));
}

#[test]
fn an_expression_that_fails_is_an_error() {
    let failing = json!({ "filter": "= $number(request.body.x)" });
    assert!(matches!(judged(failing, &post(r#"{"x":"y"}"#)), Err(HookError::Expression(_))));
}
