//! Tests of the listener on real sockets.

use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{ServeLimits, Stopping, serve};

/// How long anything here may take before the test fails.
const SOON: Duration = Duration::from_secs(5);

/// A listener with a route that answers when the server stops.
async fn start(limits: ServeLimits) -> (TcpStream, JoinHandle<()>, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let wait = |Extension(stopping): Extension<Stopping>| async move {
        stopping.begun().await;
        "stopped"
    };
    let router = Router::new().route("/wait", get(wait)).route("/now", get(async || "now"));
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, router, limits, stop.clone()));
    (TcpStream::connect(address).await.unwrap(), server, stop)
}

async fn answer(client: &mut TcpStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(SOON, client.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

#[tokio::test]
async fn a_request_that_waits_does_not_hold_up_a_server_that_stops() {
    let limits = ServeLimits { grace: Duration::from_secs(60), ..ServeLimits::default() };
    let (mut client, server, stop) = start(limits).await;
    client.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // The next connection is accepted only after the first one, so its answer means that the first one is under way.
    let mut other = TcpStream::connect(client.peer_addr().unwrap()).await.unwrap();
    other.write_all(b"GET /now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(answer(&mut other).await.ends_with("now"));
    stop.cancel();
    let text = answer(&mut client).await;
    assert!(text.ends_with("stopped"), "{text:?}");
    tokio::time::timeout(SOON, server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_header_that_does_not_come_closes_the_connection() {
    let limits = ServeLimits { header: Duration::from_millis(50), ..ServeLimits::default() };
    let (mut client, _server, _stop) = start(limits).await;
    client.write_all(b"GET /now HTTP/1.1\r\nHost:").await.unwrap();
    assert_eq!(answer(&mut client).await, "");
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_refused() {
    for header in ["a: b\r\n".repeat(65), format!("a: {}\r\n", "b".repeat(32 * 1024))] {
        let (mut client, _server, _stop) = start(ServeLimits::default()).await;
        // The server may close before it has read everything.
        drop(client.write_all(format!("GET /now HTTP/1.1\r\nHost: x\r\n{header}\r\n").as_bytes()).await);
        assert!(answer(&mut client).await.starts_with("HTTP/1.1 431"), "{} bytes", header.len());
    }
}

#[tokio::test]
async fn two_lengths_are_refused() {
    let (mut client, _server, _stop) = start(ServeLimits::default()).await;
    let smuggled = "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 9\r\n\r\nabcd";
    client.write_all(smuggled.as_bytes()).await.unwrap();
    assert!(answer(&mut client).await.starts_with("HTTP/1.1 400"));
}

/// The answer to a request on a connection of its own.
async fn asked(server: std::net::SocketAddr) -> String {
    let mut client = TcpStream::connect(server).await.unwrap();
    client.write_all(b"GET /now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    answer(&mut client).await
}

#[tokio::test]
async fn connections_that_ask_nothing_make_room_for_those_that_do() {
    let limits = ServeLimits {
        connections: 4,
        header: Duration::from_secs(600),
        idle: Duration::from_millis(50),
        ..ServeLimits::default()
    };
    let (mut first, _server, _stop) = start(limits).await;
    let server = first.peer_addr().unwrap();
    let mut idle = Vec::new();
    for part in ["", "GET", "GET /now HTTP/1.1\r\nHost: x", "GET /now HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut client = TcpStream::connect(server).await.unwrap();
        client.write_all(part.as_bytes()).await.unwrap();
        idle.push(client);
    }
    for _ in 0..10 {
        assert!(asked(server).await.ends_with("now"));
    }
    // The oldest went first.
    assert_eq!(first.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_request_that_is_under_way_makes_no_room() {
    let limits = ServeLimits { connections: 2, idle: Duration::from_millis(50), ..ServeLimits::default() };
    let (mut first, _server, stop) = start(limits).await;
    let server = first.peer_addr().unwrap();
    first.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    for _ in 0..10 {
        assert!(asked(server).await.ends_with("now"));
    }
    stop.cancel();
    assert!(answer(&mut first).await.ends_with("stopped"));
}
