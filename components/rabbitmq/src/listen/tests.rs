//! Listening and publishing against a real broker.

use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use serde_json::{Value, json};
use sluice_sdk::testing::Harness;
use url::Url;

/// The broker that the tests may use.
struct Broker {
    channel: Channel,
    url: Url,
    _connection: Connection,
}

impl Broker {
    async fn new() -> Self {
        let text = std::env::var("SLUICE_TEST_AMQP_URL")
            .expect("this test needs a broker: set SLUICE_TEST_AMQP_URL");
        let connection = Connection::connect(&text, ConnectionProperties::default()).await.unwrap();
        Self {
            channel: connection.create_channel().await.unwrap(),
            url: text.parse().unwrap(),
            _connection: connection,
        }
    }

    fn harness(&self) -> Harness {
        let mut bare = self.url.clone();
        bare.set_username("").unwrap();
        bare.set_password(None).unwrap();
        let secrets = json!({ "username": self.url.username(), "password": self.url.password().unwrap() });
        Harness::new(crate::component()).settings(json!({ "url": bare.as_str() })).secrets(secrets)
    }

    async fn queue(&self, name: &str) -> u32 {
        let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare(name.into(), options, FieldTable::default()).await.unwrap();
        queue.message_count()
    }

    async fn send(&self, queue: &str, body: &[u8]) {
        let properties = BasicProperties::default().with_message_id("m".into());
        let options = BasicPublishOptions::default();
        self.channel.basic_publish("".into(), queue.into(), options, body, properties).await.unwrap();
    }
}

fn name(test: &str) -> String {
    format!("test-{test}-{}", std::process::id())
}

#[tokio::test]
async fn a_queue_is_listened_to_and_acknowledged() {
    let broker = Broker::new().await;
    let queue = name("listen");
    broker.queue(&queue).await;
    for n in 0..300 {
        broker.send(&queue, json!({ "n": n }).to_string().as_bytes()).await;
    }
    let outputs =
        broker.harness().listen("listen", json!({ "queue": queue, "prefetch": 50 }), 300).await.unwrap();
    let bodies: Vec<Value> =
        outputs.iter().map(|one| serde_json::from_str(one.body.get()).unwrap()).collect();
    assert_eq!(bodies, (0..300).map(|n| json!({ "n": n })).collect::<Vec<_>>());
    assert_eq!(outputs[0].headers["amqp.routing_key"], queue);
}

#[tokio::test]
async fn an_exchange_is_listened_to_through_a_queue_of_our_own() {
    let broker = Broker::new().await;
    let exchange = name("exchange");
    let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    broker
        .channel
        .exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, options, FieldTable::default())
        .await
        .unwrap();
    let config = json!({ "exchange": exchange, "routing_key": "order.*", "durable": false });
    let harness = broker.harness();
    let listening = harness.listen("listen", config, 1);
    let publishing = async {
        // The binding is made by the listener, so it is asked for until a message gets through.
        loop {
            let publish = json!({ "exchange": exchange, "routing_key": "order.new" });
            if broker.harness().action("publish", publish, json!({ "a": 1 })).await.is_ok() {
                break;
            }
        }
    };
    let (outputs, ()) = tokio::join!(listening, publishing);
    assert_eq!(outputs.unwrap()[0].body.get(), r#"{"a":1}"#);
}

#[tokio::test]
async fn a_message_that_no_queue_takes_is_an_error_and_others_are_not() {
    let broker = Broker::new().await;
    let queue = name("publish");
    broker.queue(&queue).await;
    let harness = broker.harness();
    let ask = |key: String, n: u32| {
        let input = json!({ "body": n, "routing_key": key, "message_id": format!("m{n}") });
        harness.action("publish", json!({}), input)
    };
    let runs = (0..400).map(|n| ask(if n % 2 == 0 { queue.clone() } else { "nowhere".to_owned() }, n));
    let results = futures_util::future::join_all(runs).await;
    for (n, result) in results.iter().enumerate() {
        match result {
            Ok(_) => assert_eq!(n % 2, 0),
            Err(error) => assert_eq!((n % 2, error.code.as_str(), error.retryable), (1, "unroutable", false)),
        }
    }
    assert_eq!(broker.queue(&queue).await, 200);
}
