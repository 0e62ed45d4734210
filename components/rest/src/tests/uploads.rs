//! Files that go from one server to another: how they are passed on, and what is said when one is not there.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::server::{Server, ok, status, text};
use super::{action, harness, over, run};

const CHUNK: u64 = 64 * 1024;
const FILE: u64 = 20 * 1024 * 1024;
/// How far the source runs ahead of the receiver.
const AHEAD: u64 = 2 * 1024 * 1024;

/// What the receiver got.
#[derive(Default)]
struct Got {
    length: Option<String>,
    beginning: Vec<u8>,
    end: Vec<u8>,
}

/// A source of a file at `/file`, and a receiver of it everywhere else. The source sends no more than [`AHEAD`] bytes beyond
/// those that the receiver has got already, so whoever holds the file whole waits for ever.
async fn pair(sized: bool) -> (String, Arc<Mutex<Got>>, watch::Receiver<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let got = Arc::new(Mutex::new(Got::default()));
    let (count, counted) = watch::channel(0);
    let (count, kept, seen) = (Arc::new(count), Arc::clone(&got), counted.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (count, kept, seen) = (Arc::clone(&count), Arc::clone(&kept), seen.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let (count, kept, seen) = (Arc::clone(&count), Arc::clone(&kept), seen.clone());
                    async move {
                        let response = if request.uri().path() == "/file" {
                            file(seen, sized)
                        } else {
                            receive(request, &count, &kept).await;
                            Response::new(Full::from("{}").boxed_unsync())
                        };
                        Ok::<_, Infallible>(response)
                    }
                });
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    (url, got, counted)
}

fn file(seen: watch::Receiver<u64>, sized: bool) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let chunks = stream::unfold((seen, 0), |(mut seen, sent)| async move {
        if sent == FILE {
            return None;
        }
        seen.wait_for(|got| got + AHEAD >= sent).await.ok()?;
        let chunk = Bytes::from(vec![b'x'; CHUNK as usize]);
        Some((Ok::<_, Infallible>(Frame::data(chunk)), (seen, sent + CHUNK)))
    });
    let response = Response::builder();
    let response = if sized { response.header("content-length", FILE) } else { response };
    response.body(StreamBody::new(Box::pin(chunks)).boxed_unsync()).unwrap()
}

async fn receive(request: Request<Incoming>, count: &watch::Sender<u64>, kept: &Mutex<Got>) {
    let length = request.headers().get("content-length").map(|it| it.to_str().unwrap().to_owned());
    kept.lock().unwrap().length = length;
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let mut got = kept.lock().unwrap();
        if got.beginning.len() < 300 {
            got.beginning.extend_from_slice(&data[..data.len().min(300)]);
        }
        got.end.extend_from_slice(&data[data.len().saturating_sub(300)..]);
        let spare = got.end.len().saturating_sub(300);
        got.end.drain(..spare);
        count.send_modify(|count| *count += data.len() as u64);
    }
}

/// An upload with these parts.
fn upload(url: &str, value: Value) -> Value {
    let call = json!({
        "connector": "api@1.0.0", "function": "f", "http": { "base_url": url, "timeout_seconds": 60 }, "auth": {},
        "config": {},
    });
    let request =
        json!({ "method": "POST", "path": "/x", "body": { "format": "multipart", "value": value } });
    over(call, json!({ "kind": { "action": { "title": "T", "request": request } } }))
}

