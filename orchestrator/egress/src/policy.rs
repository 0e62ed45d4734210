//! Which addresses may be dialled, whatever the rules say of the host.

use std::net::{IpAddr, SocketAddr};

use sluice_addresses::{Kind, Network, canonical, kind};
use sluice_protocol::Reach;

/// Which addresses may be dialled, whatever the rules say of the host.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether rules may lead to loopback addresses of this machine: for tests, and for development on one machine.
    pub allow_loopback: bool,
    /// Networks that nobody may go to.
    pub refused: Vec<Network>,
    /// Listeners of Sluice itself that components reach by themselves.
    pub own: Vec<SocketAddr>,
    /// Networks of the components' containers, each with the machine's own address on it. This machine reaches those
    /// containers, and would be the way between two that have none.
    pub containers: Vec<(Network, IpAddr)>,
}

impl Policy {
    /// Whether a connection that may lead as far as `reach` may lead here.
    pub(crate) fn admits(&self, address: SocketAddr, reach: Reach) -> bool {
        let ip = canonical(address.ip());
        let refused = |ip: IpAddr| self.refused.iter().any(|network| network.contains(ip));
        let own = self.own.contains(&SocketAddr::new(ip, address.port()));
        if own || refused(ip) || refused(address.ip()) || self.is_container(ip) {
            return false;
        }
        match kind(ip) {
            Kind::Never => false,
            Kind::Public => true,
            Kind::Internal if ip.is_loopback() => self.allow_loopback && reach == Reach::Internal,
            Kind::Internal => !is_nowhere(ip) && reach == Reach::Internal,
        }
    }

    fn is_container(&self, ip: IpAddr) -> bool {
        self.containers.iter().any(|(network, machine)| network.contains(ip) && ip != *machine)
    }
}

/// Addresses that are no host's: unspecified ones, which mean this machine to the system, groups, and what is reserved.
fn is_nowhere(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(four) => matches!(four.octets()[0], 0 | 224..),
        IpAddr::V6(six) => six.is_unspecified() || six.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &Policy, ip: &str, reach: Reach) -> bool {
        policy.admits(SocketAddr::new(ip.parse().unwrap(), 80), reach)
    }

    #[test]
    fn a_rule_leads_to_hosts_and_nowhere_else() {
        let policy = Policy {
            refused: vec!["10.9.0.0/16".parse().unwrap(), "203.0.113.7".parse().unwrap()],
            own: vec!["172.18.0.1:80".parse().unwrap()],
            containers: vec![("172.30.0.0/16".parse().unwrap(), "172.30.0.1".parse().unwrap())],
            ..Policy::default()
        };
        let (public, internal) = ((true, true), (false, true));
        let never = (false, false);
        for (ip, expect) in [
            ("93.184.216.34", public),
            ("2606:2800:220:1:248:1893:25c8:1946", public),
            ("203.0.113.7", never),
            ("10.0.0.1", internal),
            ("10.9.0.1", never),
            ("::ffff:10.9.0.1", never),
            ("64:ff9b::a09:1", never),
            ("192.168.1.1", internal),
            ("fd00::1", internal),
            ("172.18.0.1", never),
            ("::ffff:172.18.0.1", never),
            ("172.18.0.2", internal),
            ("172.30.0.1", internal),
            ("172.30.0.2", never),
            ("172.30.255.255", never),
            ("::ffff:172.30.0.2", never),
            ("64:ff9b::ac1e:2", never),
            ("172.31.0.2", internal),
            ("127.0.0.1", never),
            ("127.9.9.9", never),
            ("::1", never),
            ("::ffff:127.0.0.1", never),
            ("0.0.0.0", never),
            ("0.1.2.3", never),
            ("::", never),
            ("::ffff:0.0.0.0", never),
            ("224.0.0.1", never),
            ("255.255.255.255", never),
            ("240.0.0.1", never),
            ("ff02::1", never),
            ("169.254.169.254", never),
            ("64:ff9b::a9fe:a9fe", never),
            ("fe80::1", never),
            ("fd00:ec2::254", never),
            ("168.63.129.16", never),
        ] {
            let found = (check(&policy, ip, Reach::Public), check(&policy, ip, Reach::Internal));
            assert_eq!(found, expect, "{ip}");
        }
    }

    #[test]
    fn loopback_is_open_to_named_hosts_where_the_operator_says_so() {
        let policy = Policy { allow_loopback: true, ..Policy::default() };
        assert!(check(&policy, "127.0.0.1", Reach::Internal) && check(&policy, "::1", Reach::Internal));
        assert!(!check(&policy, "127.0.0.1", Reach::Public));
        assert!(!check(&policy, "0.0.0.0", Reach::Internal) && !check(&policy, "::", Reach::Internal));
        assert!(!check(&policy, "169.254.169.254", Reach::Internal));
    }
}
