//! Random scripts: what clients do to a broker, and what they see of it. Two brokers that see the same script must show
//! the same, to the letter. So the fake is held to the real one beyond what the suite thought of.

use std::collections::{BTreeMap, BTreeSet};

use sluice_domain::topology::{self, LaneName};
use sluice_domain::{DeploymentId, FlowId, Tier};
use sluice_ports::broker::{Consumer, Delivery, Depth, PublishError, Target};

use super::{BrokerHarness, message, text};
use crate::contract::ok;
use crate::fixtures::step;
use crate::{eventually, within};

/// Things that a script does.
const STEPS: u32 = 60;
/// Lanes of a script.
const LANES: u64 = 3;

/// Runs the script of a seed; what its clients saw, a line each. The broker has the base topology, and scripts of other
/// seeds may have run on it before.
///
/// # Panics
/// When something that must happen does not.
pub async fn transcript(harness: &dyn BrokerHarness, seed: u64) -> Vec<String> {
    let mut script = Script::new(harness, seed);
    for index in 0..LANES {
        script.declare(index).await;
    }
    for _ in 0..STEPS {
        script.step().await;
    }
    script.empty().await;
    script.lines
}

struct Script<'a> {
    harness: &'a dyn BrokerHarness,
    bits: u64,
    seed: u64,
    published: u64,
    cuts: u32,
    declared: BTreeSet<u64>,
    clients: BTreeMap<String, Client>,
    /// How many messages of each queue wait to be delivered.
    ready: BTreeMap<String, u32>,
    lines: Vec<String>,
}

/// A consumer and what it holds.
struct Client {
    consumer: Box<dyn Consumer>,
    prefetch: u16,
    held: Vec<Delivery>,
}

