//! Which hosts a call may talk to, and which of them may see its credentials.
//!
//! The origin of `base_url` and the hosts that the manifest names are chosen by people, so they may be internal ones. Other
//! ports of the host of `base_url` are not: other services listen there. A host that only a wildcard lets in is chosen by
//! whoever answered, so it has to be a public one.

use sluice_addresses::{Kind, kind, literal};
use sluice_sdk::Error;
use url::Url;

/// An entry of `allowed_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Exact(String),
    /// Every host below it, with the dot before it.
    Below(String),
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some(below) if below.starts_with('.') => Self::Below(below.to_owned()),
            _ => Self::Exact(text.trim_start_matches('[').trim_end_matches(']').to_owned()),
        }
    }

    fn fits(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => host == exact,
            Self::Below(below) => host.len() > below.len() && host.ends_with(below.as_str()),
        }
    }
}

/// Which addresses a connection may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any but those of clouds' metadata services and other link-local ones.
    Internal,
    /// Those of the public internet.
    Public,
}

/// The hosts of a call.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    base: Url,
    patterns: Vec<Pattern>,
}

impl Hosts {
    pub(crate) fn new(base: Url, patterns: Vec<Pattern>) -> Self {
        Self { base, patterns }
    }

    /// Whether a request may go to this URL, and to which addresses it may lead.
    pub(crate) fn admit(&self, url: &Url) -> Result<Reach, Error> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::fatal("host_refused", "the URL is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::fatal("host_refused", "a URL may hold no user name and password"));
        }
        let host = name(url);
        let exact = self.trusts(url) || self.patterns.contains(&Pattern::Exact(host.clone()));
        let reach = if exact {
            Reach::Internal
        } else if self.patterns.iter().any(|pattern| pattern.fits(&host)) {
            Reach::Public
        } else if host == name(&self.base) {
            let text = "it is another port of it than that of `base_url`, or one without TLS; `allowed_hosts` does not name it";
            return Err(Error::fatal(
                "host_refused",
                format_args!("no request goes to this place of `{host}`: {text}"),
            ));
        } else {
            let text = "it is neither the host of `base_url` nor one of `allowed_hosts`";
            return Err(Error::fatal("host_refused", format_args!("no request goes to `{host}`: {text}")));
        };
        match literal(url).map(kind) {
            Some(kind) if !reach.covers(kind) => Err(refused_address(&host)),
            _ => Ok(reach),
        }
    }

    /// Whether this URL may see the credentials: the origin of the base URL, or the same host with TLS instead of without.
    pub(crate) fn trusts(&self, url: &Url) -> bool {
        stays(&self.base, url)
    }

    /// A URL of an answer. Behind a proxy many servers believe that they speak plain HTTP, and say so.
    pub(crate) fn mend(&self, mut url: Url) -> Url {
        let plain = self.base.scheme() == "https" && url.scheme() == "http";
        if plain && name(&url) == name(&self.base) && url.port().is_none() {
            // An https URL with a host stays one.
            url.set_scheme("https").ok();
        }
        url
    }
}

impl Reach {
    /// Whether addresses of this kind may be connected to.
    pub(crate) fn covers(self, kind: Kind) -> bool {
        match kind {
            Kind::Public => true,
            Kind::Internal => self == Self::Internal,
            Kind::Never => false,
        }
    }
}

/// Whether one URL is of the origin of another, or of the same host with TLS instead of without.
pub(crate) fn stays(from: &Url, to: &Url) -> bool {
    if name(from) != name(to) {
        return false;
    }
    let ports = (from.port_or_known_default(), to.port_or_known_default());
    match (from.scheme(), to.scheme()) {
        ("http", "https") => ports.0 == ports.1 || ports == (Some(80), Some(443)),
        ("https", "http") => false,
        _ => ports.0 == ports.1,
    }
}

pub(crate) fn refused_address(host: &str) -> Error {
    Error::fatal("host_refused", format_args!("no request goes to `{host}`: its address is internal"))
}

/// The host, without brackets and the dot of the root.
pub(crate) fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(base: &str, allowed: &[&str]) -> Hosts {
        Hosts::new(base.parse().unwrap(), allowed.iter().map(|host| Pattern::new(host)).collect())
    }

    #[test]
    fn only_named_hosts_are_admitted() {
        let hosts =
            hosts("https://api.example.com/v1", &["files.example.net", "*.cdn.example.org", "10.1.2.3"]);
        for (url, expect) in [
            ("https://api.example.com/x", Some(Reach::Internal)),
            ("https://API.example.com./x", Some(Reach::Internal)),
            ("https://api.example.com:443/x", Some(Reach::Internal)),
            ("https://api.example.com:8443/x", None),
            ("http://api.example.com/x", None),
            ("https://files.example.net/x", Some(Reach::Internal)),
            ("https://files.example.net:8443/x", Some(Reach::Internal)),
            ("https://a.b.cdn.example.org/x", Some(Reach::Public)),
            ("http://10.1.2.3/x", Some(Reach::Internal)),
            ("http://0x0a010203/x", Some(Reach::Internal)),
            ("https://cdn.example.org/x", None),
            ("https://evilcdn.example.org/x", None),
            ("https://api.example.com.evil.test/", None),
            ("http://127.0.0.1/", None),
            ("http://2130706433/", None),
            ("http://[::1]/", None),
            ("ftp://api.example.com/", None),
            ("https://a:b@api.example.com/", None),
        ] {
            assert_eq!(hosts.admit(&url.parse().unwrap()).ok(), expect, "{url}");
        }
    }

    #[test]
    fn other_ports_of_the_host_are_open_where_it_is_named() {
        let url = "http://10.1.2.3:9000/x".parse().unwrap();
        let error = hosts("http://10.1.2.3:8080", &[]).admit(&url).unwrap_err();
        assert_eq!(error.code(), "host_refused");
        let named = hosts("http://10.1.2.3:8080", &["10.1.2.3"]);
        assert_eq!(named.admit(&url).unwrap(), Reach::Internal);
        assert!(!named.trusts(&url), "credentials stay behind");
    }

    #[test]
    fn metadata_services_are_never_admitted() {
        for url in [
            "http://169.254.169.254/latest",
            "http://2852039166/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
        ] {
            let error = hosts(url, &[]).admit(&url.parse().unwrap()).unwrap_err();
            assert_eq!(error.code(), "host_refused", "{url}");
        }
    }

    #[test]
    fn credentials_go_to_the_origin_of_the_base_url() {
        for (base, url, expect) in [
            ("https://a.test", "https://a.test/next?x=1", true),
            ("https://a.test", "https://a.test:443/", true),
            ("https://a.test", "https://a.test:8443/", false),
            ("https://a.test", "http://a.test/", false),
            ("http://a.test", "https://a.test/", true),
            ("https://a.test", "https://b.test/", false),
        ] {
            assert_eq!(hosts(base, &["b.test"]).trusts(&url.parse().unwrap()), expect, "{base} {url}");
        }
    }
}
