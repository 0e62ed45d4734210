//! The contract of [`Runtime`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::SecretString;
use sluice_domain::{ContainerStartId, DeploymentId, ExitInfo, ImageRef, Limits, Memory};
use sluice_ports::Fault;
use sluice_ports::runtime::{Container, ContainerSpec, ContainerState, Runtime};

use super::{fault_of, ok};
use crate::{eventually, within};

/// What the suite needs beside the runtime.
pub trait RuntimeHarness: Send + Sync {
    /// The runtime, with an installation of its own: the suite expects to find no containers.
    fn runtime(&self) -> Arc<dyn Runtime>;

    /// An image that is there. It reads its standard input to the end, writes `boot N bytes` (N being the length of the
    /// first line), and runs until SIGTERM, on which it exits with 0. When the first line is `exit C`, it exits with C at
    /// once.
    fn image(&self) -> ImageRef;

    /// What all names of containers begin with, different for each run of the suite.
    fn prefix(&self) -> String;
}

const GRACE: Duration = Duration::from_secs(10);

/// Runs the whole contract.
///
/// # Panics
/// Where the runtime breaks its contract.
pub async fn suite(harness: &dyn RuntimeHarness) {
    preparing_twice_gives_the_same_network(harness).await;
    an_image_has_a_digest(harness).await;
    a_container_lives_from_start_to_removal(harness).await;
    a_leftover_makes_way_and_a_running_container_does_not(harness).await;
    an_exit_code_is_told(harness).await;
    limits_are_those_asked_for(harness).await;
    missing_containers_are_no_trouble(harness).await;
    a_start_fires_an_event(harness).await;
    a_followed_log_goes_on(harness).await;
    assert_eq!(ok(harness.runtime().list().await), Vec::new(), "nothing is left over");
}

async fn preparing_twice_gives_the_same_network(harness: &dyn RuntimeHarness) {
    let first = ok(harness.runtime().prepare().await);
    assert_eq!(ok(harness.runtime().prepare().await), first, "preparing is idempotent");
    assert!(!ok(harness.runtime().version().await).is_empty(), "the engine has a name");
    let facts = ok(harness.runtime().facts().await);
    assert!(!facts.name.is_empty() && !facts.version.is_empty(), "and says what it is: {facts:?}");
}

async fn an_image_has_a_digest(harness: &dyn RuntimeHarness) {
    let first = ok(harness.runtime().image(&harness.image()).await);
    let second = ok(harness.runtime().image(&harness.image()).await);
    assert_eq!(first, second, "an image that did not change is the same");
}

async fn a_container_lives_from_start_to_removal(harness: &dyn RuntimeHarness) {
    let runtime = harness.runtime();
    let spec = spec(harness, "life", 1).await;
    let limits = ok(runtime.start(&spec, &SecretString::from("twelve bytes")).await);
    let listed = the_one(harness, &spec.name).await.expect("a started container is listed");
    assert_eq!((listed.deployment, listed.start), (spec.deployment, spec.start));
    assert_eq!((listed.state, listed.limits), (ContainerState::Running, limits));
    wait_for_log(harness, &spec.name, "boot 12 bytes").await;
    if let Some(usage) = ok(runtime.usage(&spec.name).await) {
        assert!(usage.memory_bytes > 0, "what runs uses memory");
    }

    ok(runtime.stop(&spec.name, GRACE).await);
    let state = the_one(harness, &spec.name).await.expect("a stopped container is listed").state;
    assert_eq!(state, ContainerState::Exited(ExitInfo { code: 0, out_of_memory: false }));
    ok(runtime.stop(&spec.name, GRACE).await);
    wait_for_log(harness, &spec.name, "boot 12 bytes").await;

    ok(runtime.remove(&spec.name).await);
    assert_eq!(the_one(harness, &spec.name).await, None, "a removed container is gone");
    assert_eq!(ok(runtime.usage(&spec.name).await), None, "what is not there uses nothing");
    ok(runtime.remove(&spec.name).await);
}

async fn a_leftover_makes_way_and_a_running_container_does_not(harness: &dyn RuntimeHarness) {
    let runtime = harness.runtime();
    let first = spec(harness, "again", 1).await;
    let second = ContainerSpec { start: ContainerStartId::from_bits(2), ..first.clone() };
    let boot = SecretString::from("x");
    ok(runtime.start(&first, &boot).await);
    assert_eq!(fault_of(runtime.start(&second, &boot).await), Fault::Conflict);
    let running = the_one(harness, &first.name).await.expect("the first one runs on");
    assert_eq!((running.start, running.state), (first.start, ContainerState::Running));
    ok(runtime.stop(&first.name, GRACE).await);
    ok(runtime.start(&second, &boot).await);
    let running = the_one(harness, &first.name).await.expect("the second one runs");
    assert_eq!((running.start, running.state), (second.start, ContainerState::Running));
    ok(runtime.remove(&first.name).await);
}

