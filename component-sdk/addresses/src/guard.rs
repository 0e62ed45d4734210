//! Looks names up, and refuses those that lead where they must not.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The error of a name that leads where it must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its address is internal")]
pub struct Refused;

/// A resolver for reqwest that refuses names with an address out of reach: all of such a name, as the next look-up may
/// choose another address. It does not see literal addresses; see [`literal`].
#[derive(Clone)]
pub struct Guard(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl Guard {
    /// A guard that lets addresses pass for which `may` is true.
    pub fn new(may: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(may))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let may = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !found.iter().all(|address| may(address.ip())) {
                return Err(Refused.into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// The address that a URL names without a look-up.
#[must_use]
pub fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// Whether a request failed because a [`Guard`] refused its host.
#[must_use]
pub fn was_refused(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref::<Refused>().is_some() {
            return true;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_seen_in_every_spelling() {
        for (url, expect) in [
            ("http://127.0.0.1/", Some("127.0.0.1")),
            ("http://2130706433/", Some("127.0.0.1")),
            ("http://0x7f.1/", Some("127.0.0.1")),
            ("http://[::1]:80/", Some("::1")),
            ("http://localhost/", None),
        ] {
            let found = literal(&url.parse().unwrap());
            assert_eq!(found, expect.map(|text| text.parse().unwrap()), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_with_an_address_out_of_reach_is_refused() {
        let name = || "localhost".parse::<Name>().unwrap();
        assert!(Guard::new(|_| true).resolve(name()).await.is_ok());
        let refused = Guard::new(|address| !address.is_loopback()).resolve(name()).await.err().unwrap();
        assert!(refused.downcast_ref::<Refused>().is_some(), "{refused}");
    }
}
