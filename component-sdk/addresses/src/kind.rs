//! What an address belongs to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The public internet.
    Public,
    /// This machine or a private network.
    Internal,
    /// Link-local ones, and the metadata services of clouds, which hand out credentials to whoever asks.
    Never,
}

/// What an address belongs to. One that holds an IPv4 address counts as that.
#[must_use]
pub fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

/// The address that a connection to this one may end at: the IPv4 address in one that maps, translates or tunnels it.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => inner_v4(six).map_or(address, IpAddr::V4),
    }
}

fn kind_v4(address: Ipv4Addr) -> Kind {
    // Alibaba, Azure and Oracle have theirs outside of 169.254.0.0/16.
    let metadata = [[100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]];
    if address.is_link_local() || metadata.contains(&address.octets()) {
        return Kind::Never;
    }
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let benchmark = first == 198 && (second == 18 || second == 19);
    let assigned = first == 192 && second == 0 && third == 0;
    let internal = address.is_loopback() || address.is_private() || address.is_multicast();
    if internal || shared || benchmark || assigned || first == 0 || first >= 240 {
        return Kind::Internal;
    }
    Kind::Public
}

fn kind_v6(address: Ipv6Addr) -> Kind {
    if let Some(inner) = inner_v4(address) {
        return kind_v4(inner);
    }
    let amazon = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let google = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);
    if address.is_unicast_link_local() || address == amazon || address == google {
        return Kind::Never;
    }
    let first = address.segments()[0];
    // fec0::/10 is what private networks had before fc00::/7.
    let private = address.is_unique_local() || (first & 0xffc0) == 0xfec0;
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() || private {
        return Kind::Internal;
    }
    Kind::Public
}

/// The IPv4 address in one that maps, translates (RFC 2765, RFC 6052, RFC 8215) or tunnels (RFC 3056) it.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        for (text, expect) in [
            ("93.184.216.34", Kind::Public),
            ("2606:2800:220:1:248:1893:25c8:1946", Kind::Public),
            ("127.0.0.1", Kind::Internal),
            ("0.0.0.0", Kind::Internal),
            ("10.0.0.1", Kind::Internal),
            ("172.31.0.1", Kind::Internal),
            ("172.32.0.1", Kind::Public),
            ("192.168.1.1", Kind::Internal),
            ("100.64.0.1", Kind::Internal),
            ("::1", Kind::Internal),
            ("::", Kind::Internal),
            ("fc00::1", Kind::Internal),
            ("::ffff:127.0.0.1", Kind::Internal),
            ("64:ff9b::a00:1", Kind::Internal),
            ("2002:7f00:1::", Kind::Internal),
            ("169.254.1.1", Kind::Never),
            ("::ffff:169.254.169.254", Kind::Never),
            ("64:ff9b::a9fe:a9fe", Kind::Never),
            ("::ffff:0:169.254.169.254", Kind::Never),
            ("64:ff9b:1::a9fe:a9fe", Kind::Never),
            ("fe80::1", Kind::Never),
            ("168.63.129.16", Kind::Never),
        ] {
            assert_eq!(kind(text.parse().unwrap()), expect, "{text}");
        }
    }
}
