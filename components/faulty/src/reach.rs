//! What a hostile component tries against the container beside it: every kind of packet that it can send, and what
//! arrives of it there.

use std::io::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SocketType, ipproto};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// A group that listeners belong to.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
/// A question of ICMP: an echo, without its checksum, which the kernel writes.
const ECHO: [u8; 10] = [8, 0, 0, 0, 0, 0, 0, 1, b'h', b'i'];

/// What came to the listeners of this process.
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Another container, and the machine between.
#[derive(Clone, Deserialize)]
pub(crate) struct Reach {
    /// The other one's address.
    container: Ipv4Addr,
    /// Its address of version 6 that needs no network, made of its hardware's.
    link_local: Ipv6Addr,
    /// The machine's address.
    host: Ipv4Addr,
    /// The address of all on the network.
    broadcast: Ipv4Addr,
    /// Where the other one listens; one above it is for version 6.
    port: u16,
}

/// Listens for everything on a port of every address, until the process ends.
pub(crate) fn listen(port: u16) -> Result<(), Error> {
    let streams = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    let packets = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    packets.join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED)?;
    // There may be no version 6 at all.
    let packets_of_six = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port + 1)).ok();
    std::thread::spawn(move || {
        for stream in streams.incoming().flatten() {
            hear("tcp", stream.peer_addr().ok());
        }
    });
    for packets in [Some(packets), packets_of_six].into_iter().flatten() {
        std::thread::spawn(move || {
            while let Ok((_, from)) = packets.recv_from(&mut [0; 64]) {
                hear("udp", Some(from));
            }
        });
    }
    Ok(())
}

/// Whom the listeners have heard, for example `tcp 172.18.0.1`.
pub(crate) fn heard() -> Value {
    json!({ "heard": *HEARD.lock().unwrap_or_else(PoisonError::into_inner) })
}

fn hear(what: &str, from: Option<SocketAddr>) {
    let from = from.map_or_else(String::new, |from| from.ip().to_string());
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what} {from}"));
}

impl Reach {
    /// Tries everything, and says what answered or could be sent.
    pub(crate) fn carry_out(&self) -> Value {
        let groups =
            [self.container, self.broadcast, Ipv4Addr::BROADCAST, Ipv4Addr::new(224, 0, 0, 1), GROUP];
        let all_of_six = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let version_6 = [self.link_local, all_of_six];
        json!({
            "tcp": connects(self.container, self.port),
            "tcp_by_host": connects(self.host, self.port),
            "echo": answers_echo(self.container),
            "echo_of_host": answers_echo(self.host),
            "udp": groups.map(|to| sent(send(to.into(), self.port, 0))),
            "own_version_6": std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default(),
            "version_6": version_6.map(|to| sent(send(to.into(), self.port + 1, interface()))),
            "raw": [
                opened(AddressFamily::PACKET, SocketType::RAW, None),
                opened(AddressFamily::PACKET, SocketType::DGRAM, None),
                opened(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW)),
                opened(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)),
            ],
        })
    }
}

fn connects(to: Ipv4Addr, port: u16) -> bool {
    TcpStream::connect_timeout(&(to, port).into(), PATIENCE).is_ok()
}

/// Whether an address answers an echo. Such a socket needs no rights.
fn answers_echo(to: Ipv4Addr) -> bool {
    let ask = || {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, Some(ipproto::ICMP))?;
        let socket = UdpSocket::from(socket);
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send_to(&ECHO, (to, 0))?;
        socket.recv(&mut [0; 64])
    };
    ask().is_ok()
}

fn send(to: IpAddr, port: u16, interface: u32) -> Result<(), Error> {
    let (from, to): (IpAddr, SocketAddr) = match to {
        IpAddr::V4(to) => (Ipv4Addr::UNSPECIFIED.into(), (to, port).into()),
        IpAddr::V6(to) => (Ipv6Addr::UNSPECIFIED.into(), SocketAddrV6::new(to, port, 0, interface).into()),
    };
    let socket = UdpSocket::bind((from, 0))?;
    socket.set_broadcast(to.is_ipv4())?;
    socket.send_to(b"anybody there?", to).map(drop)
}

/// The number of the container's network interface.
fn interface() -> u32 {
    let number = std::fs::read_to_string("/sys/class/net/eth0/ifindex").unwrap_or_default();
    number.trim().parse().unwrap_or(0)
}

fn sent(done: Result<(), Error>) -> String {
    done.map_or_else(|error| error.to_string(), |()| "sent".to_owned())
}

fn opened(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> String {
    let opened = rustix::net::socket(family, kind, protocol);
    opened.map_or_else(|error| error.to_string(), |_| "opened".to_owned())
}
