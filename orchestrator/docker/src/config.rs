//! How to reach the engine, and what to call things there.

/// How to reach the engine, and what to call things there.
#[derive(Debug, Clone, Default)]
pub struct DockerConfig {
    /// Where the engine listens, for example `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`; the local engine
    /// when absent.
    pub host: Option<String>,
    /// Tells the containers of several orchestrators on one engine apart: 1 to 32 characters of `a-z 0-9 -`.
    pub installation: String,
    /// A network that somebody else made and looks after, for example the one of a compose project. When absent, an own
    /// one is made, whose containers cannot reach each other.
    pub network: Option<String>,
    /// Whether containers on our own network reach whatever this machine reaches. Otherwise it has no route out.
    pub open: bool,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name of the installation breaks its rule.
    #[error("`{0}` is no name of an installation: 1 to 32 characters of a-z 0-9 -")]
    Installation(String),
    /// The address of the engine cannot be used.
    #[error("`{host}` is no address of a container engine")]
    Host {
        /// The address as configured.
        host: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl DockerConfig {
    /// Checks the name of the installation, which becomes part of names and labels.
    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        let name = &self.installation;
        let inner = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if inner && (1..=32).contains(&name.len()) {
            return Ok(());
        }
        Err(ConnectError::Installation(name.chars().take(64).collect()))
    }
}
