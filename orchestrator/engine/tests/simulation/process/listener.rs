//! The listener: hands on what the source has, and acknowledges it after the confirm.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::value::to_raw_value;
use sluice_protocol::gateway::Assignment;
use sluice_protocol::{Headers, MessageId, Outcome, Output, Port, Status};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Process;
use crate::source::Item;

pub(super) async fn run(process: &Arc<Process>, assignment: &Assignment, stop: &CancellationToken) {
    let source = &process.world.source;
    let client = process.client.client();
    let shard = assignment.routing_key.parse().expect("the key of a shard");
    let mut outstanding: VecDeque<(u64, oneshot::Receiver<()>)> = VecDeque::new();
    let most = usize::try_from(process.dice().between(1, 4)).unwrap_or(1);
    loop {
        let (ending, full) = (stop.is_cancelled(), outstanding.len() >= most);
        if ending && outstanding.is_empty() {
            return;
        }
        tokio::select! {
            biased;
            () = stop.cancelled(), if !ending => {}
            confirmed = oldest(&mut outstanding), if !outstanding.is_empty() => {
                // The publisher answers only when the message is stored.
                if let Some(number) = confirmed {
                    source.acknowledge(client, number);
                }
            }
            item = source.next(client), if !(ending || full) => {
                let confirmed = process.publisher.store(shard, &outcome(assignment, &item));
                outstanding.push_back((item.number, confirmed));
            }
        }
    }
}

/// The number of the oldest message, once it is confirmed. Cancel-safe.
async fn oldest(outstanding: &mut VecDeque<(u64, oneshot::Receiver<()>)>) -> Option<u64> {
    let (number, confirmed) = outstanding.front_mut()?;
    let number = confirmed.await.is_ok().then_some(*number);
    outstanding.pop_front();
    number
}

fn outcome(assignment: &Assignment, item: &Item) -> Outcome {
    Outcome {
        input: MessageId::derive("source", &item.number.to_be_bytes()),
        step: assignment.step.clone(),
        execution: None,
        attempt: 1,
        suspected: 0,
        status: Status::Ok,
        outputs: vec![Output {
            port: Port::default(),
            body: to_raw_value(&item.body).expect("a value is plain JSON"),
            headers: Headers::new(),
        }],
        offset: 0,
        error: None,
        state: None,
        context: None,
        micros: 0,
        traceparent: None,
        retained: None,
    }
}
