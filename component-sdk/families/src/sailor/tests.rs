//! What a process of elastic.io's library is given, and what it says.

use std::time::Duration;

use serde_json::Map;
use serde_json::value::RawValue;

use super::*;
use crate::cipher::IV_BYTES;
use crate::message::PASSTHROUGH;

fn place() -> Place {
    Place {
        broker: "amqp://a:b@127.0.0.1:1/".to_owned(),
        api: "http://127.0.0.1:2".to_owned(),
        access: ("user".to_owned(), "key".to_owned()),
        cipher: ("password".to_owned(), "0123456789abcdef".to_owned()),
    }
}

fn step() -> Step {
    Step {
        flow: "flow_1".to_owned(),
        step: "split".to_owned(),
        container: "c1".to_owned(),
        component: "splitter".to_owned(),
        function: "splitOn".to_owned(),
        prefetch: 3,
        passthrough: true,
        startup: false,
    }
}

fn publication(key: &str, headers: Value, body: &[u8]) -> Publication {
    let Value::Object(headers) = headers else { panic!("no object") };
    Publication {
        exchange: "outputs".to_owned(),
        routing_key: key.to_owned(),
        headers,
        expiration: Some(Duration::from_millis(600)),
        body: body.to_vec(),
    }
}

#[test]
fn nothing_is_missing_without_which_a_process_would_not_start() {
    let required = "FLOW_ID EXEC_ID STEP_ID CONTAINER_ID WORKSPACE_ID USER_ID COMP_ID FUNCTION API_URI API_USERNAME API_KEY \
                    AMQP_URI LISTEN_MESSAGES_ON PUBLISH_MESSAGES_TO DATA_ROUTING_KEY ERROR_ROUTING_KEY REBOUND_ROUTING_KEY \
                    SNAPSHOT_ROUTING_KEY MESSAGE_CRYPTO_PASSWORD MESSAGE_CRYPTO_IV TASK_ID";
    let environment = Sailor::new(None).environment(&place(), &step());
    for name in required.split(' ') {
        assert!(environment.contains_key(&format!("ELASTICIO_{name}")), "{name}");
    }
    assert_eq!(environment["ELASTICIO_MESSAGE_CRYPTO_IV"].len(), IV_BYTES);
}

#[test]
fn an_errand_is_done_by_the_file_beside() {
    let command: Vec<String> = ["/usr/bin/node", "--x", "./a/run.js"].map(str::to_owned).to_vec();
    let config = json!({ "a": 1 });
    let launch = |version: &str, errand: Errand<'_>| {
        Sailor::new(Some(&version.parse().unwrap())).launch(&place(), &step(), errand, (&config, &command))
    };
    let asked = launch("1.3.0", Errand::Options { function: "f", method: "m" }).unwrap();
    assert_eq!(asked.command, ["/usr/bin/node", "--x", "./a/runService.js", "selectModel"]);
    let environment = &asked.environment;
    assert_eq!(environment["ELASTICIO_POST_RESULT_URL"], "http://user:key@127.0.0.1:2/results");
    assert_eq!(environment["ELASTICIO_CFG"], r#"{"a":1}"#);
    assert_eq!(
        (&*environment["ELASTICIO_ACTION_OR_TRIGGER"], &*environment["ELASTICIO_GET_MODEL_METHOD"]),
        ("f", "m")
    );
    let ended = launch("2.7.8", Errand::Shutdown).unwrap();
    assert_eq!((&ended.command, &*ended.environment["ELASTICIO_HOOK_SHUTDOWN"]), (&command, "true"));
    assert_eq!(launch("1.3.0", Errand::Shutdown), None);
}

#[test]
fn no_flag_is_set_that_is_not_wanted() {
    let mut step = step();
    step.passthrough = false;
    let environment = Sailor::new(None).environment(&place(), &step);
    // The mere presence of these means yes to some.
    for flag in ["STARTUP_REQUIRED", "HOOK_SHUTDOWN", "NO_SELF_PASSTRHOUGH", "EMIT_LIGHTWEIGHT_MESSAGE"] {
        assert!(!environment.contains_key(&format!("ELASTICIO_{flag}")), "{flag}");
    }
    assert_eq!(environment["ELASTICIO_TASK_ID"], environment["ELASTICIO_FLOW_ID"]);
    assert!(environment.values().all(|value| !value.is_empty()));
}

