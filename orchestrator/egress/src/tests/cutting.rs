//! What is open when its rule goes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{Rig, echo, get, head, whole};
use crate::{Limits, Policy};

#[tokio::test]
async fn a_tunnel_is_cut_when_its_rule_is_gone_and_others_go_on() {
    let (port, other) = (echo().await, echo().await);
    let (one, two) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{other}"));
    let rig = Rig::start(&[&one, &two]).await;
    let (first, (mut second, _)) = (rig.connect(&one).await, rig.connect(&two).await);
    assert!(first.1.starts_with("HTTP/1.1 200"), "{}", first.1);
    rig.rules.set(&[&two]);
    assert_eq!(whole(first.0).await, "", "it is cut");
    second.write_all(b"ping").await.unwrap();
    let mut back = [0; 4];
    second.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"ping");
    assert!(rig.connect(&one).await.1.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn what_nobody_tells_of_is_seen_too() {
    let port = echo().await;
    let limits = Limits { review: Duration::from_millis(50), ..Limits::default() };
    let policy = Policy { allow_loopback: true, ..Policy::default() };
    let rig = Rig::with(&["127.0.0.1"], policy, limits).await;
    let (stream, _) = rig.connect(&format!("127.0.0.1:{port}")).await;
    rig.rules.rules.lock().unwrap().clear();
    assert_eq!(whole(stream).await, "", "it is cut");
}

#[tokio::test]
async fn an_answer_that_is_under_way_is_cut_as_well() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let rig = Rig::start(&["127.0.0.1"]).await;
    let mut asked = rig.send(&get(&format!("http://127.0.0.1:{port}/"))).await;
    let (mut server, _) = listener.accept().await.unwrap();
    head(&mut server).await;
    server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbeginning").await.unwrap();
    assert!(head(&mut asked).await.starts_with("HTTP/1.1 200"));
    rig.rules.set(&[]);
    assert!(whole(asked).await.len() < 100, "it ends before it is whole, although the server goes on");
    drop(server);
}
