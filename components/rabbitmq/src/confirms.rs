//! Publishes on a channel and tells each message what became of it.
//!
//! The broker returns an unroutable message and then confirms it, but the library hands the returned message to
//! whichever confirm it handles next. So one task does all publishing of a channel, knows every confirm that is still
//! to come, and goes by the id of the message that came back. The confirm that carries a returned message was resolved
//! no later than the message's own: once nothing more is resolved, every returned message is known.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use sluice_sdk::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::broker::{answered, failure};

const PATIENCE: Duration = Duration::from_secs(10);
/// How many messages wait to be published; more wait in their runs.
const WAITING: usize = 256;

/// What became of a published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Stored,
    /// No queue took it.
    Returned,
    /// A queue is full, or the broker failed to store it.
    Refused,
    /// Nobody knows.
    Unknown(Error),
}

/// A message to publish.
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) mandatory: bool,
    pub(crate) properties: BasicProperties,
    pub(crate) payload: Vec<u8>,
}

/// Hands messages to the task that publishes them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Confirms(mpsc::Sender<(Message, oneshot::Sender<Fate>)>);

impl Confirms {
    /// Takes over a channel in confirm mode.
    pub(crate) fn start(channel: Channel) -> Self {
        let (sender, messages) = mpsc::channel(WAITING);
        tokio::spawn(run(channel, messages));
        Self(sender)
    }

    /// Whether messages can still be handed over.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Publishes a message and waits for what becomes of it.
    pub(crate) async fn publish(&self, message: Message) -> Fate {
        let (fate, told) = oneshot::channel();
        let lost = || Fate::Unknown(Error::retryable("broker_unreachable", "the channel is gone"));
        match self.0.send((message, fate)).await {
            Ok(()) => told.await.unwrap_or_else(|_| lost()),
            Err(_) => lost(),
        }
    }
}

/// A message that is published and not confirmed yet.
struct Pending<C> {
    id: String,
    confirm: C,
    fate: oneshot::Sender<Fate>,
    until: Instant,
}

enum Verdict {
    Acked,
    Refused,
    Unknown(Error),
}

/// What is published and not confirmed yet, and the ids of returned messages whose own confirm is still to come: the
/// carrier may be confirmed before it.
struct Watch<C> {
    pending: VecDeque<Pending<C>>,
    returned: Returned,
}

async fn run(channel: Channel, mut messages: mpsc::Receiver<(Message, oneshot::Sender<Fate>)>) {
    let mut watch: Watch<PublisherConfirm> =
        Watch { pending: VecDeque::new(), returned: Returned::default() };
    let mut open = true;
    while open || !watch.pending.is_empty() {
        let until = watch.pending.front().map(|first| first.until);
        tokio::select! {
            biased;
            () = poll_fn(|cx| watch.sweep(cx)) => {}
            message = messages.recv(), if open => match message {
                Some((message, fate)) => match publish(&channel, message, fate).await {
                    Some(pending) => watch.pending.push_back(pending),
                    // The channel is gone, and each further message would take as long to find out. Those that wait
                    // learn it by the end of this task.
                    None => return,
                },
                None => open = false,
            },
            () = async { sleep_until(until.unwrap_or_else(Instant::now)).await }, if until.is_some() => {
                if let Some(late) = watch.pending.pop_front() {
                    let error = Error::retryable("broker_silent", "the broker does not confirm");
                    late.fate.send(Fate::Unknown(error)).ok();
                }
            }
        }
    }
}

async fn publish(
    channel: &Channel,
    message: Message,
    fate: oneshot::Sender<Fate>,
) -> Option<Pending<PublisherConfirm>> {
    let options = BasicPublishOptions { mandatory: message.mandatory, ..BasicPublishOptions::default() };
    let Message { id, exchange, routing_key, properties, payload, .. } = message;
    let (exchange, key) = (exchange.as_str().into(), routing_key.as_str().into());
    match answered(channel.basic_publish(exchange, key, options, &payload, properties)).await {
        Ok(confirm) => Some(Pending { id, confirm, fate, until: Instant::now() + PATIENCE }),
        Err(error) => {
            fate.send(Fate::Unknown(error)).ok();
            None
        }
    }
}

