//! The address and user of an instance, and connections to it.

use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind};
use serde::Deserialize;
use sluice_sdk::{Context, Error};
use tokio::time::timeout;
use url::Url;

const HEARTBEAT_SECONDS: u16 = 15;
/// The library keeps buffers of 32 frames each way, so the usual 128 KiB a frame would cost 8 MiB a connection.
const FRAME_BYTES: u32 = 32 * 1024;
/// How long any answer of the broker may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    username: String,
    password: String,
}

/// Where to connect, and as whom.
pub(crate) struct Access {
    pub(crate) version: u64,
    uri: AMQPUri,
}

impl Access {
    pub(crate) async fn of(cx: &Context) -> Result<Self, Error> {
        let credentials = cx.credentials::<Settings, Secrets>().await?;
        let mut uri = address(&credentials.settings.url)?;
        uri.authority.userinfo.username = credentials.secrets.username;
        uri.authority.userinfo.password = credentials.secrets.password;
        uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
        uri.query.frame_max = Some(FRAME_BYTES);
        Ok(Self { version: credentials.version, uri })
    }

    /// Opens a connection that shows the step's name in the broker's console.
    pub(crate) async fn connect(&self, cx: &Context) -> Result<Connection, Error> {
        let name = format!("sluice {}", cx.step());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connected = answered(cx.egress().amqp(self.uri.clone(), properties)).await;
        if connected.is_err() {
            // The secret may have been replaced since it was fetched.
            cx.forget_credentials().await;
            if let Some(away) = cx.egress().absence().await {
                return Err(away);
            }
        }
        connected
    }
}

fn address(text: &str) -> Result<AMQPUri, Error> {
    let refuse = |why: &str| Error::fatal("bad_settings", format_args!("the setting `url` {why}"));
    let url = Url::parse(text).map_err(|_| refuse("is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("may hold no user or password: they are secrets"));
    }
    let mut uri: AMQPUri = text.parse().map_err(|_| refuse("is no amqp or amqps URL"))?;
    if url.path().is_empty() || url.path() == "/" {
        uri.vhost = "/".to_owned();
    }
    Ok(uri)
}

/// Bounds a wait for the broker, and says whether its refusal may pass.
pub(crate) async fn answered<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
    match timeout(PATIENCE, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(Error::retryable("broker_silent", "the broker does not answer")),
    }
}

/// What a refusal means. A missing queue or right may be mended by the broker's owner, so those are retryable too.
pub(crate) fn failure(error: &lapin::Error) -> Error {
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            Error::retryable("broker_refused", format_args!("the broker refuses: {}", error.get_message()))
        }
        _ => Error::retryable(
            "broker_unreachable",
            format_args!("the connection to the broker failed: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_credentials() {
        assert!(address("amqp://guest:guest@host/x").unwrap_err().to_string().contains("secrets"));
        assert!(address("http://host").is_err());
        assert_eq!(address("amqp://host/shop").unwrap().vhost, "shop");
        assert_eq!(address("amqp://host").unwrap().vhost, "/");
        assert_eq!(address("amqps://host").unwrap().authority.port, 5671);
    }
}
