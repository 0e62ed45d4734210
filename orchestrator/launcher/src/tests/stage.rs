//! A launcher on a socket in a folder of its own.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sluice_domain::{ContainerStartId, Cpus, DeploymentId, ImageRef, Limits, Memory};
use sluice_ports::PortError;
use sluice_ports::runtime::{ContainerSpec, Image, Runtime};
use sluice_testkit::fakes::{ManualClock, MemoryRuntime};
use sluice_testkit::within;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

use super::slow::Slow;
use crate::{Launch, Launcher, Most, Socket, serve};

/// The image that there is.
pub(super) fn image() -> ImageRef {
    "sluice/echo:1".parse().unwrap()
}

/// A container of the installation `test`.
pub(super) fn spec(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: format!("sluice-test-{name}"),
        deployment: DeploymentId::from_bits(1),
        start: ContainerStartId::from_bits(2),
        digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
        image: image(),
        limits: Limits::default(),
    }
}

/// The code of a refusal.
pub(super) fn code(error: &PortError) -> Option<String> {
    let text = error.source.as_ref()?.to_string();
    Some(text.split_once(':')?.0.to_owned())
}

/// The number of the user that the test runs as.
pub(super) fn own_uid() -> u32 {
    std::fs::metadata("/proc/self").unwrap().uid()
}

/// A launcher before a container engine that is not there, and a client of it.
pub(super) struct Stage {
    pub(super) fake: Arc<MemoryRuntime>,
    /// What stands before the fake, where it does.
    pub(super) slow: Option<Arc<Slow>>,
    pub(super) client: Launcher,
    pub(super) users: BTreeSet<u32>,
    pub(super) most: Most,
    runtime: Arc<dyn Runtime>,
    folder: TempDir,
    served: Option<(JoinHandle<()>, CancellationToken)>,
}

impl Stage {
    /// One that this user may ask.
    pub(super) async fn new() -> Self {
        let mut stage = Self::dark();
        stage.begin().await;
        stage
    }

    /// One with something before the fake.
    pub(super) async fn with(before: impl FnOnce(Arc<MemoryRuntime>) -> Slow) -> Self {
        let mut stage = Self::dark();
        let slow = Arc::new(before(stage.fake.clone()));
        stage.runtime = slow.clone();
        stage.slow = Some(slow);
        stage.most.containers = 100;
        stage.begin().await;
        stage
    }

    /// One that does not serve yet.
    pub(super) fn dark() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(MemoryRuntime::new(Arc::new(ManualClock::default())));
        fake.add_image(image(), Image { digest: spec("a").digest, descriptor: None });
        Self {
            client: Launcher::new(folder.path().join("launcher.sock"), "test"),
            runtime: fake.clone(),
            fake,
            slow: None,
            users: BTreeSet::from([own_uid()]),
            most: Most { memory: Memory::mib(256), cpus: Cpus::try_from(2.0).unwrap(), containers: 3 },
            folder,
            served: None,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("launcher.sock")
    }

    /// Serves from now on.
    pub(super) async fn begin(&mut self) {
        let socket = Socket::bind(&self.path(), None).unwrap();
        let launch = Launch {
            runtime: self.runtime.clone(),
            installation: "test".to_owned(),
            users: self.users.clone(),
            most: self.most,
        };
        let stop = CancellationToken::new();
        self.served = Some((tokio::spawn(serve(socket, launch, stop.clone())), stop));
    }

    /// Tells it to end.
    pub(super) fn cancel(&self) {
        self.served.as_ref().unwrap().1.cancel();
    }

    /// Tells it to end and waits until it did.
    pub(super) async fn stop(&mut self) {
        self.cancel();
        let (served, _) = self.served.take().unwrap();
        within("the launcher ends", served).await.unwrap();
    }
}

/// What this thread logs.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that this crate logs on this thread from now on, while the guard lives.
pub(super) fn log() -> (Log, DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("sluice_launcher=trace")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}
