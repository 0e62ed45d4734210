//! Telling another program of events over HTTP, signed by Standard Webhooks.

use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use reqwest::Client;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use sluice_ports::{Fault, Notice, Notifier, PortError};
use url::Url;

use crate::config::EventWebhook;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends notices to one URL.
pub(crate) struct HttpNotifier {
    http: Client,
    url: Url,
    secret: SecretString,
}

impl HttpNotifier {
    pub(crate) fn new(webhook: &EventWebhook) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, url: webhook.url.clone(), secret: webhook.secret.clone() })
    }
}

#[async_trait]
impl Notifier for HttpNotifier {
    async fn send(&self, notice: &Notice) -> Result<(), PortError> {
        let failed = |why: String| PortError::new(Fault::Transient, "send a notice", why);
        let timestamp = Utc::now().timestamp();
        let secret = self.secret.expose_secret();
        let signature = sluice_webhook::sign(secret, (&notice.id, timestamp), notice.body.as_bytes());
        let signature = signature.ok_or_else(|| failed("the secret is none".to_owned()))?;
        let request = self
            .http
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &notice.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(notice.body.clone());
        // The URL may hold a secret, and says nothing that the configuration does not.
        let answer = request.send().await.map_err(|error| failed(error.without_url().to_string()))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(failed(format!("the answer was {status}"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// Answers one request with a status, and returns the request.
    async fn one_answer(listener: TcpListener, status: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"{\"a\":1}") {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).await.unwrap();
            assert!(read > 0, "the request ended early");
            text.extend_from_slice(&part[..read]);
        }
        let answer = format!("HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    async fn sent(status: &str) -> (Result<(), PortError>, String) {
        rustls::crypto::ring::default_provider().install_default().ok();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hear?key=hidden", listener.local_addr().unwrap());
        let webhook = EventWebhook { url: url.parse().unwrap(), secret: SECRET.into() };
        let notifier = HttpNotifier::new(&webhook).unwrap();
        let notice = Notice { id: "evt_1".to_owned(), body: r#"{"a":1}"#.to_owned() };
        tokio::join!(notifier.send(&notice), one_answer(listener, status))
    }

    #[tokio::test]
    async fn a_notice_is_signed() {
        let (done, request) = sent("204 No Content").await;
        done.unwrap();
        let header = |name: &str| {
            let line = request.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_else(|| panic!("{name} is missing: {request}")).to_owned()
        };
        let at: i64 = header("webhook-timestamp").parse().unwrap();
        let expect = sluice_webhook::sign(SECRET, (&header("webhook-id"), at), br#"{"a":1}"#).unwrap();
        assert_eq!(header("webhook-signature"), expect);
    }

    #[tokio::test]
    async fn only_2xx_means_taken_and_no_redirect_is_followed() {
        for status in ["302 Found", "400 Bad Request", "500 Internal Server Error"] {
            let error = sent(status).await.0.unwrap_err();
            assert!(
                error.is_transient() && !sluice_engine::chain(&error).contains("hidden"),
                "{status}: {error}"
            );
        }
    }
}
