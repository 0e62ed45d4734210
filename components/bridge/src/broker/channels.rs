//! What the channels of all connections have: consumers, deliveries that are not settled, numbers of confirms.

use std::collections::{BTreeMap, HashMap, VecDeque};

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame};
use amq_protocol::protocol::{AMQPClass, BasicProperties, basic};
use sluice_families::Message;

use super::codec::{AROUND, FRAME_BYTES};
use super::outbox::Outbox;
use super::values;

/// The class `basic`.
const BASIC: u16 = 60;

/// A channel of a connection.
pub(super) type Place = (u64, u16);

/// A message that is to be delivered.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) name: String,
    pub(super) message: Message,
    pub(super) redelivered: bool,
}

/// One channel.
struct Channel {
    id: u16,
    outbox: Outbox,
    /// Most bytes of a body in one frame.
    chunk: usize,
    /// Most deliveries that are not settled; 0 for any number.
    prefetch: usize,
    consumer: Option<String>,
    next_tag: u64,
    unsettled: BTreeMap<u64, Delivery>,
    /// How many publications there were, once confirms are asked for.
    published: Option<u64>,
}

impl Channel {
    /// Sends a delivery, which is not settled from now on.
    fn send(&mut self, delivery: Delivery, method: basic::AMQPMethod) {
        let Message { headers, content_type, body } = &delivery.message;
        let properties = BasicProperties::default()
            .with_content_type((*content_type).into())
            .with_headers(values::table(headers))
            .with_delivery_mode(2);
        let header = AMQPContentHeader { class_id: BASIC, body_size: body.len() as u64, properties };
        let mut frames =
            vec![AMQPFrame::Method(self.id, AMQPClass::Basic(method)), AMQPFrame::Header(self.id, header)];
        frames.extend(body.chunks(self.chunk).map(|chunk| AMQPFrame::Body(self.id, chunk.to_vec())));
        // A connection that is gone gives it back when its channels are closed.
        self.outbox.send(frames);
        self.next_tag += 1;
        self.unsettled.insert(self.next_tag, delivery);
    }
}

/// All channels.
#[derive(Default)]
pub(super) struct Channels {
    all: HashMap<Place, Channel>,
    waiting: VecDeque<Delivery>,
}

impl Channels {
    /// Opens a channel of a connection whose frames have at most so many bytes.
    pub(super) fn open(&mut self, place: Place, outbox: Outbox, frame_bytes: u32) {
        let channel = Channel {
            id: place.1,
            outbox,
            chunk: frame_bytes.clamp(4096, FRAME_BYTES) as usize - AROUND,
            prefetch: 0,
            consumer: None,
            next_tag: 0,
            unsettled: BTreeMap::new(),
            published: None,
        };
        self.all.insert(place, channel);
    }

    /// Closes a channel, or all of a connection. What it did not settle comes again.
    pub(super) fn close(&mut self, connection: u64, channel: Option<u16>) {
        let gone: Vec<Place> = self
            .all
            .keys()
            .filter(|place| place.0 == connection && channel.is_none_or(|id| id == place.1))
            .copied()
            .collect();
        for place in gone {
            let Some(channel) = self.all.remove(&place) else { continue };
            for (_, delivery) in channel.unsettled.into_iter().rev() {
                self.waiting.push_front(Delivery { redelivered: true, ..delivery });
            }
        }
        self.flush();
    }

    pub(super) fn deliver(&mut self, delivery: Delivery) {
        self.waiting.push_back(delivery);
        self.flush();
    }

    pub(super) fn withdraw(&mut self, name: &str) {
        self.waiting.retain(|delivery| delivery.name != name);
    }

    pub(super) fn prefetch(&mut self, place: Place, prefetch: u16) {
        if let Some(channel) = self.all.get_mut(&place) {
            channel.prefetch = prefetch.into();
        }
        self.flush();
    }

    pub(super) fn consume(&mut self, place: Place, tag: &str) {
        if let Some(channel) = self.all.get_mut(&place) {
            channel.consumer = Some(tag.to_owned());
        }
        self.flush();
    }

    pub(super) fn cancel(&mut self, place: Place) {
        if let Some(channel) = self.all.get_mut(&place) {
            channel.consumer = None;
        }
    }

    /// Hands what waits to the consumers that may take more.
    fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let free = |channel: &&mut Channel| {
                channel.consumer.is_some()
                    && (channel.prefetch == 0 || channel.unsettled.len() < channel.prefetch)
            };
            let Some(channel) = self.all.values_mut().find(free) else { return };
            let Some(delivery) = self.waiting.pop_front() else { return };
            let tag = channel.next_tag + 1;
            let method = basic::AMQPMethod::Deliver(basic::Deliver {
                consumer_tag: channel.consumer.as_deref().unwrap_or_default().into(),
                delivery_tag: tag,
                redelivered: delivery.redelivered,
                exchange: "inputs".into(),
                routing_key: "input".into(),
            });
            channel.send(delivery, method);
        }
    }

    /// The next message for one who asks for it. `None` when nothing waits.
    pub(super) fn get(&mut self, place: Place) -> bool {
        let count = u32::try_from(self.waiting.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let Some(channel) = self.all.get_mut(&place) else { return false };
        let Some(delivery) = self.waiting.pop_front() else { return false };
        let tag = channel.next_tag + 1;
        let method = basic::AMQPMethod::GetOk(basic::GetOk {
            delivery_tag: tag,
            redelivered: delivery.redelivered,
            exchange: "inputs".into(),
            routing_key: "input".into(),
            message_count: count,
        });
        channel.send(delivery, method);
        true
    }

    /// Settles deliveries; their names. With `again` they come again instead.
    pub(super) fn settle(&mut self, place: Place, tag: u64, multiple: bool, again: bool) -> Vec<String> {
        let Some(channel) = self.all.get_mut(&place) else { return Vec::new() };
        let tags: Vec<u64> = match (multiple, tag) {
            (true, 0) => channel.unsettled.keys().copied().collect(),
            (true, _) => channel.unsettled.range(..=tag).map(|(tag, _)| *tag).collect(),
            (false, _) => vec![tag],
        };
        let settled: Vec<Delivery> = tags.iter().filter_map(|tag| channel.unsettled.remove(tag)).collect();
        let mut names = Vec::new();
        for delivery in settled.into_iter().rev() {
            if again {
                self.waiting.push_front(Delivery { redelivered: true, ..delivery });
            } else {
                names.push(delivery.name);
            }
        }
        self.flush();
        names
    }

    pub(super) fn any_confirms(&self) -> bool {
        self.all.values().any(|channel| channel.published.is_some())
    }

    pub(super) fn confirms(&mut self, place: Place) {
        if let Some(channel) = self.all.get_mut(&place) {
            channel.published.get_or_insert(0);
        }
    }

    /// Counts a publication; its number where confirms are asked for.
    pub(super) fn published(&mut self, place: Place) -> Option<u64> {
        let published = self.all.get_mut(&place)?.published.as_mut()?;
        *published += 1;
        Some(*published)
    }

    pub(super) fn confirm(&mut self, place: Place, delivery_tag: u64, taken: bool) {
        let Some(channel) = self.all.get(&place) else { return };
        let method = if taken {
            basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple: false })
        } else {
            basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple: false, requeue: false })
        };
        channel.outbox.send(vec![AMQPFrame::Method(place.1, AMQPClass::Basic(method))]);
    }
}
