//! A virtual host of its own with the topology of one deployment, and the component's process.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use sluice_sdk::protocol::batch::{self, Encoding};
use sluice_sdk::protocol::gateway::{Assignment, Role};
use sluice_sdk::protocol::{Envelope, MessageId, Outcome};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::gateway::Gateway;

const EXCHANGE: &str = "x.dep";
const ROUTER: &str = "router.00";
pub(crate) const LANE: &str = "q.dep.lane";
pub(crate) const SUSPECTS: &str = "q.dep.suspects";
pub(crate) const INVOCATIONS: &str = "q.dep.invocations";

pub(crate) struct World {
    gateway: Gateway,
    amqp: Url,
    vhost: Vhost,
    connection: Connection,
    channel: Channel,
    router: Mutex<Consumer>,
    revision: AtomicU64,
    next_id: AtomicU64,
}

/// Deleted with its queues at the end of the test, whether it passed or not.
struct Vhost {
    name: String,
    management: Url,
}

fn needed(name: &str) -> Url {
    let text = std::env::var(name).unwrap_or_else(|_| panic!("this test needs a broker: set {name}"));
    text.parse().unwrap()
}

impl Vhost {
    async fn new() -> Self {
        let vhost = Self {
            name: format!("sdk-test-{:016x}", rand::random::<u64>()),
            management: needed("SLUICE_TEST_MANAGEMENT_URL"),
        };
        vhost.ask(Method::PUT, &format!("vhosts/{}", vhost.name), Value::Null).await;
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        let user = vhost.management.username().to_owned();
        vhost.ask(Method::PUT, &format!("permissions/{}/{user}", vhost.name), all).await;
        vhost
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let mut url = self.management.join(&format!("/api/{path}")).unwrap();
        url.set_username("").unwrap();
        url.set_password(None).unwrap();
        let client =
            reqwest::Client::builder().tls_backend_preconfigured(sluice_sdk::tls_config()).build().unwrap();
        let user = self.management.username();
        let request = client.request(method, url).basic_auth(user, self.management.password()).json(&body);
        let response = request.send().await.unwrap();
        assert!(
            response.status().is_success() || response.status().as_u16() == 404,
            "{path}: {}",
            response.status()
        );
        response.json().await.unwrap_or(Value::Null)
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(self.ask(Method::DELETE, &format!("vhosts/{}", self.name), Value::Null));
            });
        });
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        // Built before any connection is open: the build blocks this thread, and with it the heartbeats.
        faulty();
        let vhost = Vhost::new().await;
        let mut amqp = needed("SLUICE_TEST_AMQP_URL");
        amqp.set_path(&vhost.name);
        let connection = Connection::connect(amqp.as_str(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        for queue in [ROUTER, LANE, SUSPECTS, INVOCATIONS] {
            channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
        }
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let none = FieldTable::default;
        channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Direct, options, none()).await.unwrap();
        let bind = QueueBindOptions::default();
        channel.queue_bind(ROUTER.into(), EXCHANGE.into(), "00".into(), bind, none()).await.unwrap();
        let router = channel
            .basic_consume(ROUTER.into(), "".into(), BasicConsumeOptions::default(), none())
            .await
            .unwrap();
        let session = json!({
            "deployment": "dep", "exchange": EXCHANGE, "suspects": SUSPECTS, "invocations": INVOCATIONS,
            "broker": {
                "host": amqp.host_str(), "port": amqp.port().unwrap_or(5672), "vhost": vhost.name,
                "username": amqp.username(), "password": amqp.password(),
            },
        });
        let gateway = Gateway::start(session).await;
        let (revision, next_id) = (AtomicU64::new(1), AtomicU64::new(1));
        Self { gateway, amqp, vhost, connection, channel, router: Mutex::new(router), revision, next_id }
    }

    pub(crate) fn assign(&self, assignments: &[Assignment]) {
        let revision = self.revision.fetch_add(1, Ordering::Relaxed) + 1;
        self.gateway.assignments.send_replace(json!({ "revision": revision, "assignments": assignments }));
    }

    pub(crate) fn refuse_tokens(&self) {
        self.gateway.refusing.send_replace(true);
    }

    /// Sends one batch with these bodies.
    pub(crate) async fn send(&self, queue: &str, step: &str, bodies: Vec<Value>) {
        self.publish(queue, bodies.iter().map(|body| self.envelope(step, body)).collect()).await;
    }

    /// Sends an invocation of the action that `function` names.
    pub(crate) async fn invoke(&self, function: &str, body: &Value, expires_at: i64) {
        let invocation = json!({
            "function": function, "role": "action", "config": {}, "timeout_ms": 5000, "routing_key": "00",
            "expires_at": expires_at,
        });
        let mut envelope: Value = serde_json::from_slice(&self.envelope("invocation/x", body)).unwrap();
        envelope["invocation"] = invocation;
        self.publish(INVOCATIONS, vec![envelope.to_string().into_bytes()]).await;
    }

    async fn publish(&self, queue: &str, records: Vec<Vec<u8>>) {
        let payload = batch::encode(&records);
        let mut properties =
            BasicProperties::default().with_delivery_mode(2).with_type(batch::ENVELOPES.into());
        if let Some(encoding) = payload.encoding.header() {
            properties = properties.with_content_encoding(encoding.into());
        }
        let options = BasicPublishOptions::default();
        self.channel
            .basic_publish("".into(), queue.into(), options, &payload.bytes, properties)
            .await
            .unwrap();
    }

    fn envelope(&self, step: &str, body: &Value) -> Vec<u8> {
        let id = MessageId::from_bits(self.next_id.fetch_add(1, Ordering::Relaxed).into());
        let text =
            format!(r#"{{"id":"{id}","step":"{step}","attempt":1,"body":{body},"context":{{"kept": 1}}}}"#);
        let envelope: Envelope = serde_json::from_str(&text).unwrap();
        serde_json::to_vec(&envelope).unwrap()
    }

    /// The next `count` outcomes, in the order in which the router gets them.
    pub(crate) async fn outcomes(&self, count: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            let next = timeout(Duration::from_secs(30), self.next_batch()).await;
            outcomes.extend(next.unwrap_or_else(|_| panic!("{} of {count} outcomes came", outcomes.len())));
        }
        assert_eq!(outcomes.len(), count, "more outcomes than expected");
        outcomes
    }

    /// What else came, and comes within a moment.
    pub(crate) async fn rest(&self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Ok(batch) = timeout(Duration::from_millis(500), self.next_batch()).await {
            outcomes.extend(batch);
        }
        outcomes
    }

    async fn next_batch(&self) -> Vec<Outcome> {
        let delivery = self.router.lock().await.next().await.unwrap().unwrap();
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        let encoding = delivery.properties.content_encoding().as_ref().map(|text| text.to_string());
        let encoding = Encoding::from_header(encoding.as_deref()).unwrap();
        assert_eq!(delivery.properties.kind().as_ref().map(|kind| kind.as_str()), Some(batch::OUTCOMES));
        let records = batch::decode(&delivery.data.into(), encoding).unwrap();
        records.iter().map(|record| serde_json::from_slice(record).unwrap()).collect()
    }

    /// Takes a message as a consumer that dies, so that it is delivered again.
    pub(crate) async fn take_and_lose(&self, queue: &str) {
        let connection =
            Connection::connect(self.amqp.as_str(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        while channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap().is_none() {}
        connection.close(200, "OK".into()).await.unwrap();
    }

    /// How many messages are in a queue and in nobody's hands.
    pub(crate) async fn waiting(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.channel
            .queue_declare(queue.into(), options, FieldTable::default())
            .await
            .unwrap()
            .message_count()
    }

    /// Closes the component's connections through the management API.
    pub(crate) async fn close_connections(&self) {
        assert!(self.connection.status().connected());
        let mut closed = 0;
        for _ in 0..40 {
            let list = self
                .vhost
                .ask(Method::GET, &format!("vhosts/{}/connections", self.vhost.name), Value::Null)
                .await;
            for connection in list.as_array().into_iter().flatten() {
                let named = connection["client_properties"]["connection_name"].as_str().unwrap_or_default();
                if named.starts_with("dep ") {
                    let name = connection["name"].as_str().unwrap().replace(' ', "%20").replace('>', "%3E");
                    self.vhost.ask(Method::DELETE, &format!("connections/{name}"), Value::Null).await;
                    closed += 1;
                }
            }
            if closed >= 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the management API shows no connections of the component");
    }

    pub(crate) fn start_component(&self) -> Component {
        Component::start(&self.gateway.url)
    }
}

pub(crate) struct Component {
    child: Child,
    gateway: String,
}

impl Component {
    fn start(gateway: &str) -> Self {
        let boot = json!({ "gateway": gateway, "token": "secret" }).to_string() + "\n";
        let mut child = Command::new(faulty())
            .stdin(Stdio::piped())
            .env_remove("SLUICE_GATEWAY")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        tokio::spawn(async move { stdin.write_all(boot.as_bytes()).await.unwrap() });
        Self { child, gateway: gateway.to_owned() }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        self.exit_code(Duration::from_secs(30)).await
    }

    pub(crate) async fn exit_code(&mut self, patience: Duration) -> Option<i32> {
        let status = timeout(patience, self.child.wait()).await;
        status.unwrap_or_else(|_| panic!("the component at {} does not end", self.gateway)).unwrap().code()
    }
}

fn is_of_package(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The `faulty` component, built by the cargo that runs this test.
fn faulty() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT
        .get_or_init(|| {
            let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
            let mut build = std::process::Command::new(cargo);
            // As the tests are built: other features of what crates share would make it all anew.
            build.args(["build", "-q", "--workspace", "--bins", "--tests"]);
            // What cargo tells this test about its package are inputs of build scripts, which would all run again, and
            // with them everything that depends on `ring`.
            let told = std::env::vars_os().map(|(name, _)| name);
            for name in told.filter(|name| name.to_str().is_some_and(is_of_package)) {
                build.env_remove(name);
            }
            assert!(build.status().unwrap().success());
            let deps = std::env::current_exe().unwrap();
            deps.parent().and_then(std::path::Path::parent).unwrap().join("sluice-component-faulty")
        })
        .clone()
}

pub(crate) fn assignment(step: &str, function: &str, role: Role, config: Value) -> Assignment {
    Assignment {
        step: step.parse().unwrap(),
        function: function.parse().unwrap(),
        role,
        queue: None,
        config,
        instance: None,
        revision: None,
        concurrency: 1,
        timeout_ms: 20000,
        routing_key: "00".to_owned(),
        paused: false,
    }
}

pub(crate) fn action(step: &str, config: Value, concurrency: u32, timeout_ms: u64) -> Assignment {
    let queue = Some(LANE.to_owned());
    Assignment { queue, concurrency, timeout_ms, ..assignment(step, "act", Role::Action, config) }
}
