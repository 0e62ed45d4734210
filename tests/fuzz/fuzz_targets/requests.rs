//! Requests to the API, to webhooks, to pages' routes and to callbacks of a whole server in memory: tokens, paths, queries,
//! cursors, headers, bodies. No answer is a fault of ours, and each refusal is a problem with a code.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use secrecy::ExposeSecret;
use sluice_domain::Permission;
use sluice_engine::{Engine, Settings};
use sluice_http::{Access, ApiState, Router, api_router};
use sluice_ports::Ports;
use sluice_ports::broker::Broker;
use sluice_testkit::fakes::{
    CountingEntropy, ManualClock, MemoryBroker, MemoryNotifier, MemoryOAuth, MemoryRuntime, MemoryStore,
    MemoryUsers, MemoryVault,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

struct Server {
    runtime: Runtime,
    router: Router,
    token: String,
}

thread_local! {
    static SERVER: Server = Server::start();
}

impl Server {
    fn start() -> Self {
        // Whatever waits for time gets it at once.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let (router, token) = runtime.block_on(async {
            let clock = Arc::new(ManualClock::default());
            let broker = Arc::new(MemoryBroker::default());
            broker.declare_base().await.expect("memory");
            let ports = Ports {
                oauth: Arc::new(MemoryOAuth::default()),
                notifier: Some(Arc::new(MemoryNotifier::default())),
                spans: None,
                broker: broker.clone(),
                users: Some(Arc::new(MemoryUsers::default())),
                watch: Some(broker),
                runtime: Arc::new(MemoryRuntime::new(clock.clone())),
                store: Arc::new(MemoryStore::default()),
                vault: Arc::new(MemoryVault::default()),
                clock,
                entropy: Arc::new(CountingEntropy::default()),
            };
            let stop = CancellationToken::new();
            let settings = Settings { workers: 1, ..Settings::default() };
            let engine = Engine::start(ports, settings, stop.clone()).await.expect("an engine");
            let all = BTreeSet::from([Permission::Admin]);
            let (_, token) = engine.create_token("fuzz", None, all, None).await.expect("a token");
            let router = api_router(ApiState::new(engine, Access::Tokens, stop));
            (router, token.expose_secret().to_owned())
        });
        Self { runtime, router, token }
    }

    /// The first line is the method and the path, then come headers, an empty line and the body. `@` stands for the token.
    fn take(&self, data: &[u8]) {
        let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
            Some(at) => (&data[..at], &data[at + 2..]),
            None => (data, &[][..]),
        };
        let Ok(head) = std::str::from_utf8(head) else { return };
        let mut lines = head.lines();
        let Some((method, path)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
        let (Ok(method), Ok(uri)) = (method.parse::<Method>(), path.parse::<Uri>()) else { return };
        let mut request = Request::new(Body::from(body.to_vec()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim().replace('@', &self.token);
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
                request.headers_mut().append(name, value);
            }
        }
        self.runtime.block_on(self.judge(request));
    }

    async fn judge(&self, request: Request<Body>) {
        let about = format!("{} {}", request.method(), request.uri());
        // A refusal may repeat a header that holds it; that of the token itself is repeated nowhere.
        let mut others = request.headers().iter().filter(|(name, _)| *name != "authorization");
        let said = others.any(|(_, value)| String::from_utf8_lossy(value.as_bytes()).contains(&self.token));
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        assert!(status != 500, "{about} met a fault");
        assert_eq!(parts.headers["x-content-type-options"], "nosniff", "{about}");
        let kind = parts.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        // A stream has no end.
        if kind.contains("event-stream") || kind.contains("ndjson") {
            return;
        }
        let kind = kind.to_owned();
        let body = to_bytes(body, 64 << 20).await.expect("an answer has an end");
        let text = String::from_utf8_lossy(&body);
        assert!(said || !text.contains(&self.token), "{about} shows the token");
        let page = kind.starts_with("text/html") || about.contains("/readyz");
        assert!(
            status < 400 || page || kind == "application/problem+json",
            "{about}: {status} {kind} {text}"
        );
    }
}

fuzz_target!(|data: &[u8]| SERVER.with(|server| server.take(data)));