async fn an_exit_code_is_told(harness: &dyn RuntimeHarness) {
    let runtime = harness.runtime();
    let spec = spec(harness, "exit", 1).await;
    ok(runtime.start(&spec, &SecretString::from("exit 7")).await);
    let ended = eventually("the container ends by itself", || async {
        match the_one(harness, &spec.name).await?.state {
            ContainerState::Exited(exit) => Some(exit),
            ContainerState::Running | ContainerState::Transition => None,
        }
    });
    assert_eq!(ended.await, ExitInfo { code: 7, out_of_memory: false });
    ok(runtime.remove(&spec.name).await);
}

async fn limits_are_those_asked_for(harness: &dyn RuntimeHarness) {
    let runtime = harness.runtime();
    let limits = Limits { memory: Some(Memory::mib(48)), cpus: None };
    let spec = ContainerSpec { limits, ..spec(harness, "limits", 1).await };
    let effective = ok(runtime.start(&spec, &SecretString::from("x")).await);
    assert_eq!(effective.memory_bytes, 48 << 20);
    assert!(
        effective.nano_cpus > 0 && effective.pids > 0,
        "what was not asked for has a default: {effective:?}"
    );
    ok(runtime.remove(&spec.name).await);
}

async fn missing_containers_are_no_trouble(harness: &dyn RuntimeHarness) {
    let runtime = harness.runtime();
    let name = format!("{}-nobody", harness.prefix());
    ok(runtime.stop(&name, GRACE).await);
    ok(runtime.remove(&name).await);
    assert_eq!(fault_of(runtime.logs(&name, 10, false).await.map(|_| ())), Fault::NotFound);
}

async fn a_start_fires_an_event(harness: &dyn RuntimeHarness) {
    let runtime = harness.runtime();
    let mut events = ok(runtime.events().await);
    let spec = spec(harness, "event", 1).await;
    let fired = async {
        // An adapter may subscribe only when it is first asked, so one start may be missed.
        let fired = events.next();
        tokio::pin!(fired);
        loop {
            ok(runtime.remove(&spec.name).await);
            ok(runtime.start(&spec, &SecretString::from("x")).await);
            if let Ok(fired) = tokio::time::timeout(Duration::from_millis(500), &mut fired).await {
                return fired;
            }
        }
    };
    assert_eq!(within("a start fires an event", fired).await, Some(()));
    ok(runtime.remove(&spec.name).await);
}

async fn a_followed_log_goes_on(harness: &dyn RuntimeHarness) {
    let runtime = harness.runtime();
    let spec = spec(harness, "follow", 1).await;
    ok(runtime.start(&spec, &SecretString::from("x")).await);
    let mut log = ok(runtime.logs(&spec.name, 100, true).await);
    let line =
        within("the first line is followed", log.next()).await.expect("a running container's log is open");
    assert_eq!(line.text, "boot 1 bytes");
    ok(runtime.stop(&spec.name, GRACE).await);
    within("the log ends with the container", async { while log.next().await.is_some() {} }).await;
    ok(runtime.remove(&spec.name).await);
}

async fn spec(harness: &dyn RuntimeHarness, name: &str, start: u128) -> ContainerSpec {
    let image = harness.image();
    let digest = ok(harness.runtime().image(&image).await).digest;
    ContainerSpec {
        name: format!("{}-{name}", harness.prefix()),
        deployment: DeploymentId::from_bits(5),
        start: ContainerStartId::from_bits(start),
        digest,
        image,
        limits: Limits::default(),
    }
}

async fn the_one(harness: &dyn RuntimeHarness, name: &str) -> Option<Container> {
    let listed = ok(harness.runtime().list().await);
    let names: BTreeSet<_> = listed.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names.len(), listed.len(), "each container is listed once");
    listed.into_iter().find(|container| container.name == name)
}

async fn wait_for_log(harness: &dyn RuntimeHarness, name: &str, text: &str) {
    eventually(&format!("`{text}` in the log of {name}"), || async {
        let lines: Vec<_> = ok(harness.runtime().logs(name, 100, false).await).collect().await;
        lines.iter().any(|line| line.text == text).then_some(())
    })
    .await;
}
