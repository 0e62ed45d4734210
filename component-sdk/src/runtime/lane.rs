//! Consumes one queue of inputs, for ever, over as many channels as it takes.
//!
//! A consumer that ends is one case, whatever ended it: the broker cancelled it, the channel closed, the connection was
//! lost. What was delivered goes on meanwhile; it is acknowledged when it comes again.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use sluice_protocol::batch::{self, BatchError, Encoding};
use sluice_protocol::{Envelope, ErrorInfo, Status};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::backoff::Backoff;
use super::broker::{BrokerError, Link, answered};
use super::invocation;
use super::runner::Runner;
use super::step::{CATCH_UP, Job, Steps};
use super::ticket::Ticket;
use super::window::{Admission, Key, Sent};
use crate::component::Checked;
use crate::error::chain;

/// One queue to serve.
pub(crate) struct Lane {
    pub(crate) queue: String,
    pub(crate) prefetch: u16,
    pub(crate) component: Arc<Checked>,
    pub(crate) link: Arc<Link>,
    pub(crate) steps: Steps,
    pub(crate) runner: Arc<Runner>,
    pub(crate) stop: CancellationToken,
}

/// Whether a delivery was delivered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    Never,
    /// The process before this one may have died of it.
    FromTheDead,
    /// The broker marks what was on its way when a connection is lost, and all that waits when it is killed itself.
    FromTheBroker,
}

/// How many deliveries may still come back from the process before: the first of this one, and at most what a process
/// holds. What comes back later was marked by the broker, while this process lived.
struct Heritage(u16);

impl Heritage {
    fn judge(&mut self, redelivered: bool) -> Back {
        match (redelivered, self.0) {
            (false, _) => Back::Never,
            (true, 0) => Back::FromTheBroker,
            (true, _) => {
                self.0 -= 1;
                Back::FromTheDead
            }
        }
    }
}

/// What each delivery of a consumer needs.
struct Inlet {
    /// Kept by each ticket: whoever waits for the last one waits for these.
    tickets: mpsc::Sender<()>,
    /// Where records come from that are to be judged anew.
    returns: UnboundedSender<Sent>,
}

/// A channel with a consumer on it.
struct Open {
    channel: Channel,
    consumer: Consumer,
}

impl Lane {
    /// Serves until it is stopped and every delivery is answered.
    pub(crate) async fn serve(self) {
        let mut backoff = Backoff::new();
        let mut heritage = Heritage(self.prefetch);
        while !self.stop.is_cancelled() {
            let opened = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                opened = self.open() => opened,
            };
            match opened {
                Ok(open) => {
                    info!(queue = self.queue, "consuming");
                    backoff.reset();
                    self.consume(open, &mut heritage).await;
                    heritage = Heritage(0);
                }
                Err(error) => {
                    warn!(queue = self.queue, error = chain(&error), "the queue cannot be consumed yet")
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = backoff.wait() => {}
            }
        }
    }

    async fn open(&self) -> Result<Open, BrokerError> {
        let (channel, _) = self.link.channel().await;
        answered(channel.basic_qos(self.prefetch, BasicQosOptions::default())).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel.basic_consume(self.queue.as_str().into(), "".into(), options, arguments);
        let consumer = answered(consumer).await?;
        Ok(Open { channel, consumer })
    }

