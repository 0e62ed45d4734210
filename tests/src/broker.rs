//! A virtual host of its own on the test broker, and plain AMQP access to it from outside of Sluice.

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use rand::Rng;
use url::Url;

use crate::leftovers;

/// A short text that no other test uses.
#[must_use]
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:08x}", rand::rng().random::<u32>())
}

/// A virtual host on the test broker. Deleted by [`Broker::remove`].
#[derive(Debug, Clone)]
pub struct Broker {
    amqp: Url,
    management: Url,
    vhost: String,
    http: reqwest::Client,
}

impl Broker {
    /// Makes a virtual host. `SLUICE_TEST_AMQP_URL` and `SLUICE_TEST_MANAGEMENT_URL` say where; `tests/run` sets both.
    ///
    /// # Errors
    /// When they are not set, or the broker does not answer.
    pub async fn create(vhost: &str) -> Result<Self> {
        let url = |name: &str| -> Result<Url> {
            let text = std::env::var(name).with_context(|| format!("{name} is not set; run tests/run"))?;
            Ok(text.parse()?)
        };
        Self::create_at(url("SLUICE_TEST_AMQP_URL")?, url("SLUICE_TEST_MANAGEMENT_URL")?, vhost).await
    }

    /// Makes a virtual host on a broker. Both URLs hold an administrator's credentials and no path.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn create_at(amqp: Url, management: Url, vhost: &str) -> Result<Self> {
        // A provider may be installed already by another world.
        rustls::crypto::ring::default_provider().install_default().ok();
        // The broker closes idle connections in its own time, which may be that of the next request.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        let broker = Self { amqp, management, vhost: vhost.to_owned(), http };
        leftovers::clear(&broker).await?;
        broker.make().await?;
        Ok(broker)
    }

    /// Makes the virtual host, as an operator does for a broker that lost its data.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn make(&self) -> Result<()> {
        let whose = serde_json::json!({ "description": leftovers::description() }).to_string();
        self.call("PUT", &["vhosts", &self.vhost], Some(&whose)).await?;
        let user = self.management.username().to_owned();
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        self.call("PUT", &["permissions", &self.vhost, &user], Some(all)).await?;
        Ok(())
    }

    /// Deletes the virtual host with everything in it.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn remove(&self) -> Result<()> {
        self.call("DELETE", &["vhosts", &self.vhost], None).await.map(|_| ())
    }

    /// Calls the management API.
    ///
    /// # Errors
    /// When it does not answer with success.
    pub async fn call(&self, method: &str, path: &[&str], body: Option<&str>) -> Result<serde_json::Value> {
        let mut url = self.management.clone();
        let (user, password) = (url.username().to_owned(), url.password().unwrap_or_default().to_owned());
        url.set_username("").ok();
        url.set_password(None).ok();
        url.path_segments_mut().ok().context("no base URL")?.pop_if_empty().push("api").extend(path);
        let mut request = self.http.request(method.parse()?, url).basic_auth(user, Some(password));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let response = request.send().await?;
        ensure!(response.status().is_success(), "{method} {path:?}: {}", response.status());
        let text = response.text().await?;
        Ok(if text.is_empty() { serde_json::Value::Null } else { serde_json::from_str(&text)? })
    }

    /// The AMQP URL of the virtual host, with its credentials.
    #[must_use]
    pub fn amqp_url(&self) -> String {
        format!("{}/{}", self.amqp.as_str().trim_end_matches('/'), self.vhost)
    }

    /// The management URL, with its credentials.
    #[must_use]
    pub fn management_url(&self) -> String {
        self.management.to_string()
    }

    /// The host and port, the user and the password.
    #[must_use]
    pub fn parts(&self) -> (String, u16, String, String) {
        let host = self.amqp.host_str().unwrap_or("127.0.0.1").to_owned();
        let password = self.amqp.password().unwrap_or_default().to_owned();
        (host, self.amqp.port().unwrap_or(5672), self.amqp.username().to_owned(), password)
    }

    /// The virtual host's name.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// The process of the broker on this machine.
    ///
    /// # Errors
    /// When the broker does not answer, or does not say.
    pub async fn pid(&self) -> Result<u32> {
        let nodes = self.call("GET", &["nodes"], None).await?;
        let pid = nodes[0]["os_pid"].as_str().context("the broker does not name its process")?;
        Ok(pid.parse()?)
    }

    /// The names of all queues of the virtual host.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn queues(&self) -> Result<Vec<String>> {
        let queues = self.call("GET", &["queues", &self.vhost], None).await?;
        let names = queues.as_array().into_iter().flatten().filter_map(|queue| queue["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// The names of the broker users whose names begin with `prefix`.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn users(&self, prefix: &str) -> Result<Vec<String>> {
        let users = self.call("GET", &["users"], None).await?;
        let names = users.as_array().into_iter().flatten().filter_map(|user| user["name"].as_str());
        Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
    }

    /// Closes every connection of the virtual host from the broker's side.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn drop_connections(&self) -> Result<usize> {
        let all = self.call("GET", &["vhosts", &self.vhost, "connections"], None).await?;
        let names: Vec<&str> =
            all.as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect();
        for name in &names {
            // One that ended by itself meanwhile is as good.
            self.call("DELETE", &["connections", name], None).await.ok();
        }
        Ok(names.len())
    }

    /// Opens a connection from outside of Sluice.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn connect(&self) -> Result<Amqp> {
        Amqp::connect(&self.amqp_url()).await
    }
}

