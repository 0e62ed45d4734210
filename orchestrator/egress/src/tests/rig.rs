//! A proxy with rules and names of the test's own, and servers behind it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sluice_domain::{ContainerStartId, DeploymentId};
use sluice_ports::PortError;
use sluice_ports::egress::{Caller, EgressRules, Target};
use sluice_protocol::{HostRule, Reach};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::dial::LookUp;
use crate::{Limits, Policy, Proxy, serve};

pub(super) const USER: &str = "run_1";
pub(super) const PASSWORD: &str = "correct horse";
/// Longer than anything here takes, however busy the machine is.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// Rules that a test sets.
pub(super) struct Rules {
    pub(super) rules: Mutex<Vec<HostRule>>,
    pub(super) counts: Mutex<BTreeMap<&'static str, u32>>,
    pub(super) open: watch::Sender<i64>,
    changed: watch::Sender<u64>,
    pub(super) away: Mutex<bool>,
}

impl Rules {
    pub(super) fn set(&self, rules: &[&str]) {
        *self.rules.lock().unwrap() = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn counted(&self, outcome: &str) -> u32 {
        self.counts.lock().unwrap().get(outcome).copied().unwrap_or_default()
    }

    fn there(&self) -> Result<(), PortError> {
        if *self.away.lock().unwrap() { Err(PortError::conflict("read the rules")) } else { Ok(()) }
    }
}

#[async_trait]
impl EgressRules for Rules {
    async fn caller(&self, username: &str, password: &str) -> Result<Option<Caller>, PortError> {
        self.there()?;
        let caller = Caller { start: ContainerStartId::from_bits(1), deployment: DeploymentId::from_bits(2) };
        Ok((username == USER && password == PASSWORD).then_some(caller))
    }

    async fn reach(&self, _: Caller, target: &Target) -> Result<Option<Reach>, PortError> {
        self.there()?;
        let rules = self.rules.lock().unwrap();
        Ok(rules.iter().filter_map(|rule| rule.reach(&target.host, target.port)).max())
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        let seen = self.changed.subscribe();
        futures_util::stream::unfold(seen, |mut seen| async move {
            seen.changed().await.ok()?;
            Some(((), seen))
        })
        .boxed()
    }

    fn count(&self, outcome: &'static str) {
        *self.counts.lock().unwrap().entry(outcome).or_default() += 1;
    }

    fn carry(&self, opened: i64, _: u64) {
        self.open.send_modify(|open| *open += opened);
    }
}

/// Names with the addresses that they have one look-up after the other; the last ones stay.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>>);

impl Names {
    pub(super) fn add(&self, name: &str, addresses: &[&[&str]]) {
        let parsed = addresses.iter().map(|one| one.iter().map(|text| text.parse().unwrap()).collect());
        self.0.lock().unwrap().insert(name.to_owned(), parsed.collect());
    }
}

#[async_trait]
impl LookUp for Names {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock().unwrap();
        let known = names.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(if known.len() > 1 { known.remove(0) } else { known[0].clone() })
    }
}

/// A proxy that serves until it is dropped.
pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) rules: Arc<Rules>,
    pub(super) names: Names,
    _stop: DropGuard,
}

impl Rig {
    /// A proxy on loopback addresses, which it may dial.
    pub(super) async fn start(rules: &[&str]) -> Self {
        Self::with(rules, Policy { allow_loopback: true, ..Policy::default() }, Limits::default()).await
    }

    pub(super) async fn with(rules: &[&str], policy: Policy, limits: Limits) -> Self {
        let told = Arc::new(Rules {
            rules: Mutex::default(),
            counts: Mutex::default(),
            open: watch::Sender::new(0),
            changed: watch::Sender::new(0),
            away: Mutex::new(false),
        });
        told.set(rules);
        let names = Names::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Proxy::with_look_up(told.clone(), (policy, Box::new(names.clone())), limits);
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, proxy, stop.clone()));
        Self { address, rules: told, names, _stop: stop.drop_guard() }
    }

    /// Sends a text and gives the connection.
    pub(super) async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // One that is closed at once may not take it.
        stream.write_all(text.as_bytes()).await.ok();
        stream
    }

    /// Asks for a tunnel as whom the header says.
    pub(super) async fn connect(&self, target: &str) -> (TcpStream, String) {
        let text = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{}\r\n", proof());
        let mut stream = self.send(&text).await;
        let head = head(&mut stream).await;
        (stream, head)
    }

    /// Sends a request and gives the whole answer. The connection ends with it.
    pub(super) async fn ask(&self, text: &str) -> String {
        whole(self.send(text).await).await
    }
}

/// The header that proves who asks.
pub(super) fn proof() -> String {
    format!("proxy-authorization: Basic {}\r\n", STANDARD.encode(format!("{USER}:{PASSWORD}")))
}

/// A request for a URL.
pub(super) fn get(url: &str) -> String {
    format!("GET {url} HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\n{}\r\n", proof())
}

/// Reads to the end of the headers.
pub(super) async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer") {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Reads to the end.
pub(super) async fn whole(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("an end");
    // A reset is an end as well.
    read.ok();
    String::from_utf8_lossy(&text).into_owned()
}

/// A server that gives back what it reads, and ends its side when the other has ended.
pub(super) async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.ok();
                write.shutdown().await.ok();
            });
        }
    });
    port
}

/// An HTTP server that answers each request with its own text, and says on which of its connections it came.
pub(super) async fn mirror() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            number += 1;
            tokio::spawn(async move {
                loop {
                    let asked = head(&mut stream).await;
                    if asked.is_empty() {
                        return;
                    }
                    let text = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-connection: {number}\r\nproxy-status: forged\r\n\r\n{asked}",
                        asked.len()
                    );
                    stream.write_all(text.as_bytes()).await.unwrap();
                }
            });
        }
    });
    port
}
