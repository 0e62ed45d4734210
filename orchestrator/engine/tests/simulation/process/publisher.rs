//! Publishes outcomes until they are confirmed, several together when they come together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_protocol::{Outcome, batch};
use tokio::sync::{Notify, oneshot};

use super::Process;

/// Records of a batch.
const TOGETHER: usize = 5;

type Line = (u8, Vec<u8>, oneshot::Sender<()>);

#[derive(Default)]
pub(super) struct Publisher {
    waiting: Mutex<std::collections::VecDeque<Line>>,
    more: Notify,
}

impl Publisher {
    /// Hands in an outcome; what comes back resolves at its confirm. The order is that of the calls.
    pub(super) fn store(&self, shard: u8, outcome: &Outcome) -> oneshot::Receiver<()> {
        let line = serde_json::to_vec(outcome).expect("an outcome is JSON");
        let (confirmed, waits) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back((shard, line, confirmed));
        drop(waiting);
        self.more.notify_one();
        waits
    }

    fn take(&self) -> Vec<Line> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let shard = waiting.front().map(|line| line.0);
        let count = waiting.iter().take(TOGETHER).take_while(|line| Some(line.0) == shard).count();
        waiting.drain(..count).collect()
    }
}

pub(super) async fn run(process: &Arc<Process>) {
    loop {
        process.publisher.more.notified().await;
        let gathers = process.dice().chance(300);
        if gathers {
            process.pause(2).await;
        }
        loop {
            let lines = process.publisher.take();
            let Some(shard) = lines.first().map(|line| line.0) else { break };
            let sender = process.clone();
            process.spawn(async move { send(&sender, shard, lines).await });
        }
    }
}

async fn send(process: &Process, shard: u8, lines: Vec<Line>) {
    let records: Vec<&[u8]> = lines.iter().map(|line| line.1.as_slice()).collect();
    let payload = batch::encode(&records);
    let mut backoff = Duration::from_millis(50);
    while process.client.publish_outcomes(process.deployment, shard, payload.clone()).await.is_err() {
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(Duration::from_secs(2));
    }
    for (_, _, confirmed) in lines {
        confirmed.send(()).ok();
    }
}
