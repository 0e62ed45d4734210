//! One request: heard, judged, done, answered.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::answer::{Body, Told, Untold};
use super::audit::Note;
use super::census::Census;
use super::peer::Peer;
use super::{Launch, rules};
use crate::refusal::{Code, Refusal};
use crate::wire::{
    Ask, Containers, Done, EffectiveLimits, EngineFacts, Event, INSTALLATION, Image, Kind, Line, Network,
    REQUEST, TURN, Usage, Verb, Version,
};

/// How many verbs of each kind are at work at a time. More wait for their turn.
const LOOKS: usize = 32;
const CHANGES: usize = 32;
const STREAMS: usize = 256;
/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(10);
/// How long a stream may go on. Whoever wants more of it asks again.
const STREAM: Duration = Duration::from_secs(24 * 60 * 60);

/// Where requests are answered.
pub(super) struct Desk {
    launch: Launch,
    census: Census,
    looks: Arc<Semaphore>,
    changes: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Desk {
    pub(super) fn new(launch: Launch, stop: CancellationToken) -> Self {
        Self {
            census: Census::new(launch.most.containers),
            launch,
            looks: Arc::new(Semaphore::new(LOOKS)),
            changes: Arc::new(Semaphore::new(CHANGES)),
            streams: Arc::new(Semaphore::new(STREAMS)),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// Whether somebody may ask.
    pub(super) fn knows(&self, peer: Peer) -> bool {
        self.launch.users.contains(&peer.uid)
    }

    /// Waits until what is under way is done.
    pub(super) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(super) async fn answer(self: Arc<Self>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        let mut note = Note::new(peer);
        let (ask, turn, patience) = match self.hear(peer, request, &mut note).await {
            Ok(heard) => heard,
            Err(refusal) => return end(&note, Err(refusal.into())),
        };
        let desk = self.clone();
        // A task of its own, so that it comes to its end, and into the log, when the asker hangs up.
        let work = async move {
            let done = tokio::time::timeout(patience, desk.perform(ask, turn));
            let answered = match AssertUnwindSafe(done).catch_unwind().await {
                Ok(Ok(answered)) => answered,
                Ok(Err(_elapsed)) => {
                    let detail = format!("it took longer than {} s", patience.as_secs());
                    Err(Refusal::new(Code::TimedOut, detail).into())
                }
                Err(_panic) => Err(fault().into()),
            };
            end(&note, answered)
        };
        let answered = self.tasks.spawn(work.in_current_span()).await;
        answered.unwrap_or_else(|_| end(&Note::new(peer), Err(fault().into())))
    }

    /// Hears a request out, judges it and waits for its turn. Also says how long it may take.
    async fn hear(
        &self,
        peer: Peer,
        request: Request<Incoming>,
        note: &mut Note,
    ) -> Result<(Ask, OwnedSemaphorePermit, Duration), Refusal> {
        // Before anything that a stranger wrote is looked at.
        if !self.knows(peer) {
            let detail = format!("the user {} is not among those that may", peer.uid);
            return Err(Refusal::new(Code::Peer, detail));
        }
        let verb = self.verb(&request)?;
        note.verb(verb);
        let ask = Ask::read(verb, &body(request).await?)?;
        note.ask(&ask);
        self.judge(&ask)?;
        let turn = self.turn(verb.kind()).await?;
        let patience = verb.patience().saturating_add(ask.grace());
        Ok((ask, turn, patience))
    }

    fn verb(&self, request: &Request<Incoming>) -> Result<Verb, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::new(Code::Malformed, "every verb is a POST"));
        }
        let verb = request.uri().query().is_none().then(|| Verb::of_path(request.uri().path())).flatten();
        let verb = verb.ok_or_else(|| Refusal::new(Code::Malformed, "there is no such verb"))?;
        let named = request.headers().get(INSTALLATION).map(hyper::header::HeaderValue::as_bytes);
        if named != Some(self.launch.installation.as_bytes()) {
            let detail = format!("this is the launcher of the installation `{}`", self.launch.installation);
            return Err(Refusal::new(Code::Foreign, detail));
        }
        Ok(verb)
    }