#[test]
fn an_input_is_encrypted_in_the_words_of_its_version() {
    let headers = json!({ ID: "m0", PASSTHROUGH: { "first": { "body": 1 } }, SENDER: "first" });
    let body = RawValue::from_string("[1.1]".to_owned()).unwrap();
    let input = Input {
        delivery: "d1",
        thread: "t1",
        attempt: 3,
        body: Some(&body),
        headers: headers.as_object().unwrap(),
        config: &Value::Null,
    };
    for (version, raw) in [("1.3.0", false), ("2.6.4", false), ("2.7.8", true)] {
        let sailor = Sailor::new(Some(&version.parse().unwrap()));
        let message = sailor.encode(&place(), &step(), &input).unwrap();
        let cipher = Cipher::of(&place());
        let plain = if raw { cipher.open(&message.body) } else { cipher.open_text(&message.body) }.unwrap();
        let plain: Value = serde_json::from_slice(&plain).unwrap();
        assert_eq!(plain["body"].to_string(), "[1.1]");
        assert_eq!((&plain["id"], &plain["passthrough"]["first"]["body"]), (&json!("m0"), &json!(1)));
        let wanted = [
            ("messageId", json!("d1")),
            ("threadId", json!("t1")),
            ("stepId", json!("first")),
            ("reboundIteration", json!(2)),
        ];
        for (name, value) in wanted {
            assert_eq!(message.headers[name], value, "{name}");
        }
    }
}

#[test]
fn what_a_process_says_is_understood() {
    let (sailor, cipher) = (Sailor::new(None), Cipher::of(&place()));
    let decode = |publication: Publication| sailor.decode(&place(), &publication);
    let plain = br#"{"body":{"a":1},"headers":{},"passthrough":{"x":{}},"id":"m1"}"#;
    let of = json!({ "parentMessageId": "d1", "stepId": "split", "protocolVersion": 2 });
    let event = decode(publication("data", of, &cipher.seal(plain))).unwrap();
    let headers = json!({ PASSTHROUGH: { "x": {} }, ID: "m1", SENDER: "split" });
    let data = EventKind::Data { body: json!({ "a": 1 }), headers: headers.as_object().unwrap().clone() };
    assert_eq!(event, Event { delivery: Some("d1".to_owned()), kind: data });
    let old = decode(publication("data", json!({}), cipher.seal_text(br#"{"body":7}"#).as_bytes())).unwrap();
    assert_eq!(old.kind, EventKind::Data { body: json!(7), headers: Map::new() });
    let error =
        json!({ "error": cipher.seal_text(br#"{"name":"TypeError","message":"no","stack":"secret"}"#) });
    let event =
        decode(publication("error", json!({ "parentMessageId": "d1" }), error.to_string().as_bytes()))
            .unwrap();
    let failure = Failure { name: "TypeError".to_owned(), message: "no".to_owned(), code: None };
    assert_eq!(event.kind, EventKind::Failed(failure));
    let event =
        decode(publication("rebound", json!({ "messageId": "d1", "reboundReason": "busy" }), b"?")).unwrap();
    assert_eq!(event.delivery.as_deref(), Some("d1"));
    assert_eq!(
        event.kind,
        EventKind::Rebound { after: Duration::from_millis(600), reason: "busy".to_owned() }
    );
    let event =
        decode(publication("snapshot", json!({ "snapshotEvent": "updateSnapshot" }), br#"{"a":1}"#)).unwrap();
    assert_eq!(event.kind, EventKind::Snapshot { value: json!({ "a": 1 }), merge: true });
    assert_eq!(decode(publication("data", json!({}), b"x")), Err(WireError::Cipher(crate::CipherError)));
    assert_eq!(
        decode(publication("elsewhere", json!({}), b"x")),
        Err(WireError::Key("elsewhere".to_owned()))
    );
}

#[test]
fn requests_to_the_platform_are_known_by_their_path() {
    let sailor = Sailor::new(None);
    assert_eq!(sailor.route("GET", "/v1/tasks/f/steps/s"), Some(Route::Step));
    assert_eq!(sailor.route("POST", "/objects/"), Some(Route::NewObject));
    assert_eq!(sailor.route("GET", "/objects/a1?x=y"), Some(Route::Object("a1".to_owned())));
    assert_eq!(sailor.route("PATCH", "/v1/tasks/f/steps/s"), None);
}
