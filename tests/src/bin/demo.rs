//! The world around the demo flows: a warehouse that takes lines over HTTP, and a shop that publishes orders.
//!
//! ```text
//! demo warehouse ADDRESS [--forward FROM TO]   serves until it is ended; lists what it got at GET /
//! demo shop COUNT                              publishes orders to the exchange shop.events of DEMO_AMQP_URL_FILE
//! ```

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sluice_tests::Amqp;
use tokio::net::{TcpListener, TcpStream};

/// Lines that the warehouse remembers.
const KEPT: usize = 10_000;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["warehouse", address] => warehouse(address).await,
        ["warehouse", address, "--forward", from, to] => {
            let forwarding = forward((*from).to_owned(), (*to).to_owned());
            tokio::try_join!(warehouse(address), forwarding).map(|_| ())
        }
        ["shop", count] => shop(count.parse().context("COUNT is a number")?).await,
        _ => bail!("usage: demo warehouse ADDRESS [--forward FROM TO] | demo shop COUNT"),
    }
}

type Lines = Arc<Mutex<Vec<Value>>>;

async fn warehouse(address: &str) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let lines = Lines::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let lines = lines.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, lines.clone()));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(request: Request<Incoming>, lines: Lines) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => {
            let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            (
                StatusCode::OK,
                json!({ "count": lines.len(), "last": lines.iter().rev().take(10).collect::<Vec<_>>() }),
            )
        }
        (&Method::POST, "/lines") => match Limited::new(request.into_body(), 1 << 20).collect().await {
            Ok(body) => take(&body.to_bytes(), &lines),
            Err(_) => (StatusCode::PAYLOAD_TOO_LARGE, json!({ "error": "too large" })),
        },
        _ => (StatusCode::NOT_FOUND, json!({ "error": "GET / or POST /lines" })),
    };
    let mut response = Response::new(Full::from(format!("{body}\n")));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A line needs a sku: what comes without one is refused, as a real system would.
fn take(body: &[u8], lines: &Lines) -> (StatusCode, Value) {
    match serde_json::from_slice::<Value>(body) {
        Ok(line) if line["sku"].is_string() => {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == KEPT {
                lines.remove(0);
            }
            lines.push(line);
            (StatusCode::OK, json!({ "accepted": true }))
        }
        _ => (StatusCode::UNPROCESSABLE_ENTITY, json!({ "error": "a line needs a sku" })),
    }
}

/// Passes connections on, so that containers reach a server that listens on the loopback address only.
async fn forward(from: String, to: String) -> Result<()> {
    let listener = TcpListener::bind(&from).await.with_context(|| format!("cannot listen on {from}"))?;
    loop {
        let (mut near, _) = listener.accept().await?;
        let to = to.clone();
        tokio::spawn(async move {
            if let Ok(mut far) = TcpStream::connect(&to).await {
                tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
            }
        });
    }
}

async fn shop(count: u32) -> Result<()> {
    let file = std::env::var("DEMO_AMQP_URL_FILE").context("DEMO_AMQP_URL_FILE is not set")?;
    let url = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    rustls::crypto::ring::default_provider().install_default().ok();
    let amqp = Amqp::connect(url.trim()).await?;
    amqp.exchange("shop.events").await?;
    if count == 0 {
        return Ok(());
    }
    let run = rand::random::<u32>();
    let orders: Vec<(String, Vec<u8>)> = (1..=count)
        .map(|number| (format!("order-{run:08x}-{number}"), order(number).to_string().into_bytes()))
        .collect();
    amqp.publish_all("shop.events", "order.created", &orders).await?;
    writeln!(std::io::stdout(), "{count} orders published")?;
    Ok(())
}

fn order(number: u32) -> Value {
    const PEOPLE: [(&str, &str); 4] =
        [("Ada", "Lovelace"), ("Alan", "Turing"), ("Grace", "Hopper"), ("Edsger", "Dijkstra")];
    let (first, last) = PEOPLE[number as usize % PEOPLE.len()];
    let price = 2.5 + f64::from(number % 7);
    let lines: Vec<Value> = (0..1 + number % 3)
        .map(|line| json!({ "sku": format!("SKU-{}", 100 + (number * 3 + line) % 50), "quantity": 1 + line, "price": price }))
        .collect();
    let total: f64 = (0..1 + number % 3).map(|line| f64::from(1 + line) * price).sum();
    json!({ "id": 1000 + number, "customer": { "first": first, "last": last }, "total": total, "lines": lines })
}
