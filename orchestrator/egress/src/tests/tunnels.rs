//! CONNECT.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{PATIENCE, Rig, echo, whole};
use crate::{Limits, Policy};

fn open() -> Policy {
    Policy { allow_loopback: true, ..Policy::default() }
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_ends_one_side_after_the_other() {
    let port = echo().await;
    let rig = Rig::start(&["queue.test"]).await;
    rig.names.add("queue.test", &[&["127.0.0.1"]]);
    let (mut stream, head) = rig.connect(&format!("queue.test:{port}")).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let sent = vec![7u8; 300_000];
    let (mut read, mut write) = stream.split();
    let sending = async {
        write.write_all(&sent).await.unwrap();
        // The other side still has to answer what it was sent before.
        write.shutdown().await.unwrap();
    };
    let mut got = Vec::new();
    let (_, read) = tokio::join!(sending, tokio::time::timeout(PATIENCE, read.read_to_end(&mut got)));
    read.expect("an end").unwrap();
    assert_eq!(got, sent);
    let mut open = rig.rules.open.subscribe();
    tokio::time::timeout(PATIENCE, open.wait_for(|open| *open == 0))
        .await
        .expect("no tunnel is left")
        .unwrap();
}

#[tokio::test]
async fn a_tunnel_needs_a_rule_for_its_very_port() {
    let (port, other) = (echo().await, echo().await);
    let rig = Rig::start(&[&format!("127.0.0.1:{port}")]).await;
    assert!(rig.connect(&format!("127.0.0.1:{port}")).await.1.starts_with("HTTP/1.1 200"));
    for target in [format!("127.0.0.1:{other}"), format!("localhost:{port}"), "169.254.169.254:80".to_owned()]
    {
        assert!(rig.connect(&target).await.1.starts_with("HTTP/1.1 403"), "{target}");
    }
    assert!(rig.connect("127.0.0.1").await.1.starts_with("HTTP/1.1 400"));
}

/// A tunnel. On a machine with much to do one may be over before it is open.
async fn opened(rig: &Rig, port: u16) -> tokio::net::TcpStream {
    loop {
        let (stream, head) = rig.connect(&format!("127.0.0.1:{port}")).await;
        if head.starts_with("HTTP/1.1 200") {
            return stream;
        }
    }
}

#[tokio::test]
async fn a_tunnel_without_a_byte_ends() {
    let port = echo().await;
    let limits = Limits { idle: Duration::from_millis(500), ..Limits::default() };
    let rig = Rig::with(&["127.0.0.1"], open(), limits).await;
    assert_eq!(whole(opened(&rig, port).await).await, "", "it ends by itself");
}

#[tokio::test]
async fn a_tunnel_ends_when_it_is_old_enough() {
    let port = echo().await;
    let limits = Limits { total: Duration::from_millis(500), ..Limits::default() };
    let rig = Rig::with(&["127.0.0.1"], open(), limits).await;
    let mut stream = opened(&rig, port).await;
    let busy = async {
        let mut buffer = [0; 4];
        while stream.write_all(b"ping").await.is_ok() && stream.read_exact(&mut buffer).await.is_ok() {}
    };
    tokio::time::timeout(PATIENCE, busy).await.expect("it ends although it is busy");
}

#[tokio::test]
async fn a_container_has_so_many_connections_and_no_more() {
    let port = echo().await;
    let limits = Limits { of_container: 2, ..Limits::default() };
    let rig = Rig::with(&["127.0.0.1"], open(), limits).await;
    let target = format!("127.0.0.1:{port}");
    let (first, second) = (rig.connect(&target).await, rig.connect(&target).await);
    assert!(first.1.starts_with("HTTP/1.1 200") && second.1.starts_with("HTTP/1.1 200"));
    let third = rig.connect(&target).await.1;
    assert!(third.starts_with("HTTP/1.1 429") && third.contains("E0008"), "{third}");
    drop(first);
    let mut open = rig.rules.open.subscribe();
    tokio::time::timeout(PATIENCE, open.wait_for(|open| *open == 1)).await.expect("one is left").unwrap();
    let again = async {
        // The count falls a moment after the tunnel ended.
        while !rig.connect(&target).await.1.starts_with("HTTP/1.1 200") {}
    };
    tokio::time::timeout(PATIENCE, again).await.expect("there is room again");
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let limits = Limits { from_address: 1, ..Limits::default() };
    let rig = Rig::with(&["127.0.0.1"], open(), limits).await;
    let port = echo().await;
    let held = rig.connect(&format!("127.0.0.1:{port}")).await;
    assert!(held.1.starts_with("HTTP/1.1 200"));
    assert_eq!(rig.connect(&format!("127.0.0.1:{port}")).await.1, "", "it is closed at once");
}
