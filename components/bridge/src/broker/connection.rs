//! One connection: the handshake, and what a client asks for.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame};
use amq_protocol::protocol::{AMQPClass, basic, channel, confirm, connection, exchange, queue};
use amq_protocol_types::ShortString;
use serde_json::json;
use sluice_families::Publication;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use super::codec::{self, FRAME_BYTES};
use super::outbox::{Outbox, Outgoing, outbox};
use super::{Broker, Confirm, Happened, values};

/// Seconds between heartbeats that a client is offered. A component that computes for longer than twice this would lose its
/// connection, so it is long: the process is watched in other ways.
const HEARTBEAT: u16 = 300;
/// Most bytes of a publication: 16 MiB.
const PUBLICATION_BYTES: u64 = 16 * 1024 * 1024;
/// Channels of a connection.
const CHANNELS: u16 = 100;

/// A publication that is being read.
struct Incoming {
    publish: basic::Publish,
    header: Option<AMQPContentHeader>,
    body: Vec<u8>,
}

struct Connection {
    broker: Broker,
    id: u64,
    outbox: Outbox,
    frame_bytes: u32,
    incoming: HashMap<u16, Incoming>,
}

/// Serves a connection to its end.
pub(super) async fn serve(broker: Broker, id: u64, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reading, writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let (outbox, frames) = outbox(&broker.0.unwritten);
    codec::read_greeting(&mut reading).await?;
    let writer = tokio::spawn(write(writing, frames));
    let mut connection =
        Connection { broker: broker.clone(), id, outbox, frame_bytes: FRAME_BYTES, incoming: HashMap::new() };
    connection.send(0, AMQPClass::Connection(connection::AMQPMethod::Start(start())));
    let ended = async {
        while let Some(frame) = codec::read(&mut reading).await? {
            if !connection.take(frame).await? {
                break;
            }
        }
        Ok(())
    }
    .await;
    broker.channels().close(id, None);
    // What was said last still goes out.
    drop(connection);
    writer.await.ok();
    ended
}

fn start() -> connection::Start {
    let properties = json!({
        "product": "Sluice",
        "version": env!("CARGO_PKG_VERSION"),
        "capabilities": { "publisher_confirms": true, "basic.nack": true, "consumer_cancel_notify": true },
    });
    connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties: properties.as_object().map(values::table).unwrap_or_default(),
        mechanisms: "PLAIN".into(),
        locales: "en_US".into(),
    }
}

/// Writes frames until nobody sends any more, and a heartbeat whenever nothing was written for long.
async fn write(mut to: OwnedWriteHalf, mut frames: Outgoing) -> io::Result<()> {
    let quiet = Duration::from_secs(u64::from(HEARTBEAT) / 2);
    loop {
        let (mut next, mut count) = match tokio::time::timeout(quiet, frames.next()).await {
            Ok(Some(next)) => (next, 1),
            Ok(None) => return to.shutdown().await,
            Err(_) => (vec![AMQPFrame::Heartbeat], 0),
        };
        let mut bytes = Vec::new();
        loop {
            bytes = next.iter().fold(bytes, |bytes, frame| codec::write(frame, bytes));
            if bytes.len() >= 64 * 1024 {
                break;
            }
            let Some(more) = frames.more() else { break };
            next = more;
            count += 1;
        }
        let written = to.write_all(&bytes).await;
        frames.written(count);
        written?;
    }
}

impl Connection {
    fn send(&self, channel: u16, class: AMQPClass) {
        self.outbox.send(vec![AMQPFrame::Method(channel, class)]);
    }

