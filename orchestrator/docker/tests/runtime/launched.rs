//! The adapter behind a launcher, and the launcher's client before it.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use sluice_domain::{Cpus, ImageRef, Memory};
use sluice_launcher::{Launch, Launcher, Most, Socket, serve};
use sluice_ports::runtime::Runtime;
use sluice_testkit::contract::runtime::RuntimeHarness;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::Harness;

/// An installation of its own that is reached by way of a launcher.
pub(crate) struct Launched {
    behind: Harness,
    client: Launcher,
    stop: CancellationToken,
    served: JoinHandle<()>,
    _folder: TempDir,
}

impl Launched {
    pub(crate) async fn new(name: &str) -> Self {
        let behind = Harness::new(name).await;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("launcher.sock");
        let own = std::fs::metadata("/proc/self").expect("this process is there").uid();
        let launch = Launch {
            runtime: behind.docker.clone(),
            installation: behind.prefix(),
            users: BTreeSet::from([own]),
            most: Most {
                memory: Memory::mib(256),
                cpus: Cpus::try_from(1.0).expect("it is a number of processors"),
                containers: 2,
            },
        };
        let socket = Socket::bind(&path, None).expect("a socket can be made");
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(socket, launch, stop.clone()));
        let client = Launcher::new(path, &behind.prefix());
        Self { behind, client, stop, served, _folder: folder }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.served.await.expect("the launcher ends");
    }
}

impl RuntimeHarness for Launched {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.client.clone())
    }

    fn image(&self) -> ImageRef {
        self.behind.image()
    }

    fn prefix(&self) -> String {
        format!("sluice-{}", self.behind.prefix())
    }
}
