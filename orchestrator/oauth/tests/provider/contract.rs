//! The contract, against a provider of a few lines: HTTP before the fake of the testkit.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json as object};
use sluice_oauth::HttpOAuth;
use sluice_ports::oauth::{
    ClientCredentials, CodeExchange, DevicePoll, DeviceStart, Endpoint, OAuth, OAuthError, Refresh, Revoke,
    Tokens,
};
use sluice_testkit::contract::oauth::{OAuthHarness, suite};
use sluice_testkit::fakes::MemoryOAuth;
use sluice_testkit::fixtures::endpoint;

use super::server::{Asked, Reply, Server, here, json, reply};

struct Provider {
    memory: Arc<MemoryOAuth>,
    server: Server,
    oauth: Arc<HttpOAuth>,
    codes: AtomicU64,
}

impl Provider {
    async fn start() -> Self {
        let memory = Arc::<MemoryOAuth>::default();
        let behind = Arc::clone(&memory);
        let server = Server::start(move |asked| {
            let memory = Arc::clone(&behind);
            Box::pin(async move { serve(&memory, &asked).await })
        })
        .await;
        let oauth = Arc::new(HttpOAuth::new(&here()).unwrap());
        Self { memory, server, oauth, codes: AtomicU64::new(1) }
    }
}

async fn serve(memory: &MemoryOAuth, asked: &Asked) -> Reply {
    // "client" and "client-secret".
    if asked.headers.get("authorization").map(String::as_str) != Some("Basic Y2xpZW50OmNsaWVudC1zZWNyZXQ=") {
        return json(401, &object!({ "error": "invalid_client" }));
    }
    let form = asked.form();
    let answered = match asked.path.as_str() {
        "/device" => device(memory).await,
        "/revoke" => revoke(memory, &form).await,
        _ => token(memory, &form).await,
    };
    match answered {
        Ok(body) => json(200, &body),
        // The provider repeats whatever it was shown, as careless ones do.
        Err(OAuthError::Refused { error, .. }) => {
            json(400, &object!({ "error": error, "error_description": format!("no: {}", asked.body) }))
        }
        Err(_) => reply(503, "text/html", "<h1>Service Unavailable</h1>"),
    }
}

async fn token(memory: &MemoryOAuth, form: &BTreeMap<String, String>) -> Result<Value, OAuthError> {
    let endpoint = endpoint("http://memory/token");
    let secret = |name: &str| SecretString::from(form[name].as_str());
    let got = match form["grant_type"].as_str() {
        "authorization_code" => {
            let verifier = form.get("code_verifier").map(|text| SecretString::from(text.as_str()));
            let (code, redirect_uri) = (secret("code"), form["redirect_uri"].clone());
            memory.exchange(&CodeExchange { endpoint, code, verifier, redirect_uri }).await?
        }
        "refresh_token" => memory.refresh(&Refresh { endpoint, token: secret("refresh_token") }).await?,
        "client_credentials" => {
            memory.client_credentials(&ClientCredentials { endpoint, scopes: Vec::new() }).await?
        }
        _ => memory.poll_device(&DevicePoll { endpoint, device_code: secret("device_code") }).await?,
    };
    Ok(written(&got))
}

fn written(tokens: &Tokens) -> Value {
    object!({
        "access_token": tokens.access.expose_secret(),
        "refresh_token": tokens.refresh.as_ref().map(ExposeSecret::expose_secret),
        "token_type": "bearer",
        "expires_in": tokens.expires_in.map(|left| left.as_secs()),
    })
}

async fn device(memory: &MemoryOAuth) -> Result<Value, OAuthError> {
    let start = DeviceStart { endpoint: endpoint("http://memory/device"), scopes: Vec::new() };
    let codes = memory.start_device(&start).await?;
    Ok(object!({
        "device_code": codes.device_code.expose_secret(), "user_code": codes.user_code,
        "verification_uri": codes.verification_uri.as_str(), "expires_in": 600,
    }))
}

async fn revoke(memory: &MemoryOAuth, form: &BTreeMap<String, String>) -> Result<Value, OAuthError> {
    let (endpoint, token) = (endpoint("http://memory/revoke"), SecretString::from(form["token"].as_str()));
    let kind = serde_json::from_value(object!(form["token_type_hint"].trim_end_matches("_token"))).unwrap();
    memory.revoke(&Revoke { endpoint, token, kind }).await.map(|()| object!({}))
}

#[async_trait]
impl OAuthHarness for Provider {
    fn oauth(&self) -> Arc<dyn OAuth> {
        self.oauth.clone()
    }

    fn tokens(&self) -> Endpoint {
        endpoint(&self.server.url("/token"))
    }

    fn devices(&self) -> Endpoint {
        endpoint(&self.server.url("/device"))
    }

    fn revocations(&self) -> Endpoint {
        endpoint(&self.server.url("/revoke"))
    }

    async fn code(&self, challenge: Option<&str>, redirect_uri: &str) -> SecretString {
        let code = format!("code/{}+", self.codes.fetch_add(1, Ordering::SeqCst));
        self.memory.grant(&code, challenge, redirect_uri);
        SecretString::from(code)
    }

    async fn decide(&self, user_code: &str, agreed: bool) {
        if agreed { self.memory.approve(user_code) } else { self.memory.deny(user_code) }
    }

    async fn set_down(&self, down: bool) {
        self.memory.set_down(down);
    }
}

#[tokio::test]
async fn the_adapter_keeps_the_contract() {
    let provider = Provider::start().await;
    suite(&provider).await;
    assert!(provider.server.asked().len() > 20);
}

#[tokio::test]
async fn nobody_there_is_worth_another_try() {
    let provider = Provider::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/token?key=hidden", listener.local_addr().unwrap());
    drop(listener);
    let refresh = Refresh { endpoint: endpoint(&nobody), token: SecretString::from("hunter2-token") };
    let error = provider.oauth.refresh(&refresh).await.unwrap_err();
    assert!(error.is_transient() && matches!(error, OAuthError::Unreachable { .. }), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hidden") && !text.contains("hunter2"), "{text}");
}
