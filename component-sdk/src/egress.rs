//! The way out of a container: by the orchestrator's proxy where there is one, else straight.
//!
//! The proxy alone looks names up, and decides by what the component declares under `egress` of its descriptor, and what
//! people wrote in instances and steps. What it refuses is an error of the component's: another attempt changes nothing.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_io::{AsyncRead, AsyncWrite};
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sluice_protocol::gateway::EgressAccess;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Error;

/// Most bytes of the head of what the proxy answers.
const HEAD: usize = 16 * 1024;
/// How long the proxy may take to say why it refused.
const PATIENCE: Duration = Duration::from_secs(10);
/// Says what the proxy had to do with an answer (RFC 9209).
const PROXY_STATUS: &str = "proxy-status";
/// By which a component asks for less than its rules give.
const REACH: HeaderName = HeaderName::from_static("sluice-reach");

/// The way out of a container. Cheap to clone.
#[derive(Clone, Default)]
pub struct Egress {
    way: Option<Arc<Way>>,
    public: bool,
}

struct Way {
    url: Url,
    host: String,
    port: u16,
    username: String,
    password: String,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.way.is_some() { "Egress(proxy)" } else { "Egress(direct)" })
    }
}

impl Egress {
    /// The way out that a session names.
    pub(crate) fn new(access: Option<&EgressAccess>) -> Result<Self, Error> {
        let Some(access) = access else { return Ok(Self::default()) };
        let bad = || Error::fatal("bad_egress", "the session names no usable proxy");
        let url: Url = access.url.parse().map_err(|_| bad())?;
        let host = url.host_str().ok_or_else(bad)?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_or_known_default().ok_or_else(bad)?;
        let (username, password) = (access.username.clone(), access.password.clone());
        Ok(Self { way: Some(Arc::new(Way { url, host, port, username, password })), public: false })
    }

    /// Whether there is no proxy: the component connects by itself, and has to judge addresses itself.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.way.is_none()
    }

    /// The same way, for hosts that somebody else than people chose: the proxy lets it lead to addresses of the public
    /// internet only. Where there is no proxy the component has to see to that.
    #[must_use]
    pub fn public_only(&self) -> Self {
        Self { way: self.way.clone(), public: true }
    }

    /// The proxy as a URL with its user and password, for programs that take one from their environment; nothing where there
    /// is none. It is a secret of this container.
    #[must_use]
    pub fn proxy_url(&self) -> Option<String> {
        let way = self.way.as_ref()?;
        let mut url = way.url.clone();
        url.set_username(&way.username).ok()?;
        url.set_password(Some(&way.password)).ok()?;
        Some(url.to_string())
    }

    /// The beginning of an HTTP client that goes this way, trusts the public web's certificate authorities, and takes no
    /// proxy from the environment.
    pub fn http_client(&self) -> reqwest::ClientBuilder {
        let builder =
            reqwest::Client::builder().tls_backend_preconfigured(crate::tls::tls_config()).no_proxy();
        let Some(way) = &self.way else { return builder };
        let Ok(proxy) = reqwest::Proxy::all(way.url.clone()) else { return builder };
        let proxy = proxy.basic_auth(&way.username, &way.password);
        builder.proxy(if self.public {
            proxy.headers(HeaderMap::from_iter([(REACH, HeaderValue::from_static("public"))]))
        } else {
            proxy
        })
    }

    /// Why a request to this URL got no answer, where that was not for the other side to give: the proxy refused it, or is
    /// away with the orchestrator. Then the input is given back, and its attempt is not burned. Nothing where the proxy
    /// would let it out.
    pub async fn explain(&self, url: &Url, error: &reqwest::Error) -> Option<Error> {
        if error.is_timeout() || error.is_builder() {
            return None;
        }
        if error.is_connect() { self.refusal(url).await } else { self.absence().await }
    }

    /// The error that gives an input back where the proxy is away with the orchestrator; nothing where it is there.
    pub async fn absence(&self) -> Option<Error> {
        let way = self.way.as_ref()?;
        let there = timeout(PATIENCE, TcpStream::connect((way.host.as_str(), way.port))).await;
        if matches!(there, Ok(Ok(_))) { None } else { Some(away()) }
    }

    /// Why the proxy refuses a tunnel to where this URL leads. Asks it once more, since a tunnel that was refused leaves no
    /// reason behind. Nothing where the proxy would let it out.
    pub async fn refusal(&self, url: &Url) -> Option<Error> {
        let way = self.way.as_ref()?;
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        if let Some(away) = self.absence().await {
            return Some(away);
        }
        let asked = async {
            let mut stream = TcpStream::connect((way.host.as_str(), way.port)).await?;
            stream.write_all(self.request(way, host, port).as_bytes()).await?;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
                head.push(stream.read_u8().await?);
            }
            Ok::<_, io::Error>(head)
        };
        let head = timeout(PATIENCE, asked).await.ok()?.ok()?;
        said(&String::from_utf8_lossy(&head)).err().map(|code| error(&code, host))
    }

    /// Connects to a broker this way.
    ///
    /// # Errors
    /// As lapin's; what the proxy refuses is an error of input and output that names its code.
    pub async fn amqp(&self, uri: AMQPUri, properties: ConnectionProperties) -> lapin::Result<Connection> {
        let Some(way) = self.way.clone() else { return Connection::connect_uri(uri, properties).await };
        let request = self.request(&way, &uri.authority.host, uri.authority.port);
        Connection::connector(
            uri,
            lapin::runtime::default_runtime()?,
            async move |uri, runtime| {
                let proxy = tokio::net::lookup_host((way.host.as_str(), way.port)).await?;
                let proxy: Vec<SocketAddr> = proxy.collect();
                let mut stream = AsyncTcpStream::connect(&runtime, proxy).await?;
                ask(&mut stream, request.as_bytes()).await?;
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => {
                        let tls = OwnedTLSConfig::default();
                        Ok(stream.into_tls(&uri.authority.host, tls.as_ref()).await?)
                    }
                }
            },
            properties,
        )
        .await
    }

    fn request(&self, way: &Way, host: &str, port: u16) -> String {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        let proof = STANDARD.encode(format!("{}:{}", way.username, way.password));
        let reach = if self.public { "Sluice-Reach: public\r\n" } else { "" };
        format!(
            "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nProxy-Authorization: Basic {proof}\r\n{reach}\r\n"
        )
    }
}

