//! What the broker tells of itself, through its management API. Its numbers change every five seconds.

use async_trait::async_trait;
use chrono::DateTime;
use serde::Deserialize;
use sluice_ports::PortError;
use sluice_ports::broker::{BrokerState, BrokerWatch, QueueState};

use crate::facts::NodeFacts;
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
        let nodes = self.node_facts().await?;
        Ok(BrokerState {
            version: overview.rabbitmq_version,
            connections: overview.object_totals.map_or(0, |totals| totals.connections),
            alarms: nodes.iter().flat_map(NodeFacts::alarms).collect(),
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
}
