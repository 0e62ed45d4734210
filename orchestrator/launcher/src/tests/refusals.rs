//! What is refused, and that nothing of it reaches the container engine.

use std::collections::BTreeSet;

use secrecy::SecretString;
use sluice_domain::{Cpus, Limits, Memory};
use sluice_ports::Fault;
use sluice_ports::runtime::Runtime;
use sluice_testkit::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::stage::{Stage, code, own_uid, spec};
use crate::Launcher;

/// What is answered to these bytes, in full.
async fn said(stage: &Stage, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(stage.path()).await.unwrap();
    // It may be answered and closed before all of it is written.
    drop(stream.write_all(bytes).await);
    let mut text = Vec::new();
    drop(within("an answer", stream.read_to_end(&mut text)).await);
    String::from_utf8_lossy(&text).into_owned()
}

fn request(head: &str, body: &str) -> String {
    format!("{head}\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_user_that_is_not_listed_is_refused_whatever_is_asked() {
    let mut stage = Stage::dark();
    stage.users = BTreeSet::from([own_uid() + 1]);
    stage.begin().await;
    let refused = stage.client.start(&spec("a"), &SecretString::from("x")).await.unwrap_err();
    assert_eq!((refused.fault, code(&refused).as_deref()), (Fault::Permanent, Some("L0001")));
    let refused = stage.client.events().await.map(|_| ()).unwrap_err();
    assert_eq!(code(&refused).as_deref(), Some("L0001"));
    let bytes = request("POST /v1/list HTTP/1.1\r\nsluice-installation: test", "{}");
    let answer = said(&stage, bytes.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("L0001"), "{answer}");
    assert!(stage.fake.take_calls().is_empty());
}

#[tokio::test]
async fn what_belongs_to_others_is_refused() {
    let stage = Stage::new().await;
    let boot = SecretString::from("x");
    for name in ["sluice-other-a", "rabbitmq", "sluice-test-a/../b", "sluice-test-b-c"] {
        let mut foreign = spec("a");
        foreign.name = name.to_owned();
        let (client, grace) = (&stage.client, std::time::Duration::ZERO);
        for refused in [
            client.start(&foreign, &boot).await.map(|_| ()),
            client.stop(name, grace).await,
            client.remove(name).await,
            client.logs(name, 1, false).await.map(|_| ()),
            client.usage(name).await.map(|_| ()),
        ] {
            let error = refused.unwrap_err();
            assert_eq!((error.fault, code(&error).as_deref()), (Fault::Permanent, Some("L0004")), "{name}");
        }
    }
    let other = Launcher::new(stage.path(), "other");
    let error = other.prepare().await.unwrap_err();
    assert_eq!((error.fault, code(&error).as_deref()), (Fault::Permanent, Some("L0004")));
    assert!(stage.fake.take_calls().is_empty());
}

#[tokio::test]
async fn limits_above_the_launchers_are_refused() {
    let stage = Stage::new().await;
    for limits in [
        Limits { memory: Some(Memory::mib(257)), cpus: None },
        Limits { memory: None, cpus: Some(Cpus::try_from(2.001).unwrap()) },
    ] {
        let mut spec = spec("a");
        spec.limits = limits;
        let error = stage.client.start(&spec, &SecretString::from("x")).await.unwrap_err();
        assert_eq!((error.fault, code(&error).as_deref()), (Fault::Permanent, Some("L0005")), "{limits:?}");
    }
    assert!(stage.fake.take_calls().is_empty());
}

#[tokio::test]
async fn there_are_no_more_containers_than_the_launcher_allows() {
    let stage = Stage::new().await;
    let boot = SecretString::from("x");
    // One that another launcher of the installation made.
    stage.fake.start(&spec("z"), &boot).await.unwrap();
    for name in ["a", "b"] {
        stage.client.start(&spec(name), &boot).await.unwrap();
    }
    let error = stage.client.start(&spec("c"), &boot).await.unwrap_err();
    assert_eq!((error.fault, code(&error).as_deref()), (Fault::Transient, Some("L0006")));
    // One of the same name makes way, and is none more.
    stage.fake.end("sluice-test-a", sluice_domain::ExitInfo { code: 1, out_of_memory: false });
    stage.client.start(&spec("a"), &boot).await.unwrap();
    // Whoever removes one, there is room again.
    stage.client.remove("sluice-test-a").await.unwrap();
    stage.client.start(&spec("c"), &boot).await.unwrap();
    stage.fake.remove("sluice-test-z").await.unwrap();
    stage.client.start(&spec("d"), &boot).await.unwrap();
    // A start that failed takes no place.
    stage.client.remove("sluice-test-d").await.unwrap();
    stage.fake.fail_starts([Fault::Permanent]);
    assert!(stage.client.start(&spec("e"), &boot).await.is_err());
    stage.client.start(&spec("f"), &boot).await.unwrap();
}

#[tokio::test]
async fn bad_requests_are_told_so_and_harm_nobody() {
    let stage = Stage::new().await;
    let head = |verb: &str| format!("POST /v1/{verb} HTTP/1.1\r\nsluice-installation: test");
    for (bytes, status, code) in [
        (request(&head("exec"), "{}"), 400, "L0002"),
        (request(&head("list?all=1"), "{}"), 400, "L0002"),
        (request(&head("list").replace("POST", "GET"), "{}"), 400, "L0002"),
        (request(&head("list"), ""), 400, "L0002"),
        (request(&head("list"), "{\"all\":true}"), 400, "L0002"),
        (request(&head("start"), "{\"name\":\"sluice-test-a\",\"privileged\":true}"), 400, "L0002"),
        (request(&head("stop"), "\u{0}\u{ff}"), 400, "L0002"),
        (request(&head("remove"), &"[".repeat(60_000)), 400, "L0002"),
        (request(&head("list"), &format!("{{{}}}", " ".repeat(65 << 10))), 413, "L0003"),
        (request(&head("remove"), "{\"name\":\"../../images/x\"}"), 403, "L0004"),
        (request("POST /v1/list HTTP/1.1", "{}"), 403, "L0004"),
        (request(&head("list").replace("test", "other"), "{}"), 403, "L0004"),
    ] {
        let answer = said(&stage, bytes.as_bytes()).await;
        let expect = format!("HTTP/1.1 {status}");
        let shown: String = bytes.chars().take(100).collect();
        assert!(answer.starts_with(&expect) && answer.contains(code), "{shown}: {answer}");
    }
    // What is no HTTP at all, or too much of it, ends the connection.
    let many = format!("{}{}\r\n\r\n", head("list"), "\r\na: b".repeat(100));
    let long = format!("{}\r\na: {}\r\n\r\n", head("list"), "b".repeat(64 << 10));
    for bytes in [b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), many.into_bytes(), long.into_bytes()] {
        let answer = said(&stage, &bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(stage.fake.take_calls().is_empty());
    assert!(stage.client.list().await.is_ok(), "it serves on");
}
