//! Wrong input at every surface: each answer is a refusal that says what is wrong, and the next good request works.

use anyhow::Result;
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use serde_json::{Value, json};
use sluice_tests::{World, eventually};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_refused_with_a_problem() -> Result<()> {
    let world = World::start("surfaces", &["timer", "log"]).await?;
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let large = json!({ "files": [{ "name": "x", "text": "x".repeat(9 << 20) }] }).to_string();
    let cases: &[(&str, &str, Option<&str>, u16)] = &[
        ("GET", "/api/v1/nothing", None, 404),
        ("GET", "/api/v1/flows/NoSuch", None, 400),
        ("GET", "/api/v1/flows/no-such", None, 404),
        ("GET", "/api/v1/flows/..%2f..%2fetc%2fpasswd", None, 400),
        ("GET", "/api/v1/executions/exec_x", None, 400),
        ("GET", "/api/v1/executions/exec_00000000000000000000000000", None, 404),
        ("GET", "/api/v1/executions?limit=-1", None, 400),
        ("GET", "/api/v1/executions?cursor=%00%ff", None, 400),
        ("GET", "/api/v1/dead-letters?state=nope", None, 400),
        ("POST", "/api/v1/apply", Some("{"), 400),
        ("POST", "/api/v1/apply", Some("[]"), 422),
        ("POST", "/api/v1/apply", Some(r#"{"files":[],"tenant":"x"}"#), 422),
        ("POST", "/api/v1/apply", Some(&deep), 400),
        ("POST", "/api/v1/apply", Some(&large), 413),
        ("POST", "/api/v1/connectors", Some(r#"{"image":"../../etc"}"#), 422),
        ("POST", "/api/v1/flows/no-such/trigger", Some("{}"), 404),
        ("POST", "/api/v1/tokens", Some(r#"{"name":"x","permissions":["root"]}"#), 422),
        ("DELETE", "/api/v1/tokens/tok_00000000000000000000000000", None, 404),
        ("PUT", "/api/v1/flows", Some("{}"), 405),
    ];
    for (method, path, body, expect) in cases {
        let (status, answer) = world.api.raw(method, path, body.map(str::to_owned)).await?;
        assert_eq!(status, *expect, "{method} {path}: {answer}");
        assert!(
            answer["code"].is_string() && answer["title"].is_string(),
            "{method} {path} is no problem: {answer}"
        );
    }
    // An image that is not here is asked for at its registry, which may be away.
    let (status, _) = world
        .api
        .raw("POST", "/api/v1/connectors", Some(r#"{"image":"sluice/nothing:0"}"#.to_owned()))
        .await?;
    assert!(status == 404 || status == 503, "{status}");
    for token in ["", "wrong", "sluice_api_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let (status, _) =
            sluice_tests::Api::new(world.api.base(), token)?.raw("GET", "/api/v1/flows", None).await?;
        assert_eq!(status, 401, "token `{token}`");
    }
    assert!(world.api.get("/api/v1/flows").await?["items"].is_array());
    let log = std::fs::read_to_string(world.data().join("log"))?;
    assert!(!log.contains("panicked"), "{log}");
    world.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_hostile_component_become_dead_letters_or_nothing() -> Result<()> {
    let world = World::start("hostile", &["timer", "log"]).await?;
    let text = "sluice: 1\nkind: template\nname: tick\nversion: 1.0.0\nsteps:\n  - { id: tick, use: timer/tick, schedule: { every: 1s } }\n  - { id: note, use: log/write }\n";
    world.api.apply(text, json!({})).await?;
    world.running("tick").await?;
    let deployments = world.api.get("/api/v1/deployments").await?;
    let id = deployments["items"][0]["id"].as_str().unwrap_or_default().to_owned();
    let exchange = format!("v1.x.{id}");
    let amqp = world.broker.connect().await?;
    let deep = format!(r#"{{"input":{}}}"#, "[".repeat(5000));
    let foreign = r#"{"input":"msg_00000000000000000000000000","step":"flow_00000000000000000000000000/1/x","status":"ok","outputs":[{"body":1}]}"#;
    let payloads: [(&str, &[u8]); 6] = [
        ("", b"not json\n"),
        ("", b"\xff\xfe\n"),
        ("", deep.as_bytes()),
        ("zstd", b"no zstd"),
        ("gzip", b"what"),
        ("", foreign.as_bytes()),
    ];
    for (encoding, payload) in payloads {
        let mut properties = BasicProperties::default().with_delivery_mode(2);
        if !encoding.is_empty() {
            properties = properties.with_content_encoding(encoding.into());
        }
        let options = BasicPublishOptions::default();
        amqp.channel
            .basic_publish(exchange.as_str().into(), "00".into(), options, payload, properties)
            .await?
            .await?;
    }
    // Five are kept as malformed; the one that speaks for a flow that does not exist is ignored.
    let letters = eventually("five dead letters", Duration::from_secs(120), || async {
        let letters = world.api.get("/api/v1/dead-letters").await?;
        let items = letters["items"].as_array().cloned().unwrap_or_default();
        Ok((items.len() == 5).then_some(items))
    })
    .await?;
    assert!(letters.iter().all(|letter: &Value| letter["reason"] == "malformed"), "{letters:?}");
    let before = world.api.counters("tick", "note").await?["succeeded"].as_u64();
    eventually("the flow to go on", Duration::from_secs(120), || async {
        Ok((world.api.counters("tick", "note").await?["succeeded"].as_u64() > before).then_some(()))
    })
    .await?;
    world.stop().await
}
