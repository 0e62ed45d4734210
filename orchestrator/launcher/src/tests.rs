//! Both sides of a real socket, before container engines that are not there.

mod patience;
mod refusals;
mod slow;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::SecretString;
use sluice_domain::ImageRef;
use sluice_ports::Fault;
use sluice_ports::runtime::Runtime;
use sluice_testkit::contract::runtime::{RuntimeHarness, suite};
use sluice_testkit::{eventually, within};

use slow::Slow;
use stage::{Stage, spec};

struct Harness(Stage);

impl RuntimeHarness for Harness {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.0.client.clone())
    }

    fn image(&self) -> ImageRef {
        stage::image()
    }

    fn prefix(&self) -> String {
        "sluice-test".to_owned()
    }
}

#[tokio::test]
async fn the_contract_holds_through_the_socket() {
    suite(&Harness(Stage::new().await)).await;
}

#[tokio::test]
async fn an_error_is_of_the_same_kind_on_both_sides() {
    let stage = Stage::new().await;
    let (spec, boot) = (spec("a"), SecretString::from("x"));
    let faults = [Fault::Transient, Fault::NotFound, Fault::Conflict, Fault::Permanent];
    stage.fake.fail_starts(faults);
    for fault in faults {
        let error = stage.client.start(&spec, &boot).await.unwrap_err();
        assert_eq!((error.fault, error.operation.as_str()), (fault, "start container sluice-test-a"));
        let cause = error.source.map(|cause| cause.to_string());
        assert_eq!(cause.as_deref(), Some("the test says so"));
    }
    let missing: ImageRef = "sluice/nowhere:1".parse().unwrap();
    assert_eq!(stage.client.image(&missing).await.unwrap_err().fault, Fault::NotFound);
    stage.fake.set_down(true);
    assert_eq!(stage.client.events().await.map(|_| ()).unwrap_err().fault, Fault::Transient);
}

#[tokio::test]
async fn a_launcher_that_is_started_again_is_met_again() {
    let mut stage = Stage::new().await;
    stage.client.start(&spec("a"), &SecretString::from("x")).await.unwrap();
    let mut events = stage.client.events().await.unwrap();
    let mut log = stage.client.logs("sluice-test-a", 10, true).await.unwrap();
    assert_eq!(log.next().await.map(|line| line.text).as_deref(), Some("boot 1 bytes"));
    stage.stop().await;
    within("the events end", async { while events.next().await.is_some() {} }).await;
    within("the log ends", async { while log.next().await.is_some() {} }).await;
    assert_eq!(stage.client.list().await.unwrap_err().fault, Fault::Transient, "nobody is there");
    stage.begin().await;
    assert_eq!(stage.client.list().await.unwrap().len(), 1);
    let mut events = stage.client.events().await.unwrap();
    stage.fake.end("sluice-test-a", sluice_domain::ExitInfo { code: 1, out_of_memory: false });
    assert_eq!(within("the events go on", events.next()).await, Some(()));
}

#[tokio::test]
async fn a_start_comes_to_its_end_when_the_asker_hangs_up() {
    let stage = Stage::with(Slow::new).await;
    let slow = stage.slow.clone().unwrap();
    let client = stage.client.clone();
    let asked = tokio::spawn(async move { client.start(&spec("a"), &SecretString::from("x")).await });
    within("the start is under way", slow.begun()).await;
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    slow.go_on();
    eventually("the container is there", || async { stage.fake.started("sluice-test-a") }).await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_before_the_launcher_ends() {
    let mut stage = Stage::with(Slow::new).await;
    let slow = stage.slow.clone().unwrap();
    let client = stage.client.clone();
    let asked = tokio::spawn(async move { client.start(&spec("a"), &SecretString::from("x")).await });
    within("the start is under way", slow.begun()).await;
    stage.cancel();
    slow.go_on();
    assert!(asked.await.unwrap().is_ok(), "it is answered");
    stage.stop().await;
}

#[tokio::test]
async fn a_fault_of_the_launcher_is_an_error_and_not_its_end() {
    let stage = Stage::with(Slow::new).await;
    let error = stage.client.usage("sluice-test-a").await.unwrap_err();
    assert_eq!((error.fault, stage::code(&error).as_deref()), (Fault::Transient, Some("L0009")));
    assert!(stage.client.list().await.is_ok());
}

#[tokio::test]
async fn each_request_is_a_line_and_none_tells_what_a_container_was_handed() {
    let (log, _guard) = stage::log();
    let stage = Stage::new().await;
    stage.client.start(&spec("a"), &SecretString::from("canary-hunter2")).await.unwrap();
    let refused = stage.client.start(&spec("b-c"), &SecretString::from("canary-hunter2")).await;
    assert_eq!(stage::code(&refused.unwrap_err()).as_deref(), Some("L0004"));
    stage.client.stop("sluice-test-a", Duration::ZERO).await.unwrap();
    stage.client.remove("sluice-test-a").await.unwrap();
    let text = log.text();
    for part in
        ["verb=\"start\"", "verb=\"stop\"", "verb=\"remove\"", "outcome=\"done\"", "outcome=\"L0004\""]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let uid = format!("peer.uid={}", stage::own_uid());
    assert!(text.contains(&uid) && text.contains("container.name=\"sluice-test-a\""), "{text}");
    assert!(text.contains(&spec("a").start.to_string()), "{text}");
    assert!(!text.contains("canary"), "{text}");
}
