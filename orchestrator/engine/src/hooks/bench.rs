//! The threads that judge requests: signatures, bodies and expressions take time, and evaluators belong to one thread.
//!
//! The queue is short. Who finds it full is told to come again, so that a flood of requests costs memory for a few only.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;
use serde_json::Value;
use sluice_mapping::{Evaluator, Limits, WORKER_STACK_BYTES};
use sluice_webhook::Request;
use tokio::sync::oneshot;

use super::compiled::Hook;
use super::judge::{Case, Verdict, judge};
use crate::ingress::HookError;

const THREADS: usize = 2;
/// Requests that wait for a thread.
const WAITING: usize = 64;

/// A request to judge.
pub(crate) struct Job {
    pub(crate) hook: Arc<Hook>,
    pub(crate) request: Request,
    pub(crate) vars: Value,
    pub(crate) secrets: Vec<SecretString>,
    /// In seconds since 1970.
    pub(crate) now: i64,
}

type Reply = oneshot::Sender<Result<Verdict, HookError>>;

/// The handle to the threads. They end when it is dropped.
pub(crate) struct Bench {
    inbox: SyncSender<(Job, Reply)>,
}

impl Bench {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (inbox, jobs) = sync_channel(WAITING);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..THREADS {
            let jobs = jobs.clone();
            std::thread::Builder::new()
                .name(format!("hooks-{number}"))
                .stack_size(WORKER_STACK_BYTES)
                .spawn(move || work(&jobs))?;
        }
        Ok(Self { inbox })
    }

    /// Judges a request.
    pub(crate) async fn judge(&self, job: Job) -> Result<Verdict, HookError> {
        let (reply, answer) = oneshot::channel();
        match self.inbox.try_send((job, reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(HookError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(HookError::Broken),
        }
        answer.await.unwrap_or(Err(HookError::Broken))
    }
}

fn work(jobs: &Mutex<Receiver<(Job, Reply)>>) {
    let mut evaluator = Evaluator::new(Limits::default());
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, reply)) = next else { return };
        let case = Case {
            hook: &job.hook,
            request: &job.request,
            vars: job.vars,
            secrets: &job.secrets,
            now: job.now,
        };
        reply.send(judge(&mut evaluator, case)).ok();
    }
}
