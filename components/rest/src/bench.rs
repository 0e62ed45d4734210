//! Where expressions are evaluated: threads with the stack that the engine wants, each with an evaluator of its own.
//!
//! An evaluator cannot leave its thread, and an evaluation may take a second or two. So neither happens on the threads
//! that the SDK runs functions on; those only wait for the answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use sluice_mapping::{Evaluator, Limits, WORKER_STACK_BYTES};
use sluice_sdk::Error;
use tokio::sync::oneshot;

const THREADS: usize = 2;

type Job = Box<dyn FnOnce(&mut Evaluator) + Send>;

/// The handle to the threads. They end when it is dropped.
pub(crate) struct Bench {
    jobs: mpsc::Sender<Job>,
}

impl Bench {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let inbox = Arc::new(Mutex::new(inbox));
        for number in 0..THREADS {
            let inbox = Arc::clone(&inbox);
            std::thread::Builder::new()
                .name(format!("expressions-{number}"))
                .stack_size(WORKER_STACK_BYTES)
                .spawn(move || work(&inbox))?;
        }
        Ok(Self { jobs })
    }

    /// Runs `work` on one of the threads. It must not wait for anything.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Evaluator) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        // Whoever asked may be gone by then.
        let job: Job = Box::new(move |evaluator: &mut Evaluator| drop(reply.send(work(evaluator))));
        // Without threads the reply is dropped with the job, which shows below.
        self.jobs.send(job).ok();
        answer.await.map_err(|_| Error::fatal("evaluation_failed", "an expression could not be evaluated"))
    }
}

fn work(inbox: &Mutex<mpsc::Receiver<Job>>) {
    let mut evaluator = Evaluator::new(limits());
    loop {
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(|| job(&mut evaluator))).is_err() {
            evaluator = Evaluator::new(limits());
        }
    }
}

/// Answers are larger than messages, so an evaluation may give and cost more than one of a template.
fn limits() -> Limits {
    Limits {
        timeout: Duration::from_secs(5),
        output_bytes: 32 * 1024 * 1024,
        sequence: 250_000,
        work: 512 * 1024 * 1024,
        ..Limits::default()
    }
}