impl<'a> Script<'a> {
    fn new(harness: &'a dyn BrokerHarness, seed: u64) -> Self {
        Self {
            harness,
            bits: seed,
            seed,
            published: 0,
            cuts: 0,
            declared: BTreeSet::new(),
            clients: BTreeMap::new(),
            ready: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    /// 0 to `bound` - 1 (SplitMix64).
    fn draw(&mut self, bound: u64) -> u64 {
        self.bits = self.bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.bits;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }

    fn lane(&self, index: u64) -> LaneName {
        let deployment = DeploymentId::from_bits(u128::from(self.seed) * 100 + u128::from(index));
        LaneName::of_step(deployment, FlowId::from_bits(1), &step("push"))
    }

    /// A queue that this script uses, by the same name in every transcript.
    fn name(&self, queue: &str) -> String {
        let lanes = (0..LANES).map(|index| (self.lane(index), index));
        let own = lanes.into_iter().find_map(|(lane, index)| {
            let suspects = topology::suspects_queue(lane.deployment());
            match queue {
                _ if queue == lane.as_str() => Some(format!("lane {index}")),
                _ if queue == suspects => Some(format!("suspects {index}")),
                _ => None,
            }
        });
        own.unwrap_or_else(|| queue.to_owned())
    }

    async fn declare(&mut self, index: u64) {
        let lane = self.lane(index);
        let broker = self.harness.broker();
        eventually("a lane is declared", || async {
            broker.declare_deployment(lane.deployment()).await.ok()?;
            broker.declare_lane(&lane).await.ok()
        })
        .await;
        self.declared.insert(index);
    }

    async fn step(&mut self) {
        let index = self.draw(LANES);
        let lane = self.lane(index).as_str().to_owned();
        let suspects = topology::suspects_queue(self.lane(index).deployment());
        match self.draw(24) {
            0..=6 => self.publish(Target::Lane(self.lane(index))).await,
            7 => self.publish(Target::Suspects(self.lane(index).deployment())).await,
            8 => self.publish(Target::Retry(Tier::S1)).await,
            9 | 10 => self.consume(&lane).await,
            11 => self.consume(&suspects).await,
            12..=15 => self.take(&lane).await,
            16 => self.take(&suspects).await,
            17..=19 => self.acknowledge(&lane).await,
            20 => self.leave(&lane).await,
            21 => self.count(&lane).await,
            22 if self.cuts == 0 && self.draw(3) == 0 => self.cut().await,
            22 => self.delete(index).await,
            _ => self.declare(index).await,
        }
    }

    async fn publish(&mut self, target: Target) {
        self.published += 1;
        let text = format!("m{}", self.published);
        let queue = match &target {
            Target::Lane(lane) if self.declared.iter().any(|index| self.lane(*index) == *lane) => {
                lane.as_str().to_owned()
            }
            Target::Suspects(deployment) => topology::suspects_queue(*deployment),
            Target::Retry(_) => topology::DUE.to_owned(),
            Target::Lane(_) | Target::Invocations(_) | Target::Router(_) => topology::UNROUTABLE.to_owned(),
        };
        let (broker, message) = (self.harness.broker(), message(target, &text));
        let answer = eventually("the broker takes a message", || async {
            match broker.publish(message.clone()).await {
                Ok(()) => Some("stored"),
                Err(PublishError::Refused) => Some("refused"),
                // The connection is not back yet.
                Err(PublishError::Unknown(_)) => None,
            }
        })
        .await;
        *self.ready.entry(queue.clone()).or_default() += 1;
        self.lines.push(format!("{text} for {}: {answer}", self.name(&queue)));
    }

    /// Consumes from a queue that holds something, and takes the first of it: an adapter may put off subscribing until
    /// somebody waits for a delivery.
    async fn consume(&mut self, queue: &str) {
        let is_lane = queue.parse::<LaneName>().is_ok();
        let there = !is_lane || self.declared.iter().any(|index| self.lane(*index).as_str() == queue);
        let waiting = self.ready.get(queue).copied().unwrap_or(0);
        if self.clients.contains_key(queue) || !there || waiting == 0 {
            return;
        }
        let prefetch = [1, 2, 5][usize::try_from(self.draw(3)).unwrap_or(0)];
        let consumer = ok(self.harness.broker().consume(queue, prefetch).await);
        self.lines.push(format!("consume {} by {prefetch}", self.name(queue)));
        self.clients.insert(queue.to_owned(), Client { consumer, prefetch, held: Vec::new() });
        self.take(queue).await;
    }

    /// Takes a delivery if there must be one.
    async fn take(&mut self, queue: &str) {
        let waiting = self.ready.get(queue).copied().unwrap_or(0);
        let Some(client) = self.clients.get_mut(queue) else { return };
        if waiting == 0 || client.held.len() >= usize::from(client.prefetch) {
            return;
        }
        let delivery = within("a delivery comes", client.consumer.next()).await.expect("not shut down");
        self.ready.insert(queue.to_owned(), waiting - 1);
        let seen = describe(&delivery);
        client.held.push(delivery);
        let (name, key) = (self.name(queue), self.name(&self.routing_key_of(queue)));
        self.lines.push(format!("{name} gives {seen} by {key}"));
    }

    /// The routing key of what was delivered last.
    fn routing_key_of(&self, queue: &str) -> String {
        let last = self.clients.get(queue).and_then(|client| client.held.last());
        last.map(|delivery| delivery.routing_key.clone()).unwrap_or_default()
    }

    /// Acknowledges one of those that are held, in any order.
    async fn acknowledge(&mut self, queue: &str) {
        let count = self.clients.get(queue).map_or(0, |client| client.held.len() as u64);
        if count == 0 {
            return;
        }
        let which = usize::try_from(self.draw(count)).unwrap_or(0);
        let name = self.name(queue);
        if let Some(client) = self.clients.get_mut(queue) {
            let delivery = client.held.remove(which);
            let done = ok(client.consumer.ack(delivery.tag).await);
            self.lines.push(format!("{name} acknowledges {}: {done}", text(&delivery)));
        }
    }

    /// Ends a consumer: what it holds waits again.
    async fn leave(&mut self, queue: &str) {
        let Some(client) = self.clients.remove(queue) else { return };
        *self.ready.entry(queue.to_owned()).or_default() += u32::try_from(client.held.len()).unwrap_or(0);
        drop(client);
        self.lines.push(format!("{} is left", self.name(queue)));
        self.count(queue).await;
    }

    /// How full a queue is; waits until the broker has noticed what happened. Says nothing of a queue that somebody
    /// consumes, because deliveries that are on their way count neither here nor there.
    async fn count(&mut self, queue: &str) {
        let is_declared = self.declared.iter().any(|index| self.lane(*index).as_str() == queue);
        let is_suspects = queue.ends_with(".suspects");
        if self.clients.contains_key(queue) {
            return;
        }
        let ready = self.ready.get(queue).copied().unwrap_or(0);
        let expect = (is_declared || is_suspects).then_some(Depth { ready, consumers: 0 });
        let broker = self.harness.broker();
        eventually(&format!("{queue} has the depth {expect:?}"), || async {
            (broker.depth(queue).await.ok()? == expect).then_some(())
        })
        .await;
        self.lines.push(format!("{} holds {expect:?}", self.name(queue)));
    }

    /// Deletes a lane if nobody uses it.
    async fn delete(&mut self, index: u64) {
        let lane = self.lane(index);
        self.count(lane.as_str()).await;
        let broker = self.harness.broker();
        let idle = eventually("a lane is deleted or not", || async {
            broker.delete_queue_if_idle(lane.as_str()).await.ok()
        })
        .await;
        if idle {
            self.declared.remove(&index);
        }
        self.lines.push(format!("lane {index} may go: {idle}"));
    }

    /// Cuts all connections: what was delivered waits again. The consumers go with them, because what an adapter still
    /// has of a lost connection it may show or not.
    async fn cut(&mut self) {
        self.cuts += 1;
        self.harness.drop_connections().await;
        for (queue, client) in std::mem::take(&mut self.clients) {
            *self.ready.entry(queue).or_default() += u32::try_from(client.held.len()).unwrap_or(0);
        }
        self.lines.push("all connections are cut".to_owned());
    }

    /// Takes out all that is left, in its order.
    async fn empty(&mut self) {
        self.harness.pass(Tier::S1).await;
        let queues: Vec<String> = self.ready.keys().cloned().collect();
        for queue in queues {
            self.consume(&queue).await;
            while self.ready.get(&queue).is_some_and(|count| *count > 0)
                || self.clients.get(&queue).is_some_and(|client| !client.held.is_empty())
            {
                self.take(&queue).await;
                self.acknowledge(&queue).await;
            }
            self.clients.remove(&queue);
        }
    }
}

fn describe(delivery: &Delivery) -> String {
    let again = if delivery.redelivered { " again" } else { "" };
    let Delivery { exchange, kind, content_encoding, .. } = delivery;
    format!("{}{again} ({exchange}, {kind:?}, {content_encoding:?})", text(delivery))
}
