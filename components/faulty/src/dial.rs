//! What a hostile component tries: to connect past the proxy, and to the proxy as somebody else.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_sdk::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where to, and how.
#[derive(Clone, Deserialize)]
pub(crate) struct Dial {
    /// Connected to straight, `host:port`.
    to: Option<String>,
    /// Asked for over UDP: a name, of the resolver that the container is given.
    name: Option<String>,
    /// Requested by way of the proxy, as an HTTP client of the SDK does it.
    url: Option<String>,
    /// Sent to this proxy as it is, `host:port`.
    proxy: Option<String>,
    /// What is sent there.
    text: Option<String>,
}

impl Dial {
    /// Tries everything that was asked for and says what came of it.
    pub(crate) async fn carry_out(self, cx: &Context) -> Value {
        json!({
            "straight": match &self.to { Some(to) => straight(to).await, None => Value::Null },
            "name": match &self.name { Some(name) => look_up(name).await, None => Value::Null },
            "proxied": match &self.url { Some(url) => proxied(cx, url).await, None => Value::Null },
            "asked": match &self.proxy { Some(proxy) => ask(proxy, self.text.as_deref()).await, None => Value::Null },
        })
    }
}

async fn straight(to: &str) -> Value {
    match timeout(PATIENCE, TcpStream::connect(to)).await {
        Ok(Ok(_)) => json!({ "connected": true }),
        Ok(Err(error)) => json!({ "connected": false, "error": error.to_string() }),
        Err(_) => json!({ "connected": false, "error": "no answer" }),
    }
}

async fn look_up(name: &str) -> Value {
    match timeout(PATIENCE, tokio::net::lookup_host((name, 1))).await {
        Ok(Ok(found)) => json!(found.map(|address| address.ip().to_string()).collect::<Vec<_>>()),
        Ok(Err(_)) | Err(_) => json!([]),
    }
}

async fn proxied(cx: &Context, url: &str) -> Value {
    let client = match cx.egress().http_client().build() {
        Ok(client) => client,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    match client.get(url).timeout(PATIENCE * 4).send().await {
        Ok(response) => {
            let refused = sluice_sdk::proxy_refusal(&response).map(|error| error.to_string());
            json!({ "status": response.status().as_u16(), "refused": refused })
        }
        Err(error) => {
            let refused = match url.parse() {
                Ok(url) => cx.egress().refusal(&url).await.map(|error| error.to_string()),
                Err(_) => None,
            };
            json!({ "error": error.to_string(), "refused": refused })
        }
    }
}

async fn ask(proxy: &str, text: Option<&str>) -> Value {
    let asked = async {
        let mut stream = TcpStream::connect(proxy).await?;
        stream.write_all(text.unwrap_or_default().as_bytes()).await?;
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer[..read]).into_owned())
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => json!(answer),
        Ok(Err(error)) => json!(error.to_string()),
        Err(_) => json!("no answer"),
    }
}