/// A plain AMQP connection with one channel in confirm mode.
pub struct Amqp {
    /// The channel.
    pub channel: Channel,
    connection: Connection,
}

impl Amqp {
    /// Connects.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn connect(url: &str) -> Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { channel, connection })
    }

    /// Closes the connection after everything that was sent on it, acknowledgements above all.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn close(self) -> Result<()> {
        self.connection.close(200, "done".into()).await.map_err(Into::into)
    }

    /// Declares a durable topic exchange.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn exchange(&self, name: &str) -> Result<()> {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        self.channel
            .exchange_declare(name.into(), ExchangeKind::Topic, options, FieldTable::default())
            .await?;
        Ok(())
    }

    /// Declares a durable queue, bound to an exchange if one is given.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn queue(&self, name: &str, binding: Option<(&str, &str)>) -> Result<()> {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(name.into(), options, FieldTable::default()).await?;
        if let Some((exchange, key)) = binding {
            let options = QueueBindOptions::default();
            self.channel
                .queue_bind(name.into(), exchange.into(), key.into(), options, FieldTable::default())
                .await?;
        }
        Ok(())
    }

    /// Publishes persistent JSON messages, each with an id, and waits until all are confirmed.
    ///
    /// # Errors
    /// When one of them is not stored.
    pub async fn publish_all(&self, exchange: &str, key: &str, messages: &[(String, Vec<u8>)]) -> Result<()> {
        for chunk in messages.chunks(500) {
            let mut confirms = Vec::with_capacity(chunk.len());
            for (id, body) in chunk {
                let properties = BasicProperties::default()
                    .with_delivery_mode(2)
                    .with_content_type("application/json".into())
                    .with_message_id(id.as_str().into());
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let sent = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties);
                confirms.push(sent.await?);
            }
            for confirm in confirms {
                ensure!(matches!(confirm.await?, Confirmation::Ack(None)), "a message was not stored");
            }
        }
        Ok(())
    }

    /// Reads messages until `enough` says so, acknowledging each: its id and its body.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn drain(&self, queue: &str, mut enough: impl FnMut(String, Vec<u8>) -> bool) -> Result<()> {
        self.channel.basic_qos(500, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let mut stream =
            self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
        while let Some(delivery) = stream.next().await {
            let delivery = delivery?;
            let id = delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
            delivery.acker.ack(BasicAckOptions::default()).await?;
            if enough(id, delivery.data) {
                break;
            }
        }
        Ok(())
    }

    /// How many messages wait in a queue.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn depth(&self, queue: &str) -> Result<u32> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        Ok(found.message_count())
    }

    /// A table with one text argument.
    #[must_use]
    pub fn argument(key: &str, value: &str) -> FieldTable {
        let mut table = FieldTable::default();
        table.insert(key.into(), AMQPValue::LongString(value.into()));
        table
    }
}