impl<C: Future<Output = lapin::Result<Confirmation>> + Unpin> Watch<C> {
    /// Takes out what is confirmed and tells it. Looks until it finds nothing more, since the carrier of a returned
    /// message may be resolved while those behind it are looked at.
    fn sweep(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ready = Vec::new();
        loop {
            let before = ready.len();
            let mut left = VecDeque::with_capacity(self.pending.len());
            for mut one in self.pending.drain(..) {
                match Pin::new(&mut one.confirm).poll(cx) {
                    Poll::Ready(confirmed) => ready.push((one.id, one.fate, self.returned.note(confirmed))),
                    Poll::Pending => left.push_back(one),
                }
            }
            self.pending = left;
            if ready.len() == before {
                break;
            }
        }
        if ready.is_empty() {
            return Poll::Pending;
        }
        for (id, fate, verdict) in ready {
            let what = match verdict {
                Verdict::Refused => Fate::Refused,
                Verdict::Unknown(error) => Fate::Unknown(error),
                Verdict::Acked if self.returned.take(&id) => Fate::Returned,
                Verdict::Acked => Fate::Stored,
            };
            // A run that was cancelled does not wait any more.
            fate.send(what).ok();
        }
        if self.pending.is_empty() {
            self.returned.0.clear();
        }
        Poll::Ready(())
    }
}

/// The ids of messages that came back, and how often each.
#[derive(Default)]
struct Returned(HashMap<String, usize>);

impl Returned {
    /// Notes the message that a confirm carries, whose ever it is.
    fn note(&mut self, confirmed: lapin::Result<Confirmation>) -> Verdict {
        let (verdict, carried) = match confirmed {
            Ok(Confirmation::Ack(carried)) => (Verdict::Acked, carried),
            Ok(Confirmation::Nack(carried)) => (Verdict::Refused, carried),
            Ok(Confirmation::NotRequested) => (Verdict::Refused, None),
            Err(error) => (Verdict::Unknown(failure(&error)), None),
        };
        if let Some(message) = carried {
            *self.0.entry(id_of(&message)).or_default() += 1;
        }
        verdict
    }

    /// Whether the message with this id came back. Each return counts once.
    fn take(&mut self, id: &str) -> bool {
        let Some(left) = self.0.get_mut(id) else { return false };
        *left -= 1;
        if *left == 0 {
            self.0.remove(id);
        }
        true
    }
}

fn id_of(message: &BasicReturnMessage) -> String {
    message.delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use lapin::message::Delivery;

    use super::*;

    /// A confirm, and what it resolves to once it is given.
    type Scripted = futures_util::future::Either<
        std::future::Pending<lapin::Result<Confirmation>>,
        Ready<lapin::Result<Confirmation>>,
    >;

    fn carries(id: Option<&str>) -> Scripted {
        let message = id.map(|id| {
            let mut delivery = Delivery::mock(1, "".into(), "".into(), false, Vec::new());
            delivery.properties = BasicProperties::default().with_message_id(id.into());
            BasicReturnMessage { delivery, reply_code: 312, reply_text: "NO_ROUTE".into() }
        });
        futures_util::future::Either::Right(ready(Ok(Confirmation::Ack(message))))
    }

    /// A message, and whether it is confirmed, and with whose return.
    type Step<'a> = (&'a str, Option<Option<&'a str>>);

    fn check(rounds: &[&[Step<'_>]], expect: &[(&str, Fate)]) {
        let mut watch = Watch { pending: VecDeque::new(), returned: Returned::default() };
        let mut told = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for round in rounds {
            for (id, confirm) in *round {
                let confirm = match confirm {
                    Some(carried) => carries(*carried),
                    None => futures_util::future::Either::Left(std::future::pending()),
                };
                if let Some(known) =
                    watch.pending.iter_mut().find(|one: &&mut Pending<Scripted>| one.id == *id)
                {
                    known.confirm = confirm;
                } else {
                    let (fate, receiver) = oneshot::channel();
                    told.push((*id, receiver));
                    watch.pending.push_back(Pending {
                        id: (*id).to_owned(),
                        confirm,
                        fate,
                        until: Instant::now(),
                    });
                }
            }
            assert!(watch.sweep(&mut cx).is_ready());
        }
        let told: Vec<_> = told.into_iter().map(|(id, mut fate)| (id, fate.try_recv().unwrap())).collect();
        assert_eq!(told, expect);
    }

    #[tokio::test]
    async fn a_message_that_came_back_is_told_by_its_id() {
        check(
            &[&[("a", Some(Some("b"))), ("b", Some(None)), ("c", Some(None))]],
            &[("a", Fate::Stored), ("b", Fate::Returned), ("c", Fate::Stored)],
        );
    }

    #[tokio::test]
    async fn the_carrier_may_be_confirmed_long_before() {
        check(
            &[
                &[("a", Some(Some("b"))), ("b", None), ("c", None)],
                &[("c", Some(None))],
                &[("b", Some(None))],
            ],
            &[("a", Fate::Stored), ("b", Fate::Returned), ("c", Fate::Stored)],
        );
    }
}