    /// Takes deliveries until the consumer ends.
    async fn consume(&self, mut open: Open, heritage: &mut Heritage) {
        let (tickets, mut all_settled) = mpsc::channel(1);
        let (returns, mut returned) = mpsc::unbounded_channel();
        let inlet = Inlet { tickets, returns };
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(sent) = returned.recv() => self.admit_again(sent, &inlet.returns).await,
                next = open.consumer.next() => match next {
                    Some(Ok(delivery)) => self.take(delivery, heritage, &inlet).await,
                    Some(Err(error)) => warn!(queue = self.queue, %error, "the consumer failed"),
                    None => {
                        warn!(queue = self.queue, "the consumer ended, it is opened again");
                        return;
                    }
                },
            }
        }
        self.wind_up(&mut open, heritage, &inlet).await;
        self.settle_all(inlet, (&mut all_settled, &mut returned)).await;
        drop(open);
    }

    /// Cancels the consumer and answers for what had arrived before. The channel stays open for acknowledgements.
    async fn wind_up(&self, open: &mut Open, heritage: &mut Heritage, inlet: &Inlet) {
        let cancel = open.channel.basic_cancel(open.consumer.tag(), BasicCancelOptions::default());
        if let Err(error) = answered(cancel).await {
            warn!(queue = self.queue, error = chain(&error), "the consumer could not be cancelled");
            return;
        }
        while let Some(Ok(delivery)) = open.consumer.next().await {
            self.take(delivery, heritage, inlet).await;
        }
    }

    /// Waits until every delivery is answered. Only then may the channel close.
    async fn settle_all(
        &self,
        inlet: Inlet,
        (all_settled, returned): (&mut mpsc::Receiver<()>, &mut UnboundedReceiver<Sent>),
    ) {
        let Inlet { tickets, returns } = inlet;
        // From here on the tickets alone hold it: it ends with the last of them, and nothing is ever sent.
        drop(tickets);
        loop {
            tokio::select! {
                biased;
                Some(sent) = returned.recv() => self.admit_again(sent, &returns).await,
                _ = all_settled.recv() => return,
            }
        }
    }

    async fn take(&self, delivery: Delivery, heritage: &mut Heritage, inlet: &Inlet) {
        let Delivery { acker, data, properties, redelivered, .. } = delivery;
        let encoding = properties.content_encoding().as_ref().map(|text| text.as_str());
        let records = match unpack(data, encoding) {
            Ok(records) => records,
            Err(error) => {
                error!(queue = self.queue, %error, "a batch cannot be decoded and is dropped");
                Vec::new()
            }
        };
        if records.is_empty() {
            // A lost channel brings it again, and it is dropped again.
            drop(answered(acker.ack(BasicAckOptions::default())).await);
            return;
        }
        let back = heritage.judge(redelivered);
        let ticket = Arc::new(Ticket::new(acker, records.len(), inlet.tickets.clone()));
        let deadline = Instant::now() + CATCH_UP;
        for record in records {
            match serde_json::from_slice::<Envelope>(&record) {
                Ok(envelope) => {
                    let sent = Sent { envelope: Arc::new(envelope), ticket: Arc::clone(&ticket) };
                    self.admit(sent, back, &inlet.returns, deadline).await;
                }
                Err(error) => {
                    error!(queue = self.queue, kind = ?error.classify(), "a record cannot be read and is dropped");
                    ticket.settle().await;
                }
            }
        }
    }

    /// Judges a record anew that came while another sending of it was held.
    async fn admit_again(&self, sent: Sent, returns: &UnboundedSender<Sent>) {
        self.admit(sent, Back::Never, returns, Instant::now() + CATCH_UP).await;
    }

    async fn admit(&self, sent: Sent, back: Back, returns: &UnboundedSender<Sent>, deadline: Instant) {
        if sent.envelope.invocation.as_deref().is_some_and(invocation::is_expired) {
            warn!(message.id = %sent.envelope.id, "an invocation came too late and is dropped");
            sent.ticket.settle().await;
            return;
        }
        let key = Key::from(&*sent.envelope);
        let admission = self.runner.window.admit((key, &sent), back != Back::Never, returns);
        let Sent { envelope, ticket } = sent;
        let job = Job { key, envelope };
        match admission {
            Admission::Run => self.start(job, deadline).await,
            Admission::Suspect if back == Back::FromTheBroker => self.start(job, deadline).await,
            Admission::Attached => {}
            Admission::Finished => ticket.settle().await,
            Admission::Suspect => {
                warn!(step.id = %job.envelope.step, message.id = %job.envelope.id, "came back, not run again");
                self.bounce(&job, Status::Suspect, None);
            }
        }
    }

    async fn start(&self, job: Job, deadline: Instant) {
        if let Some(invocation) = &job.envelope.invocation {
            let served = Arc::new(invocation::served(&self.component, &job.envelope.step, invocation));
            let runner = Arc::clone(&self.runner);
            self.runner.work.spawn(async move { runner.run(served, job).await });
            return;
        }
        let found = if self.stop.is_cancelled() {
            self.steps.get(&job.envelope.step)
        } else {
            self.steps.find(&job.envelope.step, deadline).await
        };
        match found {
            Some(step) => {
                step.queue(job);
            }
            None if self.stop.is_cancelled() => {
                let error =
                    ErrorInfo::new("drained", "the component does not serve this step any more", true);
                self.bounce(&job, Status::Rebound, Some(error));
            }
            None => {
                error!(step.id = %job.envelope.step, message.id = %job.envelope.id, "no assignment names this step");
                let error =
                    ErrorInfo::new("unknown_step", "the component was not told to serve this step", false);
                self.bounce(&job, Status::Error, Some(error));
            }
        }
    }

    fn bounce(&self, job: &Job, status: Status, error: Option<ErrorInfo>) {
        let invocation = job.envelope.invocation.as_ref();
        let route = invocation.map(|invocation| invocation.routing_key.as_str().into());
        match route.or_else(|| self.steps.route(&job.envelope.step)) {
            Some(route) => self.runner.bounce(&route, job, status, error),
            None => {
                // Without any assignment there is no way to answer: unacknowledged, it comes again to whoever can.
                error!(step.id = %job.envelope.step, message.id = %job.envelope.id, "no route for an answer");
                drop(self.runner.window.finish(job.key, false));
            }
        }
    }
}

fn unpack(data: Vec<u8>, encoding: Option<&str>) -> Result<Vec<Bytes>, BatchError> {
    batch::decode(&Bytes::from(data), Encoding::from_header(encoding)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_process_before_can_have_held_is_suspect() {
        let mut heritage = Heritage(2);
        let judged: Vec<Back> = [true, false, true, true, true]
            .into_iter()
            .map(|redelivered| heritage.judge(redelivered))
            .collect();
        let (dead, broker) = (Back::FromTheDead, Back::FromTheBroker);
        assert_eq!(judged, [dead, Back::Never, dead, broker, broker]);
    }
}
