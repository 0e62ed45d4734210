//! What the broker tells of itself, through its management API. Its numbers change every five seconds.

use async_trait::async_trait;
use chrono::DateTime;
use reqwest::Method;
use serde::Deserialize;
use sluice_ports::PortError;
use sluice_ports::broker::{BrokerState, BrokerWatch, QueueState};

use crate::management::{Management, unreadable};

/// What is asked of a queue. All of it would be a hundred times as much.
const COLUMNS: &str = "name,messages_ready,messages_unacknowledged,consumers,head_message_timestamp";

#[derive(Deserialize)]
struct Queue {
    name: String,
    // A queue that was just made has no numbers yet.
    #[serde(default)]
    messages_ready: u64,
    #[serde(default)]
    messages_unacknowledged: u64,
    #[serde(default)]
    consumers: u32,
    head_message_timestamp: Option<i64>,
}

#[derive(Deserialize)]
struct Overview {
    rabbitmq_version: String,
    object_totals: Option<Totals>,
}

#[derive(Deserialize)]
struct Totals {
    connections: u64,
}

/// A node of the broker's cluster.
#[derive(Deserialize)]
struct Node {
    name: String,
    #[serde(default)]
    mem_alarm: bool,
    #[serde(default)]
    disk_free_alarm: bool,
}

#[async_trait]
impl BrokerWatch for Management {
    async fn queues(&self) -> Result<Vec<QueueState>, PortError> {
        let path = ["queues", self.vhost()];
        let body = self.ask(&path, &[("columns", COLUMNS)]).await?;
        let queues: Vec<Queue> = serde_json::from_slice(&body).map_err(unreadable)?;
        Ok(queues.into_iter().map(state_of).collect())
    }

    async fn state(&self) -> Result<BrokerState, PortError> {
        let body = self.ask(&["overview"], &[]).await?;
        let overview: Overview = serde_json::from_slice(&body).map_err(unreadable)?;
        let body = self.call(Method::GET, &["nodes"], None).await?;
        let nodes: Vec<Node> = serde_json::from_slice(&body).map_err(unreadable)?;
        Ok(BrokerState {
            version: overview.rabbitmq_version,
            connections: overview.object_totals.map_or(0, |totals| totals.connections),
            alarms: nodes.iter().flat_map(alarms_of).collect(),
        })
    }
}

fn state_of(queue: Queue) -> QueueState {
    QueueState {
        name: queue.name,
        ready: queue.messages_ready,
        unacknowledged: queue.messages_unacknowledged,
        consumers: queue.consumers,
        // The last head of a queue may be told while nothing waits any more.
        oldest: queue
            .head_message_timestamp
            .filter(|_| queue.messages_ready > 0)
            .and_then(|at| DateTime::from_timestamp(at, 0)),
    }
}

fn alarms_of(node: &Node) -> impl Iterator<Item = String> {
    let alarms = [(node.mem_alarm, "memory"), (node.disk_free_alarm, "disk")];
    let text = |what| format!("the broker's node {} is short of {what}", node.name);
    alarms.into_iter().filter(|(short, _)| *short).map(move |(_, what)| text(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_without_numbers_is_empty_and_an_empty_queue_has_no_age() {
        let read = |text: &str| state_of(serde_json::from_str(text).unwrap());
        let new = read(r#"{"name":"v1.due"}"#);
        assert_eq!((new.ready, new.unacknowledged, new.consumers, new.oldest), (0, 0, 0, None));
        let empty = read(r#"{"name":"a","messages_ready":0,"head_message_timestamp":1700000000}"#);
        assert_eq!(empty.oldest, None);
        let full = read(r#"{"name":"a","messages_ready":2,"head_message_timestamp":1700000000}"#);
        assert_eq!(full.oldest.map(|at| at.timestamp()), Some(1_700_000_000));
        let unknown = read(r#"{"name":"a","messages_ready":2,"head_message_timestamp":null}"#);
        assert_eq!((unknown.ready, unknown.oldest), (2, None));
    }

    #[test]
    fn a_node_tells_what_it_is_short_of() {
        let read = |text: &str| alarms_of(&serde_json::from_str(text).unwrap()).collect::<Vec<_>>();
        assert!(read(r#"{"name":"rabbit@a"}"#).is_empty());
        let both = read(r#"{"name":"rabbit@a","mem_alarm":true,"disk_free_alarm":true}"#);
        assert_eq!(both[1], "the broker's node rabbit@a is short of disk");
    }
}
