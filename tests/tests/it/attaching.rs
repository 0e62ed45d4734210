//! `sluice component run`: a process of an author in the place of a container, and a connector file that changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{Amqp, HttpSink, World, eventually, program, workload};
use tokio::process::{Child, Command};

const PATIENCE: Duration = Duration::from_secs(90);

const TEMPLATE: &str = r#"
---
sluice: 1
kind: template
name: orders
version: 1.0.0
instances:
  shop: { connector: rabbitmq }
steps:
  - id: listen
    use: shop/listen
    config: { queue: source }
  - id: work
    use: faulty/act
    config: { do: slow, ms: 100 }
    concurrency: 4
  - id: out
    use: shop/publish
    config: { exchange: "", routing_key: sink }
"#;

/// `sluice component run`, and what it and its processes say.
struct Run {
    child: Child,
    log: PathBuf,
}

impl Run {
    fn start(world: &World, name: &str, arguments: &[&str]) -> Result<Self> {
        let log = world.data().join(name);
        let file = || std::fs::File::options().create(true).append(true).open(&log);
        let child = Command::new(program()?)
            .args(["component", "run"])
            .args(arguments)
            .env("SLUICE_URL", world.api.base())
            .env("SLUICE_TOKEN", world.api.token())
            .stdin(Stdio::null())
            .stdout(file()?)
            .stderr(file()?)
            .spawn()?;
        Ok(Self { child, log })
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it says something so many times.
    async fn says(&self, what: &str, times: usize) -> Result<()> {
        eventually(what, PATIENCE, || async {
            let said = self.said();
            ensure!(said.matches(what).count() >= times, "{said}");
            Ok(Some(()))
        })
        .await
    }

    /// The process that it runs now.
    fn process(&self) -> Result<u32> {
        let said = self.said();
        let after = said.rsplit_once("Process ").context("no process")?.1;
        Ok(after.split_whitespace().next().context("no number")?.parse()?)
    }

    /// Ends it as Ctrl-C does; its exit code.
    async fn interrupt(mut self) -> Result<Option<i32>> {
        signal("-INT", self.child.id().context("it runs")?).await?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.context("it does not end")?;
        Ok(ended?.code())
    }
}

async fn signal(signal: &str, process: u32) -> Result<()> {
    Command::new("kill").args([signal, &process.to_string()]).status().await?;
    Ok(())
}

/// The status of the deployment of `faulty`, and its container.
async fn faulty(world: &World) -> Result<(String, Option<String>)> {
    let deployments = world.api.get("/api/v1/deployments").await?;
    let all = deployments["items"].as_array().context("no list")?;
    let found = all.iter().find(|one| one["component"] == "faulty").context("no deployment")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok((text(&found["status"]).unwrap_or_default(), text(&found["container"]["name"])))
}

async fn until(world: &World, status: &str) -> Result<()> {
    eventually(&format!("a deployment that is {status}"), PATIENCE, || async {
        let found = faulty(world).await?;
        ensure!(found.0 == status && found.1.is_some() == (status == "running"), "{found:?}");
        Ok(Some(()))
    })
    .await
}

async fn send(amqp: &Amqp, numbers: std::ops::Range<u64>) -> Result<()> {
    let message = |number| (format!("m-{number}"), json!({ "number": number }).to_string().into_bytes());
    amqp.publish_all("", "source", &numbers.map(message).collect::<Vec<_>>()).await
}

/// Waits until all these numbers arrived, and counts how often each did. What was under way at a kill may come again later.
async fn arrived(amqp: &Amqp, numbers: std::ops::Range<u64>) -> Result<BTreeMap<u64, u32>> {
    let mut seen = BTreeMap::new();
    let wanted = usize::try_from(numbers.end - numbers.start)?;
    let drained = amqp.drain("sink", |_, body| {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if let Some(number) = body["number"].as_u64().filter(|number| numbers.contains(number)) {
            *seen.entry(number).or_default() += 1;
        }
        seen.len() == wanted
    });
    tokio::time::timeout(PATIENCE, drained).await.context("waiting at the sink")??;
    assert!(seen.keys().copied().eq(numbers), "{seen:?}");
    Ok(seen)
}

fn once(seen: &BTreeMap<u64, u32>) {
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_takes_the_place_of_a_container_and_gives_it_back_without_a_loss() -> Result<()> {
    let allowed = [("SLUICE__DEVELOPMENT__ATTACH", "true")];
    let mut world = World::start_with("attach", &["rabbitmq", "faulty"], &allowed).await?;
    let amqp = workload::queues(&world).await?;
    world.apply_with_broker("shop", TEMPLATE).await?;
    world.running("orders").await?;
    until(&world, "running").await?;
    let (folder, source) = folder(&world)?;
    let binary = program()?.with_file_name("sluice-component-faulty").display().to_string();
    let here = [folder.as_str(), "--command", binary.as_str()];

    // While messages are under way in the container.
    send(&amqp, 0..60).await?;
    let run = Run::start(&world, "first", &here)?;
    until(&world, "attached").await?;
    let process = run.process()?;
    let second = Run::start(&world, "second", &here)?;
    assert_eq!(wait(second).await?, Some(4), "one at a time");
    once(&arrived(&amqp, 0..60).await?);
    send(&amqp, 60..80).await?;
    once(&arrived(&amqp, 60..80).await?);
    assert_eq!(world.containers().await?.len(), 1, "nothing but the container of rabbitmq");
    for file in ["environ", "cmdline"] {
        let bytes = std::fs::read(format!("/proc/{process}/{file}"))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("sluice_run_") && !text.contains(world.api.token()), "a token in {file}");
    }

    // The process dies in the midst of its work: another one begins, and runs what it held once more.
    send(&amqp, 80..120).await?;
    signal("-KILL", process).await?;
    arrived(&amqp, 80..120).await?;
    run.says("Process ", 2).await?;
    assert_ne!(run.process()?, process);
    assert!(!run.said().contains("sluice_run_"), "{}", run.said());

    // A change in the midst of its work: it finishes what it began, and the next one takes over.
    send(&amqp, 200..240).await?;
    std::fs::write(&source, "changed")?;
    run.says("main.rs changed", 1).await?;
    run.says("Process ", 3).await?;
    once(&arrived(&amqp, 200..240).await?);

    // The server dies: it forgot the attachment, and the command attaches again.
    world.kill_and_restart().await?;
    run.says("Attached to faulty", 2).await?;
    until(&world, "attached").await?;
    send(&amqp, 120..130).await?;
    arrived(&amqp, 120..130).await?;

    // Ctrl-C in the midst of its work: it finishes what it began, and the container does the rest.
    send(&amqp, 130..180).await?;
    assert_eq!(run.interrupt().await?, Some(0));
    once(&arrived(&amqp, 130..180).await?);
    until(&world, "running").await?;

    // The command itself dies: the container comes back when nobody renews, and the process is shut out.
    let mut run = Run::start(&world, "third", &here)?;
    until(&world, "attached").await?;
    let process = run.process()?;
    run.child.kill().await?;
    until(&world, "running").await?;
    send(&amqp, 180..200).await?;
    arrived(&amqp, 180..200).await?;
    eventually("the end of the process", PATIENCE, || async {
        Ok((!Path::new(&format!("/proc/{process}")).exists()).then_some(()))
    })
    .await?;
    let letters = world.api.get("/api/v1/dead-letters").await?;
    assert_eq!(letters["items"], json!([]));
    world.stop().await
}

/// A folder of the component `faulty`, and a source file in it.
fn folder(world: &World) -> Result<(String, PathBuf)> {
    let folder = world.data().join("faulty");
    let source = folder.join("src/main.rs");
    std::fs::create_dir_all(folder.join("src"))?;
    std::fs::write(&source, "")?;
    let descriptor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../components/faulty/component.json");
    std::fs::copy(descriptor, folder.join("component.json"))?;
    Ok((folder.display().to_string(), source))
}

async fn wait(mut run: Run) -> Result<Option<i32>> {
    Ok(tokio::time::timeout(PATIENCE, run.child.wait()).await.context("it does not end")??.code())
}

fn connector(version: &str, path: &str) -> String {
    format!(
        "sluice: 1
kind: connector
name: crm
version: {version}
title: CRM
variables: {{ type: object, required: [url], properties: {{ url: {{ type: string }} }} }}
http: {{ base_url: = vars.url }}
actions:
  look:
    title: Look
    request: {{ path: {path} }}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_file_is_in_use_at_each_change_and_what_was_comes_back() -> Result<()> {
    let world = World::start("filerun", &["rest"]).await?;
    let sink = HttpSink::start().await?;
    sink.answer(|request| (200, json!({ "path": request.path })));
    let url = sink.url(&world.host);
    let instance = format!(
        "---\nsluice: 1\nkind: instance\nname: crm-1\nconnector: crm\nsettings: {{ url: \"{url}\" }}\n"
    );
    world.api.apply(&(connector("1.0.0", "/old") + &instance), json!({})).await?;
    let asked = |path: &'static str| {
        let world = &world;
        move || async move {
            let answer =
                world.api.call("POST", "/api/v1/instances/crm-1/invoke/look", Some(json!({}))).await?;
            ensure!(answer.to_string().contains(path), "{answer}");
            Ok(Some(()))
        }
    };
    eventually("the old version", PATIENCE, asked("/old")).await?;

    let file = world.data().join("crm.yaml");
    std::fs::write(&file, connector("1.1.0", "/new"))?;
    let run = Run::start(&world, "file", &[&file.display().to_string()])?;
    run.says("crm 1.1.0+dev.1 is in use", 1).await?;
    run.says("Watching", 1).await?;
    eventually("the file's version", PATIENCE, asked("/new")).await?;
    std::fs::write(&file, connector("1.1.0", "/newer").replace("title: Look", "titel: Look"))?;
    run.says("crm 1.1.0+dev.1 stays in use", 1).await?;
    assert!(run.said().contains("F0011") && run.said().contains("crm.yaml:"), "{}", run.said());
    asked("/new")().await?;
    std::fs::write(&file, connector("1.1.0", "/newer"))?;
    run.says("crm 1.1.0+dev.2 is in use", 1).await?;
    eventually("the change", PATIENCE, asked("/newer")).await?;

    assert_eq!(run.interrupt().await?, Some(0));
    let versions = world.api.get("/api/v1/connectors/crm").await?;
    let versions: Vec<&Value> =
        versions.as_array().context("no list")?.iter().map(|one| &one["version"]).collect();
    assert_eq!(versions, [&json!("1.0.0")]);
    eventually("what was", PATIENCE, asked("/old")).await?;
    world.stop().await
}