    /// Takes a frame. False when the connection is at its end.
    async fn take(&mut self, frame: AMQPFrame) -> io::Result<bool> {
        match frame {
            AMQPFrame::Method(_, AMQPClass::Connection(method)) => return self.on_connection(method),
            AMQPFrame::Method(id, AMQPClass::Channel(method)) => self.on_channel(id, method),
            AMQPFrame::Method(id, AMQPClass::Basic(method)) => self.on_basic(id, method),
            AMQPFrame::Method(id, AMQPClass::Confirm(confirm::AMQPMethod::Select(select))) => {
                self.broker.channels().confirms((self.id, id));
                if !select.nowait {
                    self.send(id, AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {})));
                }
            }
            AMQPFrame::Method(id, AMQPClass::Queue(method)) => self.on_queue(id, method),
            AMQPFrame::Method(id, AMQPClass::Exchange(method)) => self.on_exchange(id, method),
            AMQPFrame::Method(id, other) => self.refuse(id, &format!("{other:?}")),
            AMQPFrame::Header(id, header) => {
                let Some(incoming) = self.incoming.get_mut(&id) else {
                    return Err(io::Error::other("a content header without a publication"));
                };
                if header.body_size > PUBLICATION_BYTES {
                    return Err(io::Error::other("a publication is too large"));
                }
                incoming.header = Some(header);
                self.complete(id).await?;
            }
            AMQPFrame::Body(id, bytes) => {
                let Some(incoming) = self.incoming.get_mut(&id) else {
                    return Err(io::Error::other("a body without a publication"));
                };
                incoming.body.extend_from_slice(&bytes);
                self.complete(id).await?;
            }
            AMQPFrame::Heartbeat | AMQPFrame::InvalidHeartbeat(_) | AMQPFrame::ProtocolHeader(_) => {}
        }
        Ok(true)
    }

    fn on_connection(&mut self, method: connection::AMQPMethod) -> io::Result<bool> {
        let answer = match method {
            connection::AMQPMethod::StartOk(start) => {
                // RFC 4616: nothing, NUL, the user, NUL, the password.
                let response = start.response.as_bytes().to_vec();
                let password = response.rsplit(|byte| *byte == 0).next().unwrap_or_default();
                if password != self.broker.0.password.as_bytes() {
                    return Err(io::Error::other("the password is wrong"));
                }
                connection::AMQPMethod::Tune(connection::Tune {
                    channel_max: CHANNELS,
                    frame_max: FRAME_BYTES,
                    heartbeat: HEARTBEAT,
                })
            }
            connection::AMQPMethod::TuneOk(tune) => {
                if tune.frame_max > 0 {
                    self.frame_bytes = tune.frame_max.min(FRAME_BYTES);
                }
                return Ok(true);
            }
            connection::AMQPMethod::Open(_) => connection::AMQPMethod::OpenOk(connection::OpenOk {}),
            connection::AMQPMethod::Close(_) => {
                self.send(0, AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {})));
                return Ok(false);
            }
            connection::AMQPMethod::CloseOk(_) => return Ok(false),
            other => return Err(io::Error::other(format!("{other:?} is not known"))),
        };
        self.send(0, AMQPClass::Connection(answer));
        Ok(true)
    }

    fn on_channel(&mut self, id: u16, method: channel::AMQPMethod) {
        let answer = match method {
            channel::AMQPMethod::Open(_) => {
                self.broker.channels().open((self.id, id), self.outbox.clone(), self.frame_bytes);
                channel::AMQPMethod::OpenOk(channel::OpenOk {})
            }
            channel::AMQPMethod::Close(_) => {
                self.incoming.remove(&id);
                self.broker.channels().close(self.id, Some(id));
                channel::AMQPMethod::CloseOk(channel::CloseOk {})
            }
            channel::AMQPMethod::Flow(flow) => {
                channel::AMQPMethod::FlowOk(channel::FlowOk { active: flow.active })
            }
            _ => return,
        };
        self.send(id, AMQPClass::Channel(answer));
    }

    fn on_basic(&mut self, id: u16, method: basic::AMQPMethod) {
        let place = (self.id, id);
        let answer = match method {
            basic::AMQPMethod::Qos(qos) => {
                self.broker.channels().prefetch(place, qos.prefetch_count);
                basic::AMQPMethod::QosOk(basic::QosOk {})
            }
            basic::AMQPMethod::Consume(consume) => {
                let given = consume.consumer_tag.as_str();
                let tag =
                    if given.is_empty() { format!("consumer-{}-{id}", self.id) } else { given.to_owned() };
                if !consume.nowait {
                    // Before the first delivery to it.
                    let ok = basic::ConsumeOk { consumer_tag: tag.as_str().into() };
                    self.send(id, AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok)));
                }
                self.broker.channels().consume(place, &tag);
                self.broker.tell(Happened::Consuming);
                return;
            }
            basic::AMQPMethod::Cancel(cancel) => {
                self.broker.channels().cancel(place);
                if cancel.nowait {
                    return;
                }
                basic::AMQPMethod::CancelOk(basic::CancelOk { consumer_tag: cancel.consumer_tag })
            }
            basic::AMQPMethod::Publish(publish) => {
                self.incoming.insert(id, Incoming { publish, header: None, body: Vec::new() });
                return;
            }
            basic::AMQPMethod::Get(_) => {
                self.broker.tell(Happened::Consuming);
                if self.broker.channels().get(place) {
                    return;
                }
                basic::AMQPMethod::GetEmpty(basic::GetEmpty {})
            }
            basic::AMQPMethod::Ack(ack) => {
                return self.settle(id, ack.delivery_tag, ack.multiple, (true, false));
            }
            basic::AMQPMethod::Reject(reject) => {
                return self.settle(id, reject.delivery_tag, false, (false, reject.requeue));
            }
            basic::AMQPMethod::Nack(nack) => {
                return self.settle(id, nack.delivery_tag, nack.multiple, (false, nack.requeue));
            }
            basic::AMQPMethod::Recover(_) => {
                self.broker.channels().settle(place, 0, true, true);
                basic::AMQPMethod::RecoverOk(basic::RecoverOk {})
            }
            other => return self.refuse(id, &format!("{other:?}")),
        };
        self.send(id, AMQPClass::Basic(answer));
    }

    fn settle(&self, id: u16, tag: u64, multiple: bool, (done, again): (bool, bool)) {
        let settled = self.broker.channels().settle((self.id, id), tag, multiple, again);
        for delivery in settled {
            self.broker.tell(Happened::Settled { delivery, done });
        }
    }

    /// Everything that a process may ask for is there.
    fn on_queue(&self, id: u16, method: queue::AMQPMethod) {
        let answer = match method {
            queue::AMQPMethod::Declare(declare) => queue::AMQPMethod::DeclareOk(queue::DeclareOk {
                queue: declare.queue,
                message_count: 0,
                consumer_count: 0,
            }),
            queue::AMQPMethod::Bind(_) => queue::AMQPMethod::BindOk(queue::BindOk {}),
            other => return self.refuse(id, &format!("{other:?}")),
        };
        self.send(id, AMQPClass::Queue(answer));
    }

    fn on_exchange(&self, id: u16, method: exchange::AMQPMethod) {
        let answer = match method {
            exchange::AMQPMethod::Declare(_) => exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {}),
            other => return self.refuse(id, &format!("{other:?}")),
        };
        self.send(id, AMQPClass::Exchange(answer));
    }

    /// Closes a channel on which something was asked that there is not.
    fn refuse(&self, id: u16, what: &str) {
        let what: String = what.chars().take(40).collect();
        tracing::warn!(what, "the process asks for something that this broker does not know");
        let text = ShortString::from(format!("NOT_IMPLEMENTED - {what}"));
        let close = channel::Close { reply_code: 540, reply_text: text, class_id: 0, method_id: 0 };
        self.broker.channels().close(self.id, Some(id));
        self.send(id, AMQPClass::Channel(channel::AMQPMethod::Close(close)));
    }

    /// Passes a publication on, once all of it is there.
    async fn complete(&mut self, id: u16) -> io::Result<()> {
        let whole = |incoming: &Incoming| {
            incoming.header.as_ref().map(|header| header.body_size.cmp(&(incoming.body.len() as u64)))
        };
        match self.incoming.get(&id).and_then(whole) {
            Some(std::cmp::Ordering::Equal) => {}
            Some(std::cmp::Ordering::Less) => return Err(io::Error::other("a body is longer than it said")),
            _ => return Ok(()),
        }
        let Some(Incoming { publish, header: Some(header), body }) = self.incoming.remove(&id) else {
            return Ok(());
        };
        let headers = header.properties.headers().as_ref().map(values::object).unwrap_or_default();
        let expiration = header.properties.expiration().as_ref().and_then(|text| text.as_str().parse().ok());
        let publication = Publication {
            exchange: publish.exchange.to_string(),
            routing_key: publish.routing_key.to_string(),
            headers,
            expiration: expiration.map(Duration::from_millis),
            body,
        };
        let room = self.broker.room(publication.body.len()).await;
        let number = self.broker.channels().published((self.id, id));
        let place = number.map(|number| (self.id, id, number));
        self.broker.tell(Happened::Published(publication, Confirm::new(self.broker.clone(), place, room)));
        Ok(())
    }
}
