//! From a target to a connection: one look-up, whose addresses are judged and then dialled.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluice_ports::egress::Target;
use sluice_protocol::Reach;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::policy::Policy;
use crate::refusal::{Code, Refusal};

/// Most addresses of a name that are tried.
const ADDRESSES: usize = 8;

/// Finds the addresses of names.
#[async_trait]
pub(crate) trait LookUp: Send + Sync {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's way, with a bound of the threads that it takes.
pub(crate) struct System(Arc<Semaphore>);

impl System {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }
}

#[async_trait]
impl LookUp for System {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let place = Arc::clone(&self.0).acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        // The place is given back when the thread is, not when somebody gives up waiting for it.
        let looked = tokio::task::spawn_blocking(move || {
            let found = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), 0));
            drop(place);
            found.map(|found| found.map(|address| address.ip()).collect())
        });
        looked.await.map_err(io::Error::other)?
    }
}

/// Makes connections.
pub(crate) struct Dialler {
    pub(crate) look_up: Box<dyn LookUp>,
    pub(crate) policy: Policy,
    pub(crate) look_up_time: Duration,
    pub(crate) connect_time: Duration,
}

impl Dialler {
    /// Connects to a target, to addresses no further than `reach`.
    pub(crate) async fn dial(&self, target: &Target, reach: Reach) -> Result<TcpStream, Refusal> {
        let addresses = self.judged(target, reach).await?;
        let until = Instant::now() + self.connect_time;
        for address in addresses {
            match timeout_at(until, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // An answer that waits for more is late; nothing else depends on it.
                    stream.set_nodelay(true).ok();
                    return Ok(stream);
                }
                Ok(Err(_)) => {}
                Err(_) => {
                    return Err(Refusal::new(
                        Code::TimedOut,
                        format!("{target} takes no connection in time"),
                    ));
                }
            }
        }
        Err(Refusal::new(Code::Unreachable, format!("{target} takes no connection")))
    }

    /// The addresses of a target. One that must not be dialled spoils them all: the next look-up may choose another.
    async fn judged(&self, target: &Target, reach: Reach) -> Result<Vec<SocketAddr>, Refusal> {
        let found = match target.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => match timeout(self.look_up_time, self.look_up.addresses(&target.host)).await {
                Ok(Ok(found)) if !found.is_empty() => found,
                Ok(_) => return Err(Refusal::new(Code::NotFound, format!("{target} has no address"))),
                Err(_) => {
                    return Err(Refusal::new(
                        Code::TimedOut,
                        format!("the address of {target} was not found in time"),
                    ));
                }
            },
        };
        let mut addresses: Vec<SocketAddr> =
            found.into_iter().map(|address| SocketAddr::new(address, target.port)).collect();
        if !addresses.iter().all(|address| self.policy.admits(*address, reach)) {
            let text = match reach {
                Reach::Internal => "leads to an address that no component may go to",
                Reach::Public => "leads to an internal address, and only a wildcard lets it in",
            };
            return Err(Refusal::new(Code::Address, format!("{target} {text}")));
        }
        addresses.truncate(ADDRESSES);
        Ok(addresses)
    }
}