/// The error of an answer that the proxy gave in the place of the other side; nothing where the other side answered.
#[must_use]
pub fn proxy_refusal(response: &reqwest::Response) -> Option<Error> {
    let told = response.headers().get(PROXY_STATUS)?.to_str().ok()?;
    Some(error(&code_of(told), response.url().host_str().unwrap_or_default()))
}

/// Sends the request for a tunnel, and reads the answer to its end.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &[u8]) -> io::Result<()> {
    let mut left = request;
    while !left.is_empty() {
        let sent = poll_fn(|context| Pin::new(&mut *stream).poll_write(context, left)).await?;
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        left = &left[sent..];
    }
    poll_fn(|context| Pin::new(&mut *stream).poll_flush(context)).await?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        let read = poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut byte)).await?;
        if read == 0 || head.len() >= HEAD {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    said(&String::from_utf8_lossy(&head))
        .map_err(|code| io::Error::other(format!("the way out is closed: {}", reason(&code))))
}

/// Whether the head of an answer opens a tunnel, else the code of the refusal.
fn said(head: &str) -> Result<(), String> {
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    if status.len() == 3 && status.starts_with('2') {
        return Ok(());
    }
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(PROXY_STATUS).then(|| code_of(value))
    };
    Err(lines.find_map(named).unwrap_or_default())
}

/// The code in `sluice; error=...; details="E0003"`.
fn code_of(told: &str) -> String {
    let details = told.split("details=\"").nth(1).and_then(|rest| rest.split('"').next());
    details.unwrap_or_default().chars().take(8).collect()
}

fn away() -> Error {
    Error::rebound("egress_away", "the way out is closed while the orchestrator is away")
}

fn reason(code: &str) -> &'static str {
    match code {
        "E0001" => "E0001, the proxy does not know this container",
        "E0003" => "E0003, no rule lets the component go there",
        "E0004" => "E0004, nobody may go to that address",
        "E0005" => "E0005, the host has no address",
        "E0006" => "E0006, the host cannot be reached",
        "E0007" => "E0007, the host does not answer in time",
        "E0008" => "E0008, the container has too many connections",
        "E0009" => "E0009, the proxy cannot decide now",
        "E0010" => "E0010, the host broke off",
        _ => "the proxy refused the request",
    }
}

