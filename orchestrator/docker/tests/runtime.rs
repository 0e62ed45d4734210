//! The adapter against a real engine. Needs one; says so when there is none.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

#[path = "runtime/harness.rs"]
mod harness;
#[path = "runtime/launched.rs"]
mod launched;

use std::time::Duration;

use futures_util::StreamExt;
use harness::Harness;
use launched::Launched;
use secrecy::SecretString;
use sluice_domain::{ContainerStartId, DeploymentId, Limits, Memory};
use sluice_ports::Fault;
use sluice_ports::runtime::{ContainerSpec, ContainerState, Runtime};
use sluice_testkit::contract::runtime::{RuntimeHarness, suite};
use sluice_testkit::eventually;

async fn spec(harness: &Harness, name: &str) -> ContainerSpec {
    let image = harness.image();
    ContainerSpec {
        name: format!("{}-{name}", harness.prefix()),
        deployment: DeploymentId::from_bits(1),
        start: ContainerStartId::from_bits(1),
        digest: harness.docker.image(&image).await.unwrap().digest,
        image,
        limits: Limits::default(),
    }
}

async fn log(harness: &Harness, name: &str) -> Vec<String> {
    let lines = harness.docker.logs(name, 100, false).await.unwrap();
    lines.map(|line| line.text).collect().await
}

#[tokio::test]
async fn docker_keeps_the_contract() {
    let harness = Harness::new("suite").await;
    suite(&harness).await;
}

#[tokio::test]
async fn docker_keeps_the_contract_behind_a_launcher() {
    let launched = Launched::new("launched").await;
    suite(&launched).await;
    launched.end().await;
}

#[tokio::test]
async fn a_container_can_do_no_more_than_the_template_says() {
    let harness = Harness::new("rights").await;
    let spec = spec(&harness, "probe").await;
    harness.docker.start(&spec, &SecretString::from("x")).await.unwrap();
    let probe = eventually("the probe is logged", || async { log(&harness, &spec.name).await.pop() }).await;
    assert_eq!(probe, "root false tmp true uid 10001 caps 0000000000000000 nnp 1");
}

