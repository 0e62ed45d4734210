//! A gateway of a few lines: one session, whatever assignments the test sets, no credentials.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) assignments: Arc<watch::Sender<Value>>,
    pub(crate) refusing: Arc<watch::Sender<bool>>,
}

impl Gateway {
    pub(crate) async fn start(session: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let assignments = Arc::new(watch::Sender::new(json!({ "revision": 1, "assignments": [] })));
        let refusing = Arc::new(watch::Sender::new(false));
        let (told, refuse) = (Arc::clone(&assignments), Arc::clone(&refusing));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, session.clone(), told.subscribe(), refuse.subscribe()));
            }
        });
        Self { url, assignments, refusing }
    }
}

async fn serve(
    socket: TcpStream,
    session: Value,
    mut told: watch::Receiver<Value>,
    refusing: watch::Receiver<bool>,
) {
    let mut socket = BufReader::new(socket);
    while let Some(path) = question(&mut socket).await {
        let answer = if *refusing.borrow() {
            answer("401 Unauthorized", "")
        } else if path.ends_with("/session") {
            answer("200 OK", &session.to_string())
        } else {
            assignments(&path, &mut told).await
        };
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads one request; gives its path.
async fn question(socket: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut path, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            socket.read_exact(&mut vec![0; length]).await.ok()?;
            return path;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
        path.get_or_insert(line.split(' ').nth(1)?.to_owned());
    }
}

async fn assignments(path: &str, told: &mut watch::Receiver<Value>) -> String {
    let since = path
        .split("since=")
        .nth(1)
        .and_then(|rest| rest.split('&').next())
        .and_then(|text| text.parse().ok());
    let changed = |now: &Value| now["revision"].as_u64() != since;
    match tokio::time::timeout(Duration::from_secs(5), told.wait_for(changed)).await {
        Ok(Ok(now)) => answer("200 OK", &now.to_string()),
        _ => answer("204 No Content", ""),
    }
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
