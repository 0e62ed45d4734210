//! What takes too long, on a clock that jumps to the next moment something waits for.

use secrecy::SecretString;
use sluice_ports::Fault;
use sluice_ports::runtime::Runtime;
use sluice_testkit::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::slow::Slow;
use super::stage::{Stage, code, spec};

/// As many starts as there are places.
const PLACES: usize = 32;

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_come_whole_is_given_up() {
    let stage = Stage::new().await;
    let head = "POST /v1/list HTTP/1.1\r\nhost: x\r\nsluice-installation: test\r\n";
    for (bytes, expect) in
        [(format!("{head}content-length: 2\r\n\r\n{{"), "L0008"), (head.to_owned(), ""), (String::new(), "")]
    {
        let mut stream = UnixStream::connect(stage.path()).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within("the end of the connection", stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.contains(expect) && answer.is_empty() == expect.is_empty(), "{bytes}: {answer}");
    }
    assert!(stage.client.list().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_given_up_and_keeps_only_its_like_waiting() {
    let stage = Stage::with(Slow::new).await;
    let slow = stage.slow.clone().unwrap();
    let mut starts = JoinSet::new();
    for number in 0..=PLACES {
        let client = stage.client.clone();
        let spec = spec(&format!("n{number}"));
        starts.spawn(async move { client.start(&spec, &SecretString::from("x")).await });
    }
    for _ in 0..PLACES {
        slow.begun().await;
    }
    assert!(stage.client.list().await.is_ok(), "looking has places of its own");
    let mut next = async || starts.join_next().await.unwrap().unwrap().unwrap_err();
    let busy = next().await;
    assert_eq!((busy.fault, code(&busy).as_deref()), (Fault::Transient, Some("L0007")));
    for _ in 0..PLACES {
        let late = next().await;
        assert_eq!((late.fault, code(&late).as_deref()), (Fault::Transient, Some("L0008")));
    }
    slow.go_on();
    assert!(stage.client.start(&spec("a"), &SecretString::from("x")).await.is_ok(), "the places are free");
}
