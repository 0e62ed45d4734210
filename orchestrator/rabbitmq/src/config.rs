//! Where the broker is.

use std::fmt;
use std::str::FromStr;

use lapin::uri::{AMQPScheme, AMQPUri};

/// The library keeps buffers of 32 frames each way: with the usual 128 KiB a frame three idle connections take 24 MiB.
const FRAME_BYTES: u32 = 32 * 1024;

/// An AMQP URL with its credentials: `amqp://user:password@host:5672/vhost`. Prints without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl(AMQPUri);

/// A text that is no AMQP URL. Does not repeat the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker URL is not of the form amqp://user:password@host:5672/vhost: {0}")]
pub struct BrokerUrlError(String);

/// The type of the queues that Sluice declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueType {
    /// Classic queues: right for a broker of one node, where quorum queues cost memory and processor time for nothing.
    #[default]
    Classic,
    /// Quorum queues: right for a cluster.
    Quorum,
}

impl BrokerUrl {
    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.authority.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.authority.port
    }

    /// The virtual host.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// The same broker and user, and another virtual host.
    #[must_use]
    pub fn with_vhost(&self, vhost: &str) -> Self {
        let mut uri = self.0.clone();
        vhost.clone_into(&mut uri.vhost);
        Self(uri)
    }

    /// Whether the URL asks for TLS.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }

    /// The user.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.0.authority.userinfo.username
    }

    /// The password. For handing it on to components where the broker has no management API.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.0.authority.userinfo.password
    }

    pub(crate) fn to_lapin(&self) -> AMQPUri {
        let mut uri = self.0.clone();
        uri.query.heartbeat = uri.query.heartbeat.or(Some(15));
        uri.query.connection_timeout = uri.query.connection_timeout.or(Some(10_000));
        uri.query.frame_max = uri.query.frame_max.or(Some(FRAME_BYTES));
        uri
    }
}

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser takes a text without an authority for the name of a virtual host.
        if !(text.starts_with("amqp://") || text.starts_with("amqps://")) {
            return Err(BrokerUrlError("it begins with neither amqp:// nor amqps://".to_owned()));
        }
        text.parse().map(Self).map_err(|_| BrokerUrlError("it cannot be read".to_owned()))
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls() { "amqps" } else { "amqp" };
        write!(f, "{scheme}://{}:{}/{}", self.host(), self.port(), self.vhost())
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_prints_without_its_password() {
        let url: BrokerUrl = "amqp://me:hunter2@broker:5673/shop".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "amqp://broker:5673/shop amqp://broker:5673/shop");
        assert_eq!((url.username(), url.password()), ("me", "hunter2"));
        assert_eq!(url.with_vhost("lab").to_string(), "amqp://broker:5673/lab");
        assert!(!"amqp:/me:hunter2@x".parse::<BrokerUrl>().unwrap_err().to_string().contains("hunter2"));
    }
}
