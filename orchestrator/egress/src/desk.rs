//! One connection of a component: each request is proven, judged, and served or refused.

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::{Request, Response};
use sluice_ports::egress::{Caller, Target};
use sluice_protocol::Reach;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::forward::Upstream;
use crate::guest::Place;
use crate::listen::Shared;
use crate::refusal::{Code, Refusal};
use crate::register::Entry;
use crate::target::Wish;
use crate::watched::Pulse;
use crate::{forward, proof, target, tunnel};

/// The header by which a component asks for less than a rule gives: `public` for addresses of the internet only.
pub(crate) const REACH: &str = "sluice-reach";
/// Refusals of one connection are told of this often.
const TOLD: Duration = Duration::from_secs(10);

/// The body of an answer.
pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// One connection.
pub(crate) struct Desk {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pulse: Pulse,
    /// Cuts this connection.
    pub(crate) closed: CancellationToken,
    /// Its place, which a tunnel takes along.
    _place: Place,
    /// The connection to where the last request went.
    pub(crate) upstream: Mutex<Option<Upstream>>,
    told: Mutex<Option<Instant>>,
}

/// A request that may go on.
pub(crate) struct Passed {
    pub(crate) caller: Caller,
    pub(crate) target: Target,
    pub(crate) reach: Reach,
    /// Holds its place in the register.
    _entry: Entry,
}

impl Desk {
    pub(crate) fn new(shared: Arc<Shared>, pulse: Pulse, closed: CancellationToken, place: Place) -> Self {
        let (upstream, told) = (Mutex::default(), Mutex::default());
        Self { shared, pulse, closed, _place: place, upstream, told }
    }

    /// Answers a request.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let mut caller = None;
        let done = self.serve(request, &mut caller).await;
        Ok(match done {
            Ok(response) => {
                self.shared.rules.count("passed");
                response
            }
            Err(refusal) => {
                self.shared.rules.count(refusal.code.outcome());
                self.tell(caller, &refusal);
                refusal.answer().map(|body| body.map_err(|never| match never {}).boxed())
            }
        })
    }

    async fn serve(
        self: &Arc<Self>,
        request: Request<Incoming>,
        caller: &mut Option<Caller>,
    ) -> Result<Response<Body>, Refusal> {
        *caller = Some(self.prove(&request).await?);
        let wish = target::read(&request).map_err(|why| Refusal::new(Code::Malformed, why))?;
        let passed = self.pass(&request, (*caller).ok_or_else(stranger)?, wish.target()).await?;
        debug!(
            deployment.id = %passed.caller.deployment, start.id = %passed.caller.start, target = %passed.target,
            "a component goes out"
        );
        match wish {
            Wish::Tunnel(_) => tunnel::open(self, request, passed).await,
            Wish::Answer(_) => forward::send(self, request, passed).await,
        }
    }

    async fn prove(&self, request: &Request<Incoming>) -> Result<Caller, Refusal> {
        let (username, password) = proof::read(request.headers()).ok_or_else(stranger)?;
        match self.shared.rules.caller(&username, &password).await {
            Ok(caller) => caller.ok_or_else(stranger),
            Err(_) => Err(undecided()),
        }
    }

    async fn pass(
        &self,
        request: &Request<Incoming>,
        caller: Caller,
        target: &Target,
    ) -> Result<Passed, Refusal> {
        let reach = self.shared.rules.reach(caller, target).await.map_err(|_| undecided())?;
        let reach = reach.ok_or_else(|| Refusal::new(Code::NoRule, format!("no rule names {target}")))?;
        let less = request.headers().get(REACH).is_some_and(|wanted| wanted == "public");
        let reach = if less { Reach::Public } else { reach };
        let most = self.shared.limits.of_container;
        let entry =
            self.shared.register.enter(caller, (target, reach), &self.closed, most).ok_or_else(|| {
                Refusal::new(Code::Crowded, format!("the container has {most} connections already"))
            })?;
        Ok(Passed { caller, target: target.clone(), reach, _entry: entry })
    }

    /// Tells of a refusal; not of each where there are many.
    fn tell(&self, caller: Option<Caller>, refusal: &Refusal) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|at| at.elapsed() < TOLD) {
            return;
        }
        *told = Some(Instant::now());
        let (code, detail) = (refusal.code.as_str(), &refusal.detail);
        match caller {
            Some(Caller { start, deployment }) => {
                info!(code, deployment.id = %deployment, start.id = %start, "a component did not get out: {detail}");
            }
            None => info!(code, "a component did not get out: {detail}"),
        }
    }
}

fn stranger() -> Refusal {
    Refusal::new(Code::Stranger, "user name or password are missing or wrong")
}

fn undecided() -> Refusal {
    Refusal::new(Code::Undecided, "the rules cannot be read; try again")
}