fn error(code: &str, host: &str) -> Error {
    let text = format!("no request gets to `{host}`: {}", reason(code));
    match code {
        "E0002" | "E0003" | "E0004" => Error::fatal("host_refused", text),
        "E0007" => Error::retryable("timeout", text),
        "E0005" | "E0006" => Error::retryable("connect", text),
        "E0010" => Error::retryable("transport", text),
        _ => Error::retryable("egress", text),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn access(port: u16) -> EgressAccess {
        EgressAccess {
            url: format!("http://127.0.0.1:{port}"),
            username: "run_1".to_owned(),
            password: "secret".to_owned(),
            broker: false,
        }
    }

    /// A proxy that answers each connection with this, and what it was asked.
    async fn proxy(answer: &'static str) -> (Egress, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let egress = Egress::new(Some(&access(listener.local_addr().unwrap().port()))).unwrap();
        let (told, asked) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                // One that only looks whether somebody is there says nothing.
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        told.send(String::from_utf8_lossy(&head).into_owned()).ok();
                        stream.write_all(answer.as_bytes()).await.ok();
                        break;
                    }
                }
            }
        });
        (egress, asked)
    }

    const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\nproxy-status: sluice; error=http_request_denied; details=\"E0003\"\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test]
    async fn a_request_goes_by_the_proxy_and_proves_who_asks() {
        crate::tls::install_provider();
        let (egress, mut asked) = proxy("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let client = egress.public_only().http_client().build().unwrap();
        let answer = client.get("http://shop.test/orders").send().await.unwrap();
        assert!(proxy_refusal(&answer).is_none());
        let head = asked.recv().await.unwrap().to_lowercase();
        assert!(head.starts_with("get http://shop.test/orders http/1.1"), "{head}");
        assert!(
            head.contains("proxy-authorization: basic cnvux") && head.contains("sluice-reach: public"),
            "{head}"
        );
    }

    #[tokio::test]
    async fn what_the_proxy_refuses_is_told_from_what_the_other_side_says() {
        crate::tls::install_provider();
        let (egress, _asked) = proxy(REFUSED).await;
        let client = egress.http_client().build().unwrap();
        let answer = client.get("http://shop.test/").send().await.unwrap();
        let refused = proxy_refusal(&answer).unwrap();
        assert_eq!((refused.code(), refused.is_retryable()), ("host_refused", false));
        let url = "https://shop.test/".parse().unwrap();
        assert!(client.get("https://shop.test/").send().await.is_err());
        assert_eq!(egress.refusal(&url).await.unwrap().code(), "host_refused");
        let broker = egress.amqp("amqp://queue.test/x".parse().unwrap(), ConnectionProperties::default());
        let said = broker.await.unwrap_err().to_string();
        assert!(said.contains("E0003"), "{said}");
    }

    #[tokio::test]
    async fn what_fails_because_the_proxy_is_away_burns_no_attempt() {
        crate::tls::install_provider();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let egress = Egress::new(Some(&access(closed))).unwrap();
        let url: Url = "http://shop.test/".parse().unwrap();
        let failed = egress.http_client().build().unwrap().get(url.clone()).send().await.unwrap_err();
        let explained = egress.explain(&url, &failed).await.unwrap();
        assert_eq!((explained.code(), explained.status()), ("egress_away", sluice_protocol::Status::Rebound));
        assert!(Egress::default().explain(&url, &failed).await.is_none());
    }

    #[test]
    fn the_answer_of_a_proxy_is_read() {
        assert_eq!(said("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        assert_eq!(said(REFUSED), Err("E0003".to_owned()));
        assert_eq!(said("HTTP/1.1 502 Bad Gateway\r\n\r\n"), Err(String::new()));
        assert_eq!(said("nonsense"), Err(String::new()));
    }

    #[test]
    fn nothing_shows_the_password() {
        let egress = Egress::new(Some(&access(1))).unwrap();
        assert!(!format!("{egress:?} {:?}", access(1)).contains("secret"));
        assert!(!egress.is_direct() && Egress::default().is_direct());
    }
}
