//! Tells each publish on a channel what became of its own message.
//!
//! The broker returns an unroutable message and then confirms it, but the library hands the returned message to
//! whichever confirm it handles next. So one task per channel looks at all confirms, and goes by the id of the message
//! that came back.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::message::BasicReturnMessage;
use lapin::{Confirmation, PublisherConfirm};
use sluice_sdk::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::broker::failure;

const PATIENCE: Duration = Duration::from_secs(10);

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

struct Ticket {
    tag: String,
    confirm: PublisherConfirm,
    fate: oneshot::Sender<Fate>,
}

/// Hands confirms to the task that watches them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Confirms(mpsc::UnboundedSender<Ticket>);

impl Confirms {
    pub(crate) fn start() -> Self {
        let (sender, tickets) = mpsc::unbounded_channel();
        tokio::spawn(watch(tickets));
        Self(sender)
    }

    /// What becomes of the message with this id.
    pub(crate) async fn fate(&self, tag: &str, confirm: PublisherConfirm) -> Fate {
        let (fate, told) = oneshot::channel();
        let lost = || Fate::Unknown(Error::retryable("broker_unreachable", "the channel is gone"));
        match self.0.send(Ticket { tag: tag.to_owned(), confirm, fate }) {
            Ok(()) => told.await.unwrap_or_else(|_| lost()),
            Err(_) => lost(),
        }
    }
}

enum Verdict {
    Acked(Option<String>),
    Refused,
    Unknown(Error),
}

type Watched = BoxFuture<'static, (String, oneshot::Sender<Fate>, Verdict)>;

async fn watch(mut tickets: mpsc::UnboundedReceiver<Ticket>) {
    let mut watched: FuturesUnordered<Watched> = FuturesUnordered::new();
    loop {
        let first = tokio::select! {
            ticket = tickets.recv() => match ticket {
                Some(ticket) => {
                    watched.push(verdict(ticket));
                    continue;
                }
                None if watched.is_empty() => return,
                None => watched.next().await,
            },
            Some(first) = watched.next() => Some(first),
        };
        // One frame of the broker may confirm many. Only when all of them are seen is it known which came back.
        let mut ready: Vec<_> = first.into_iter().collect();
        while let Some(Some(next)) = watched.next().now_or_never() {
            ready.push(next);
        }
        tell(ready);
    }
}

fn verdict(ticket: Ticket) -> Watched {
    Box::pin(async move {
        let verdict = match timeout(PATIENCE, ticket.confirm).await {
            Ok(Ok(Confirmation::Ack(returned))) => Verdict::Acked(returned.map(|message| tag_of(&message))),
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => Verdict::Refused,
            Ok(Err(error)) => Verdict::Unknown(failure(&error)),
            Err(_) => Verdict::Unknown(Error::retryable("broker_silent", "the broker does not confirm")),
        };
        (ticket.tag, ticket.fate, verdict)
    })
}

fn tag_of(message: &BasicReturnMessage) -> String {
    message.delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default()
}

fn tell(ready: Vec<(String, oneshot::Sender<Fate>, Verdict)>) {
    let mut returned: HashMap<String, usize> = HashMap::new();
    for (_, _, verdict) in &ready {
        if let Verdict::Acked(Some(tag)) = verdict {
            *returned.entry(tag.clone()).or_default() += 1;
        }
    }
    for (tag, fate, verdict) in ready {
        let what = match verdict {
            Verdict::Refused => Fate::Refused,
            Verdict::Unknown(error) => Fate::Unknown(error),
            Verdict::Acked(_) => match returned.get_mut(&tag).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    Fate::Returned
                }
                None => Fate::Stored,
            },
        };
        // A run that was cancelled does not wait any more.
        fate.send(what).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_that_came_back_is_told_by_its_id() {
        let (ready, told): (Vec<_>, Vec<_>) = [("a", Some("b")), ("b", None), ("c", None)]
            .into_iter()
            .map(|(tag, returned)| {
                let (fate, told) = oneshot::channel();
                ((tag.to_owned(), fate, Verdict::Acked(returned.map(str::to_owned))), told)
            })
            .unzip();
        tell(ready);
        let mut fates = Vec::new();
        for one in told {
            fates.push(one.await.unwrap());
        }
        assert_eq!(fates, [Fate::Stored, Fate::Returned, Fate::Stored]);
    }
}
