//! The broker's management API: one user per container start, with the least rights that do.
//!
//! A user may write to its deployment's exchange, read its deployment's lanes and configure nothing. Deleting it closes
//! its connections.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use sluice_domain::{ContainerStartId, DeploymentId, topology};
use sluice_ports::broker::BrokerUsers;
use sluice_ports::{Fault, PortError, failpoint};
use url::Url;

/// Most connections of a container's user.
const CONNECTIONS: u32 = 4;
/// Most channels of a container's user.
const CHANNELS: u32 = 2000;

/// The management API of a broker.
pub struct Management {
    client: Client,
    base: Url,
    username: String,
    password: SecretString,
    vhost: String,
    installation: String,
}

/// A management URL that cannot be used. Does not repeat the URL, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ManagementUrlError {
    /// It is no HTTP URL.
    #[error("the management URL is not of the form http://user:password@host:15672")]
    Url,
    /// The HTTP client cannot be made.
    #[error("the HTTP client for the management API cannot be made")]
    Client(#[source] reqwest::Error),
}

impl Management {
    /// Reads the URL with its credentials. `installation` tells this installation's users from others'.
    ///
    /// # Errors
    /// See [`ManagementUrlError`].
    pub fn new(url: &str, vhost: &str, installation: &str) -> Result<Self, ManagementUrlError> {
        let mut base: Url = url.parse().map_err(|_| ManagementUrlError::Url)?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(ManagementUrlError::Url);
        }
        let decode = |text: &str| {
            let pairs = format!("x={}", text.replace('+', "%2B"));
            url::form_urlencoded::parse(pairs.as_bytes())
                .next()
                .map_or_else(String::new, |(_, value)| value.into_owned())
        };
        let (username, password) = (decode(base.username()), decode(base.password().unwrap_or_default()));
        base.set_username("").and_then(|()| base.set_password(None)).map_err(|()| ManagementUrlError::Url)?;
        let client = Client::builder()
            .timeout(Duration::from_secs(10))
            .connect_timeout(Duration::from_secs(3))
            .no_proxy()
            .build()
            .map_err(ManagementUrlError::Client)?;
        Ok(Self {
            client,
            base,
            username,
            password: password.into(),
            vhost: vhost.to_owned(),
            installation: installation.to_owned(),
        })
    }

    /// How many nodes the broker's cluster has.
    ///
    /// # Errors
    /// When the management API does not answer.
    pub async fn nodes(&self) -> Result<usize, PortError> {
        let body = self.call(Method::GET, &["nodes"], None).await?;
        let nodes: Vec<serde_json::Value> = serde_json::from_slice(&body).map_err(unreadable)?;
        Ok(nodes.len())
    }

    /// Makes the virtual host, in which `user` may do everything. Idempotent.
    ///
    /// # Errors
    /// When the management API does not answer, or its user may not make virtual hosts.
    pub async fn make_vhost(&self, user: &str) -> Result<(), PortError> {
        self.call(Method::PUT, &["vhosts", &self.vhost], Some(json!({}))).await?;
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        for user in [user, &self.username] {
            self.call(Method::PUT, &["permissions", &self.vhost, user], Some(all.clone())).await?;
        }
        Ok(())
    }

    /// Deletes the virtual host with everything in it. Idempotent.
    ///
    /// # Errors
    /// As [`make_vhost`](Self::make_vhost).
    pub async fn delete_vhost(&self) -> Result<(), PortError> {
        match self.call(Method::DELETE, &["vhosts", &self.vhost], None).await {
            Ok(_) | Err(PortError { fault: Fault::NotFound, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn vhost(&self) -> &str {
        &self.vhost
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &[&str],
        body: Option<serde_json::Value>,
    ) -> Result<bytes::Bytes, PortError> {
        self.send((method, path, &[]), body).await
    }

    /// Asks with a query.
    pub(crate) async fn ask(&self, path: &[&str], query: &[(&str, &str)]) -> Result<bytes::Bytes, PortError> {
        self.send((Method::GET, path, query), None).await
    }

    async fn send(
        &self,
        (method, path, query): (Method, &[&str], &[(&str, &str)]),
        body: Option<serde_json::Value>,
    ) -> Result<bytes::Bytes, PortError> {
        let operation = || format!("{method} /api/{} of the broker's management API", path[0]);
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(path);
        }
        let mut request = self
            .client
            .request(method.clone(), url)
            .query(query)
            .basic_auth(&self.username, Some(self.password.expose_secret()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let transient =
            |error: reqwest::Error| PortError::new(Fault::Transient, operation(), error.without_url());
        let response = request.send().await.map_err(transient)?;
        let status = response.status();
        if status.is_success() {
            return response.bytes().await.map_err(transient);
        }
        let fault = match status {
            StatusCode::NOT_FOUND => Fault::NotFound,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => Fault::Permanent,
            _ => Fault::Transient,
        };
        Err(PortError::new(fault, operation(), format!("it answered {status}")))
    }
}

pub(crate) fn unreadable(error: serde_json::Error) -> PortError {
    PortError::new(Fault::Permanent, "read the answer of the broker's management API", error)
}

#[derive(Deserialize)]
struct User {
    name: String,
}

#[async_trait]
impl BrokerUsers for Management {
    fn name(&self, start: ContainerStartId) -> String {
        format!("sluice-{}-{start}", self.installation)
    }

    async fn grant(
        &self,
        start: ContainerStartId,
        deployment: DeploymentId,
        password: &SecretString,
    ) -> Result<(), PortError> {
        let name = self.name(start);
        let user = json!({ "password": password.expose_secret(), "tags": "" });
        self.call(Method::PUT, &["users", &name], Some(user)).await?;
        for (limit, value) in [("max-connections", CONNECTIONS), ("max-channels", CHANNELS)] {
            let body = json!({ "value": value });
            match self.call(Method::PUT, &["user-limits", &name, limit], Some(body)).await {
                // Brokers before 3.8.10 have no limits per user.
                Ok(_) | Err(PortError { fault: Fault::NotFound, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        failpoint::reach("user_before_permissions").await?;
        let rights = json!({
            "configure": "^$",
            "write": topology::write_pattern(deployment),
            "read": topology::read_pattern(deployment),
        });
        self.call(Method::PUT, &["permissions", &self.vhost, &name], Some(rights)).await?;
        failpoint::reach("user_after_permissions").await
    }

    async fn revoke(&self, start: ContainerStartId) -> Result<(), PortError> {
        let name = self.name(start);
        match self.call(Method::DELETE, &["users", &name], None).await {
            Ok(_) | Err(PortError { fault: Fault::NotFound, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn list(&self) -> Result<Vec<ContainerStartId>, PortError> {
        let body = self.call(Method::GET, &["users"], None).await?;
        let users: Vec<User> = serde_json::from_slice(&body).map_err(unreadable)?;
        let prefix = format!("sluice-{}-", self.installation);
        Ok(users.iter().filter_map(|user| user.name.strip_prefix(&prefix)?.parse().ok()).collect())
    }
}
