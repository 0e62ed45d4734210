//! Where requests to providers may lead.
//!
//! A provider's URL comes from a connector's file and an instance's settings, and requests go out from the machine of the
//! orchestrator, which sees more than containers do. So they go to the public internet, over TLS. This machine and private
//! networks are open where a setting says so, then without TLS as well. Link-local addresses and the metadata services of
//! clouds are refused always, further networks by setting.

use std::net::IpAddr;

use sluice_addresses::{Kind, Network, kind, literal};
use url::Url;

/// Which addresses a connection may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// There is TLS.
    pub(crate) tls: bool,
    /// Networks of this machine and private ones that are open.
    pub(crate) allowed: Vec<Network>,
    /// Networks that are refused, whatever else is said.
    pub(crate) refused: Vec<Network>,
}

impl Reach {
    pub(crate) fn covers(&self, address: IpAddr) -> bool {
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        let fits = match kind(address) {
            Kind::Public => self.tls,
            Kind::Internal => is_in(&self.allowed),
            Kind::Never => false,
        };
        fits && !is_in(&self.refused)
    }

    /// Why a request may not go to this URL, as far as its text shows.
    pub(crate) fn refusal(&self, url: &Url) -> Option<&'static str> {
        if !matches!(url.scheme(), "http" | "https") {
            return Some("it is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Some("a URL may hold no user name and password");
        }
        literal(url).filter(|address| !self.covers(*address)).map(|_| self.why())
    }

    /// Why an address is out of reach.
    pub(crate) fn why(&self) -> &'static str {
        if self.tls {
            "its address is refused; one of a private network has to be in `oauth.allowed_networks`"
        } else {
            "its address is refused; without https it has to be in `oauth.allowed_networks`"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_open_by_setting_and_nothing_goes_to_metadata_services() {
        let networks = |all: &[&str]| all.iter().map(|one| one.parse().unwrap()).collect::<Vec<Network>>();
        let (allowed, refused) =
            (networks(&["10.0.0.0/8", "169.254.0.0/16", "::1"]), networks(&["10.9.0.0/16"]));
        for (address, with_tls, without) in [
            ("93.184.216.34", true, false),
            ("127.0.0.1", false, false),
            ("192.168.1.1", false, false),
            ("10.8.1.1", true, true),
            ("::1", true, true),
            ("10.9.1.1", false, false),
            ("::ffff:10.9.1.1", false, false),
            ("169.254.169.254", false, false),
            ("100.100.100.200", false, false),
            ("fe80::1", false, false),
        ] {
            for (tls, expect) in [(true, with_tls), (false, without)] {
                let reach = Reach { tls, allowed: allowed.clone(), refused: refused.clone() };
                assert_eq!(reach.covers(address.parse().unwrap()), expect, "{address} {tls}");
            }
        }
    }

    #[test]
    fn a_url_shows_some_of_it() {
        let reach = Reach { tls: true, allowed: vec!["10.0.0.0/8".parse().unwrap()], refused: Vec::new() };
        for (url, refused) in [
            ("https://login.example/", false),
            ("https://10.0.0.1/", false),
            ("https://192.168.0.1/", true),
            ("https://[::ffff:127.0.0.1]/", true),
            ("https://169.254.169.254/", true),
            ("https://2852039166/", true),
            ("https://a:b@login.example/", true),
            ("ftp://login.example/", true),
        ] {
            assert_eq!(reach.refusal(&url.parse().unwrap()).is_some(), refused, "{url}");
        }
    }
}
