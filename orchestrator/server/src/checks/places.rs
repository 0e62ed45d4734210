//! Where the server listens.

use std::net::{IpAddr, SocketAddr};

use super::finding::{Check, Finding};
use crate::config::Configuration;

pub(super) fn look(configuration: &Configuration) -> Vec<Finding> {
    let listeners = [
        ("api.listen", Some(configuration.api_listen)),
        ("metrics.listen", Some(configuration.metrics_listen)),
        ("gateway.listen", configuration.gateway.listen),
    ];
    let public = |(key, place): (&str, Option<SocketAddr>)| {
        let place = place.filter(|place| !is_private(place.ip()))?;
        Some(format!("{key} is {place}: everybody reaches it who reaches this machine, without TLS"))
    };
    let public: Vec<String> = listeners.into_iter().filter_map(public).collect();
    vec![Finding::wrong(Check::Listeners, "none listens on public addresses", &public)]
}

/// Whether only this machine, or a private network, reaches an address.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_interfaces_are_public() {
        for (ip, private) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.18.0.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("203.0.113.5", false),
        ] {
            assert_eq!(is_private(ip.parse().unwrap()), private, "{ip}");
        }
    }
}
