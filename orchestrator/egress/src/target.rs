//! Where a request goes, as its first line says.

use hyper::{Method, Request, Uri};
use sluice_ports::egress::Target;
use url::Host;

/// What the first line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A tunnel.
    Tunnel(Target),
    /// An answer to this one request.
    Answer(Target),
}

impl Wish {
    pub(crate) fn target(&self) -> &Target {
        match self {
            Self::Tunnel(target) | Self::Answer(target) => target,
        }
    }
}

/// Reads the first line. Says what is wrong with one that is no request to a proxy.
pub(crate) fn read<B>(request: &Request<B>) -> Result<Wish, &'static str> {
    let uri = request.uri();
    let authority = uri.authority().ok_or("it names no host: this is a proxy")?;
    if authority.as_str().contains('@') {
        return Err("a host has neither user name nor password before it");
    }
    if request.method() == Method::CONNECT {
        let port = authority.port_u16().ok_or("CONNECT needs a host and a port")?;
        return Ok(Wish::Tunnel(target(uri, port)?));
    }
    if uri.scheme_str() != Some("http") {
        return Err("only http URLs are requested here; CONNECT leads anywhere else");
    }
    // A colon without a port, or with one that is too large.
    if authority.as_str().rsplit(']').next().is_some_and(|rest| rest.contains(':'))
        && authority.port_u16().is_none()
    {
        return Err("the port is none");
    }
    Ok(Wish::Answer(target(uri, authority.port_u16().unwrap_or(80))?))
}

/// The host in the one form that rules know. Whatever a look-up would take for an address is one.
fn target(uri: &Uri, port: u16) -> Result<Target, &'static str> {
    let bad = "the host is none";
    if port == 0 {
        return Err("the port is none");
    }
    let host = match Host::parse(uri.host().ok_or(bad)?).map_err(|_| bad)? {
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
        Host::Domain(name) => name.strip_suffix('.').unwrap_or(&name).to_owned(),
    };
    if host.is_empty() || host.len() > 253 {
        return Err(bad);
    }
    Ok(Target { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(method: &str, uri: &str) -> Result<Wish, &'static str> {
        read(&Request::builder().method(method).uri(uri).body(()).unwrap())
    }

    fn target(host: &str, port: u16) -> Target {
        Target { host: host.to_owned(), port }
    }

    #[test]
    fn hosts_have_one_form() {
        for (uri, host, port) in [
            ("http://API.Example.com/x?y", "api.example.com", 80),
            ("http://api.example.com.:8080/", "api.example.com", 8080),
            ("http://0x7f.1/", "127.0.0.1", 80),
            ("http://2130706433/", "127.0.0.1", 80),
            ("http://[::ffff:127.0.0.1]:81/", "::ffff:127.0.0.1", 81),
            ("http://[0:0::1]/", "::1", 80),
        ] {
            assert_eq!(wish("GET", uri), Ok(Wish::Answer(target(host, port))), "{uri}");
        }
        assert_eq!(wish("CONNECT", "Broker.test:5672"), Ok(Wish::Tunnel(target("broker.test", 5672))));
        assert_eq!(wish("CONNECT", "[fd00::1]:443"), Ok(Wish::Tunnel(target("fd00::1", 443))));
    }

    #[test]
    fn what_is_no_request_to_a_proxy_is_refused() {
        for (method, uri) in [
            ("GET", "/metrics"),
            ("OPTIONS", "*"),
            ("GET", "https://api.example.com/"),
            ("GET", "ftp://api.example.com/"),
            ("GET", "http://user:password@api.example.com/"),
            ("GET", "http://user@api.example.com/"),
            ("GET", "http://x:0/"),
            ("CONNECT", "api.example.com"),
            ("CONNECT", "x@api.example.com:443"),
        ] {
            assert!(wish(method, uri).is_err(), "{method} {uri}");
        }
    }
}