#[tokio::test]
async fn the_boot_line_is_in_no_inspection_and_no_log() {
    let harness = Harness::new("boot").await;
    let spec = spec(&harness, "boot").await;
    harness.docker.start(&spec, &SecretString::from("canary-hunter2")).await.unwrap();
    eventually("the boot line is read", || async {
        log(&harness, &spec.name).await.contains(&"boot 14 bytes".to_owned()).then_some(())
    })
    .await;
    for arguments in [["inspect", spec.name.as_str()], ["logs", spec.name.as_str()]] {
        let shown = harness::docker_command(&arguments);
        assert!(!shown.contains("canary"), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_container_that_eats_too_much_ends_and_says_why() {
    let harness = Harness::new("memory").await;
    let limits = Limits { memory: Some(Memory::mib(16)), cpus: None };
    let spec = ContainerSpec { limits, ..spec(&harness, "eat").await };
    harness.docker.start(&spec, &SecretString::from("eat")).await.unwrap();
    let exit = eventually("it is killed", || async {
        match harness.docker.list().await.unwrap().pop()?.state {
            ContainerState::Exited(exit) => Some(exit),
            ContainerState::Running | ContainerState::Transition => None,
        }
    })
    .await;
    assert_eq!((exit.code, exit.out_of_memory), (137, true));
}

#[tokio::test]
async fn what_somebody_else_made_is_never_touched() {
    let harness = Harness::new("foreign").await;
    let spec = spec(&harness, "foreign").await;
    harness::docker_command(&["create", "--name", &spec.name, harness.image().as_str()]);
    let boot = SecretString::from("x");
    for refused in [
        harness.docker.start(&spec, &boot).await.map(|_| ()),
        harness.docker.stop(&spec.name, Duration::ZERO).await,
        harness.docker.remove(&spec.name).await,
        harness.docker.logs(&spec.name, 1, false).await.map(|_| ()),
    ] {
        assert_eq!(refused.unwrap_err().fault, Fault::Permanent);
    }
    assert!(harness::docker_command(&["inspect", &spec.name]).contains(&spec.name), "it is still there");
    harness::docker_command(&["rm", &spec.name]);
    assert!(harness.docker.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_program_that_is_not_in_its_image_leaves_no_container() {
    let harness = Harness::new("broken").await;
    let image = harness.import("broken", &["--change", r#"ENTRYPOINT ["/nothing"]"#]);
    let digest = harness.docker.image(&image).await.unwrap().digest;
    let spec = ContainerSpec { image, digest, ..spec(&harness, "broken").await };
    let error = harness.docker.start(&spec, &SecretString::from("x")).await.unwrap_err();
    assert_eq!(error.fault, Fault::Permanent, "{error:?}");
    assert!(harness.docker.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_image_with_a_volume_is_refused() {
    let harness = Harness::new("volume").await;
    let image = harness.import("volume", &["--change", "VOLUME /data"]);
    assert_eq!(harness.docker.image(&image).await.unwrap_err().fault, Fault::Permanent);
}

#[tokio::test]
async fn a_descriptor_is_read_from_the_image() {
    let harness = Harness::new("label").await;
    let image = harness.import("label", &["--change", r#"LABEL io.sluice.component="{}""#]);
    assert_eq!(harness.docker.image(&image).await.unwrap().descriptor.as_deref(), Some("{}"));
}

#[tokio::test]
async fn an_image_that_is_nowhere_is_an_error_that_says_so() {
    let harness = Harness::new("nowhere").await;
    let image = "localhost:1/nowhere:1".parse().unwrap();
    let error = harness.docker.image(&image).await.unwrap_err();
    assert!(error.to_string().contains("pull image localhost:1/nowhere:1"), "{error}");
    assert!(error.fault != Fault::Conflict && error.source.is_some(), "{error:?}");
}

#[tokio::test]
async fn containers_of_our_network_are_kept_apart() {
    let harness = Harness::new("apart").await;
    let network = harness.docker.prepare().await.unwrap();
    let format = r#"{{index .Options "com.docker.network.bridge.enable_icc"}} {{.EnableIPv6}}"#;
    let made = harness::docker_command(&["network", "inspect", "--format", format, &network.name]);
    assert_eq!(made.trim(), "false false", "neither each other nor version 6");
    let facts = harness.docker.facts().await.unwrap();
    assert!(facts.network.unwrap().apart && facts.bridge_filter == Some(true), "{facts:?}");
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{end}}";
    let ranges = harness::docker_command(&["network", "inspect", "--format", format, &network.name]);
    let subnets: Vec<_> =
        network.subnets.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect();
    assert_eq!(subnets, ranges.split_whitespace().collect::<Vec<_>>());
    assert!(!subnets.is_empty());
}

#[tokio::test]
async fn containers_of_our_network_have_no_route_out() {
    let harness = Harness::new("fence").await;
    let network = harness.docker.prepare().await.unwrap();
    assert!(network.fenced && network.own);
    let format = r#"{{.Internal}} {{index .Options "com.docker.network.bridge.name"}}"#;
    let made = harness::docker_command(&["network", "inspect", "--format", format, &network.name]);
    assert!(made.starts_with("true slc-"), "{made}");
    let spec = spec(&harness, "fence").await;
    harness.docker.start(&spec, &SecretString::from("x")).await.unwrap();
    let resolver = harness::docker_command(&["inspect", "--format", "{{.HostConfig.Dns}}", &spec.name]);
    assert_eq!(resolver.trim(), "[127.0.0.1]");
}

#[tokio::test]
async fn a_network_of_before_is_made_anew_when_nothing_is_on_it() {
    let harness = Harness::new("anew").await;
    let name = format!("sluice-{}", harness.prefix());
    let label = format!("io.sluice.installation={}", harness.prefix());
    let made = || harness::docker_command(&["network", "create", "--label", &label, &name]);
    made();
    assert!(harness.docker.prepare().await.unwrap().fenced, "it is made anew");
    harness::docker_command(&["network", "rm", &name]);
    made();
    let spec = spec(&harness, "anew").await;
    // It is still there while a container is started, whose address others know.
    harness.docker.start(&spec, &SecretString::from("x")).await.unwrap();
    let network = harness.docker.prepare().await.unwrap();
    assert!(!network.fenced && network.own, "a container is on it");
    let facts = harness.docker.facts().await.unwrap().network.unwrap();
    assert!(!facts.fenced && facts.own && !facts.empty, "{facts:?}");
}

#[tokio::test]
async fn a_network_of_somebody_else_is_used_and_never_made() {
    let harness = Harness::new("compose").await;
    let name = format!("{}-theirs", harness.prefix());
    let docker = harness::connect_on(&harness.prefix(), &name);
    assert_eq!(docker.prepare().await.unwrap_err().fault, Fault::NotFound);
    let label = format!("io.sluice.installation={}", harness.prefix());
    // Docker chooses the addresses: those of a test's own choice may be taken on this machine.
    harness::docker_command(&["network", "create", "--label", &label, &name]);
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let gateway = harness::docker_command(&["network", "inspect", "--format", format, &name]);
    let network = docker.prepare().await.unwrap();
    assert!(!network.fenced && !network.own);
    assert_eq!((network.name, network.host.to_string()), (name, gateway.trim().to_owned()));
    let facts = docker.facts().await.unwrap().network.unwrap();
    assert!(!facts.apart && !facts.own, "{facts:?}");
    let spec = spec(&harness, "compose").await;
    docker.start(&spec, &SecretString::from("x")).await.unwrap();
    assert_eq!(docker.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_engine_that_is_away_is_worth_another_try() {
    let docker = harness::connect("away", Some("unix:///nonexistent/docker.sock"));
    assert_eq!(docker.list().await.unwrap_err().fault, Fault::Transient);
}

#[tokio::test]
async fn a_long_line_is_cut() {
    let harness = Harness::new("long").await;
    let spec = spec(&harness, "long").await;
    harness.docker.start(&spec, &SecretString::from("long")).await.unwrap();
    let lines = eventually("the line after the long one", || async {
        let lines = log(&harness, &spec.name).await;
        lines.contains(&"after".to_owned()).then_some(lines)
    })
    .await;
    assert_eq!(lines.iter().map(String::len).max(), Some(16 * 1024));
    assert_eq!(lines.len(), 4);
}
