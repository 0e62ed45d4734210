//! A server in memory, and a client for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use secrecy::ExposeSecret;
use serde_json::Value;
use sluice_domain::Permission;
use sluice_engine::{Engine, Settings};
use sluice_http::{Access, ApiState, Router, api_router, metrics_router};
use sluice_ports::Ports;
use sluice_ports::broker::Broker;
use sluice_ports::runtime::Image;
use sluice_testkit::fakes::{
    CountingEntropy, ManualClock, MemoryBroker, MemoryNotifier, MemoryOAuth, MemoryRuntime, MemoryStore,
    MemoryUsers, MemoryVault,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A server in memory with a connector that can be installed, and a token for each permission.
pub(crate) struct Server {
    router: Router,
    pub(crate) engine: Arc<Engine>,
    pub(crate) broker: Arc<MemoryBroker>,
    pub(crate) runtime: Arc<MemoryRuntime>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) users: Arc<MemoryUsers>,
    pub(crate) notifier: Arc<MemoryNotifier>,
    pub(crate) clock: Arc<ManualClock>,
    tokens: [String; 3],
    _stop: tokio_util::sync::DropGuard,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Whether it is a refusal as it should be: a code, a title, the id of the request.
    pub(crate) fn is_problem(&self) -> bool {
        let kind = self.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json");
        let body: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let id = self.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        kind && body["code"].is_string()
            && body["status"] == self.status
            && body["request_id"] == id
            && !id.is_empty()
    }
}

const IMAGE: &str = "sluice/demo:1.0.0";

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::default());
        let runtime = Arc::new(MemoryRuntime::new(clock.clone()));
        let descriptor = serde_json::json!({
            "name": "demo", "version": "1.0.0", "title": "Demo",
            "triggers": { "listen": { "title": "Listen", "kind": "listener" } },
            "actions": { "act": { "title": "Act" } }
        });
        let digest: sluice_domain::ImageDigest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        let rest = serde_json::json!({
            "name": "rest", "version": "1.0.0", "title": "Declarative connectors",
            "actions": { "call": { "title": "Call" } },
            "triggers": { "poll": { "title": "Poll", "kind": "polling" } }
        });
        for (name, descriptor) in [(IMAGE, descriptor), ("sluice/rest:1.0.0", rest)] {
            let image = Image { digest: Clone::clone(&digest), descriptor: Some(descriptor.to_string()) };
            runtime.add_image(name.parse().unwrap(), image);
        }
        let broker = Arc::new(MemoryBroker::default());
        // The engine does this too, but in its own time.
        broker.declare_base().await.unwrap();
        let store = Arc::new(MemoryStore::default());
        let notifier = Arc::new(MemoryNotifier::default());
        let users = Arc::new(MemoryUsers::default());
        let ports = Ports {
            oauth: Arc::new(MemoryOAuth::default()),
            notifier: Some(notifier.clone()),
            spans: None,
            broker: broker.clone(),
            users: Some(users.clone()),
            watch: Some(broker.clone()),
            runtime: runtime.clone(),
            store: store.clone(),
            vault: Arc::new(MemoryVault::default()),
            clock: clock.clone(),
            entropy: Arc::new(CountingEntropy::default()),
        };
        let stop = CancellationToken::new();
        let settings = Settings { workers: 1, ..settings };
        let engine = Engine::start(ports, settings, stop.clone()).await.unwrap();
        let mut tokens = Vec::new();
        for permission in [Permission::Read, Permission::Write, Permission::Admin] {
            let token = engine.create_token("test", None, BTreeSet::from([permission]), None).await.unwrap();
            tokens.push(token.1.expose_secret().to_owned());
        }
        let router = api_router(ApiState::new(engine.clone(), Access::Tokens, stop.clone()));
        Self {
            router,
            engine,
            broker,
            runtime,
            store,
            users,
            notifier,
            clock,
            tokens: tokens.try_into().unwrap(),
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) fn token(&self, permission: Permission) -> &str {
        &self.tokens[permission as usize]
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // Live streams never end; nobody here reads one.
        let endless = parts.headers.get("content-type").is_some_and(|kind| kind == "application/x-ndjson");
        let bytes = if endless { axum::body::Bytes::new() } else { to_bytes(body, 64 << 20).await.unwrap() };
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// What the metrics listener answers.
    pub(crate) async fn metrics(&self) -> String {
        let router = metrics_router(self.engine.clone(), Arc::new(Vec::new));
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let body = router.oneshot(request).await.unwrap().into_body();
        String::from_utf8(to_bytes(body, 64 << 20).await.unwrap().to_vec()).unwrap()
    }

    /// Sends as the administrator.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.call_with(method, path, body, &[]).await
    }

    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {}", self.token(Permission::Admin)));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.unwrap_or_default().to_owned())).unwrap()).await
    }

    /// Installs a component.
    pub(crate) async fn install(&self, image: &str) {
        let body = format!(r#"{{"image":"{image}"}}"#);
        let installed = self.call("POST", "/api/v1/connectors", Some(&body)).await;
        assert_eq!(installed.status, 201, "{}", installed.text);
    }

    /// Installs the connector and deploys a flow `demo`.
    pub(crate) async fn deploy(&self) {
        self.install(IMAGE).await;
        let applied = self.call("POST", "/api/v1/apply", Some(&apply(FLOW))).await;
        assert_eq!(applied.status, 200, "{}", applied.text);
    }
}

/// A flow of two steps.
pub(crate) const FLOW: &str = "sluice: 1\nkind: template\nname: demo\nversion: 1.0.0\nsteps:\n  \
                        - { id: hear, use: demo/listen }\n  - { id: act, use: demo/act }\n";

pub(crate) fn apply(text: &str) -> String {
    serde_json::json!({ "files": [{ "name": "flow.yaml", "text": text }] }).to_string()
}