    fn judge(&self, ask: &Ask) -> Result<(), Refusal> {
        if let Some(name) = ask.container() {
            rules::name(&self.launch.installation, name)?;
        }
        match ask {
            Ask::Start(spec, _) => rules::limits(self.launch.most, spec.limits),
            _ => Ok(()),
        }
    }

    async fn turn(&self, kind: Kind) -> Result<OwnedSemaphorePermit, Refusal> {
        let places = match kind {
            Kind::Look => &self.looks,
            Kind::Change => &self.changes,
            Kind::Stream => &self.streams,
        };
        let busy = || Refusal::new(Code::Busy, "no place became free in time");
        let turn = tokio::time::timeout(TURN, places.clone().acquire_owned()).await;
        turn.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Asks the container engine. A stream keeps the place until it ends.
    async fn perform(&self, ask: Ask, turn: OwnedSemaphorePermit) -> Result<Told, Untold> {
        let runtime = &*self.launch.runtime;
        Ok(match ask {
            Ask::Prepare => Told::whole(&Network::from(runtime.prepare().await?)),
            Ask::Image(image) => Told::whole(&Image::from(runtime.image(&image).await?)),
            Ask::List => Told::whole(&Containers::from(runtime.list().await?)),
            Ask::Start(spec, boot) => {
                let Some(making) = self.census.begin(&spec.name, runtime).await? else {
                    let detail = format!("there are {}", self.launch.most.containers);
                    return Err(Refusal::new(Code::TooMany, detail).into());
                };
                let limits = runtime.start(&spec, &boot).await?;
                making.made();
                Told::whole(&EffectiveLimits::from(limits))
            }
            Ask::Stop(name, grace) => {
                runtime.stop(&name, grace).await?;
                Told::whole(&Done {})
            }
            Ask::Remove(name) => {
                runtime.remove(&name).await?;
                self.census.gone(&name);
                Told::whole(&Done {})
            }
            Ask::Logs { name, tail, follow } => {
                let lines = runtime.logs(&name, tail, follow).await?;
                Told::lines(bounded(lines, turn, self.stop.clone()).map(Line::from))
            }
            Ask::Events => {
                let events = runtime.events().await?;
                Told::lines(bounded(events, turn, self.stop.clone()).map(|()| Event {}))
            }
            Ask::Usage(name) => Told::whole(&Usage::from(runtime.usage(&name).await?)),
            Ask::Version => Told::whole(&Version { version: runtime.version().await? }),
            Ask::Facts => Told::whole(&EngineFacts::from(runtime.facts().await?)),
        })
    }
}

/// Notes what came of a request and answers it.
fn end(note: &Note, answered: Result<Told, Untold>) -> Response<Body> {
    note.write(&answered);
    match answered {
        Ok(told) => told.respond(),
        Err(untold) => untold.respond(note.operation()),
    }
}

fn fault() -> Refusal {
    Refusal::new(Code::Internal, "a fault of the launcher; its log has the place")
}

/// Ends a stream with the launcher, or when it went on for too long.
fn bounded<T: Send + 'static>(
    items: BoxStream<'static, T>,
    turn: OwnedSemaphorePermit,
    stop: CancellationToken,
) -> impl Stream<Item = T> + Send + 'static {
    let end = async move {
        // Held for as long as the stream goes on.
        let _turn = turn;
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(STREAM) => {}
        }
    };
    items.take_until(Box::pin(end))
}

/// Reads a body of at most so many bytes, in time.
async fn body(request: Request<Incoming>) -> Result<Vec<u8>, Refusal> {
    let read = tokio::time::timeout(BODY, Limited::new(request.into_body(), REQUEST).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::new(Code::TooLarge, format!("a body is at most {} KiB", REQUEST >> 10)))
        }
        Ok(Err(_)) => Err(Refusal::new(Code::Malformed, "the body broke off")),
        Err(_) => Err(Refusal::new(Code::TimedOut, "the body did not come in time")),
    }
}