#[tokio::test]
async fn a_large_file_is_passed_on_as_it_comes() {
    for sized in [true, false] {
        let (url, got, counted) = pair(sized).await;
        let file =
            json!({ "from": format!("{url}/file?signed=1"), "filename": "a.bin", "content_type": "image/x" });
        let work = run(upload(&url, json!({ "note": "n", "file": file })), json!({}));
        tokio::time::timeout(Duration::from_secs(60), work).await.expect("the file is held back").unwrap();
        let got = got.lock().unwrap();
        let (beginning, end) = (String::from_utf8_lossy(&got.beginning), String::from_utf8_lossy(&got.end));
        assert!(
            beginning.contains("name=\"file\"; filename=\"a.bin\"\r\nContent-Type: image/x\r\n\r\n"),
            "{beginning}"
        );
        assert!(
            beginning.contains("name=\"note\"\r\n\r\nn\r\n") && end.ends_with("--\r\n"),
            "{beginning} {end}"
        );
        let total = *counted.borrow();
        assert!(total > FILE && total < FILE + 1000, "{total}");
        assert_eq!(
            got.length.clone(),
            sized.then(|| total.to_string()),
            "its length is passed on where it is known"
        );
    }
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_refused() {
    for sized in [true, false] {
        let (url, _, counted) = pair(sized).await;
        let config = over(
            upload(&url, json!({ "file": { "from": format!("{url}/file") } })),
            json!({ "http": { "max_upload_bytes": 1_000_000 } }),
        );
        let error = run(config, json!({})).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), ("upload_too_large", false), "{error:?}");
        assert!(*counted.borrow() <= 1_000_000);
        assert!(!sized || *counted.borrow() == 0, "nothing is sent where the length is known");
    }
    let server = Server::always(ok(json!({}))).await;
    let request = json!({ "request": { "method": "POST", "body": { "value": "x".repeat(100) } } });
    let config = over(action(&server, request), json!({ "http": { "max_upload_bytes": 99 } }));
    assert_eq!(run(config, json!({})).await.unwrap_err().code, "upload_too_large");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_error_says_which_part_and_source_failed() {
    let source = Server::start(|asked| match asked.path.as_str() {
        "/moved" => status(302, json!({})).header("location", "/file"),
        "/file" => text(200, "text/plain", "content"),
        "/away" => status(302, json!({})).header("location", "http://other.test/"),
        "/busy" => status(503, json!({})),
        _ => status(404, json!("secret words")),
    })
    .await;
    let server = Server::always(ok(json!({}))).await;
    let at = |path: &str| format!("{}{path}?signature=hidden", source.other_url());
    let config = |from: String| {
        let allowed = json!({ "http": { "allowed_hosts": ["localhost"] }, "auth": { "type": "bearer" } });
        over(upload(&server.url(), json!({ "a": "1", "doc": { "from": from } })), allowed)
    };
    let harness = harness().secrets(json!({ "token": "tok-12345" }));
    for (from, code, retryable, expect) in [
        (at("/none"), "source_failed", false, "part `doc`: GET localhost/none: 404"),
        (at("/busy"), "source_failed", true, "part `doc`: GET localhost/busy: 503"),
        (at("/away"), "host_refused", false, "part `doc`: no request goes to `other.test`"),
        ("http://127.0.0.2/".to_owned(), "host_refused", false, "part `doc`: no request goes to `127.0.0.2`"),
        (
            "http://localhost:1/x".to_owned(),
            "source_failed",
            true,
            "part `doc`: GET localhost/x: the connection",
        ),
        ("file:///etc/passwd".to_owned(), "host_refused", false, "part `doc`: the URL is neither http"),
        ("a.txt".to_owned(), "bad_body", false, "the body of the request cannot be written: part `doc`"),
    ] {
        let error = harness.action("call", config(from), json!({})).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), (code, retryable), "{error:?}");
        assert!(error.message.starts_with(expect), "{}", error.message);
        assert!(!error.message.contains("hidden") && !error.message.contains("words"), "{}", error.message);
    }
    assert!(server.asked().is_empty(), "nothing was sent");
    harness.action("call", config(at("/moved")), json!({})).await.unwrap();
    let (asked, sent) = (source.last(), server.last());
    assert!(!asked.headers.contains_key("authorization"), "a source gets no credentials");
    assert!(
        sent.body.contains(
            "name=\"doc\"; filename=\"moved\"\r\nContent-Type: application/octet-stream\r\n\r\ncontent\r\n"
        ),
        "{}",
        sent.body
    );
    assert_eq!(sent.headers["content-length"], sent.body.len().to_string());
    assert_eq!(sent.headers["authorization"], "Bearer tok-12345");
}

#[tokio::test]
async fn an_upload_goes_out_again_after_a_redirect() {
    let source = Server::always(text(200, "text/plain", "content")).await;
    let server = Server::start(|asked| match asked.path.as_str() {
        "/x" => status(307, json!({})).header("location", "/y"),
        _ => ok(json!({})),
    })
    .await;
    let from = format!("{}/f", source.other_url());
    let config = over(
        upload(&server.url(), json!({ "doc": { "from": from } })),
        json!({ "http": { "allowed_hosts": ["localhost"] } }),
    );
    run(config, json!({})).await.unwrap();
    assert_eq!(source.asked().len(), 2);
    assert!(server.last().path == "/y" && server.last().body.contains("content"));
}
