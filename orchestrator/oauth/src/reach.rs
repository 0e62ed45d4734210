//! Where requests to providers may lead.
//!
//! A provider's URL comes from a connector's file and an instance's settings. Link-local addresses and the metadata
//! services of clouds are refused always, further networks by setting. Without TLS a request stays at home: on this
//! machine or a private network.

use std::net::IpAddr;

use sluice_addresses::{Kind, Network, kind, literal};
use url::Url;

/// Which addresses a connection may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// There is TLS.
    pub(crate) tls: bool,
    /// Networks that are refused as well.
    pub(crate) refused: Vec<Network>,
}

impl Reach {
    pub(crate) fn covers(&self, address: IpAddr) -> bool {
        let fits = match kind(address) {
            Kind::Public => self.tls,
            Kind::Internal => true,
            Kind::Never => false,
        };
        fits && !self.refused.iter().any(|network| network.contains(address))
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
        if self.tls { "its address is refused" } else { "its address is refused, or needs https" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_at_home_and_nothing_goes_to_metadata_services() {
        let refused = vec!["10.9.0.0/16".parse().unwrap()];
        for (address, with_tls, without) in [
            ("93.184.216.34", true, false),
            ("127.0.0.1", true, true),
            ("192.168.1.1", true, true),
            ("10.9.1.1", false, false),
            ("::ffff:10.9.1.1", false, false),
            ("169.254.169.254", false, false),
            ("100.100.100.200", false, false),
            ("fe80::1", false, false),
        ] {
            for (tls, expect) in [(true, with_tls), (false, without)] {
                let reach = Reach { tls, refused: refused.clone() };
                assert_eq!(reach.covers(address.parse().unwrap()), expect, "{address} {tls}");
            }
        }
    }

    #[test]
    fn a_url_shows_some_of_it() {
        let reach = Reach { tls: true, refused: Vec::new() };
        for (url, refused) in [
            ("https://login.example/", false),
            ("https://10.0.0.1/", false),
            ("https://169.254.169.254/", true),
            ("https://2852039166/", true),
            ("https://a:b@login.example/", true),
            ("ftp://login.example/", true),
        ] {
            assert_eq!(reach.refusal(&url.parse().unwrap()).is_some(), refused, "{url}");
        }
    }
}
