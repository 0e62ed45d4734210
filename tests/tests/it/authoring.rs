//! The workbench of authors, by the real command: new projects, inspection of broken things, the acceptance suite.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{Broker, HttpSink, Received, component_image, docker, eventually, program, unique};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// A command of `sluice` with the configuration that a server of these tests has.
fn sluice(arguments: &[&str]) -> Result<Command> {
    let of = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; run tests/run"));
    let mut command = Command::new(program()?);
    command
        .args(arguments)
        .env("SLUICE__BROKER__URL", of("SLUICE_TEST_AMQP_URL")?)
        .env("SLUICE__BROKER__MANAGEMENT_URL", of("SLUICE_TEST_MANAGEMENT_URL")?)
        .env_remove("SLUICE_CONFIG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

/// What a command gives to programs, its exit code, and what it says.
async fn run(arguments: &[&str]) -> Result<(Option<i32>, Value, String)> {
    let output = sluice(arguments)?.args(["-o", "json"]).output().await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok((output.status.code(), value, said))
}

/// The codes of the findings of an inspection, with their places.
async fn findings(target: &str) -> Result<(Option<i32>, Vec<(String, String)>, Value)> {
    let (exit, value, said) = run(&["component", "inspect", target]).await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = value["findings"].as_array().with_context(|| format!("no findings of {target}: {said}"))?;
    let found = found.iter().map(|one| (text(&one["code"]), text(&one["place"]))).collect();
    Ok((exit, found, value))
}

/// The checks of a report: name, what it is about, verdict and reason.
fn verdict<'r>(report: &'r Value, check: &str, about: &str) -> Result<(&'r str, &'r str)> {
    let all = report["checks"].as_array().with_context(|| format!("no checks in {report}"))?;
    let is = |one: &&Value| {
        let about_it = |field: &str| one[field].as_str().is_some_and(|text| text == about);
        one["check"] == check && (about.is_empty() || about_it("case") || about_it("function"))
    };
    let one = all.iter().find(is).with_context(|| format!("no check {check} of {about} in {report:#}"))?;
    Ok((one["verdict"].as_str().unwrap_or_default(), one["reason"].as_str().unwrap_or_default()))
}

/// Builds an image of nothing but a file that is no program.
async fn image(name: &str, dockerfile: &str, label: Option<&str>) -> Result<String> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("Dockerfile"), format!("FROM scratch\nCOPY x /x\n{dockerfile}"))?;
    std::fs::write(folder.path().join("x"), "no program")?;
    let tag = format!("{}:1", unique(name));
    let mut command = Command::new("docker");
    command.args(["build", "--quiet", "--tag", &tag]).env("DOCKER_BUILDKIT", "0");
    if let Some(label) = label {
        command.args(["--label", &format!("io.sluice.component={label}")]);
    }
    let output = command.arg(folder.path()).stdin(Stdio::null()).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(tag)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// The address of this machine as containers of any network see it.
async fn host() -> Result<String> {
    let format = "{{with index .IPAM.Config 0}}{{.Gateway}}|{{.Subnet}}{{end}}";
    let found = docker(&["network", "inspect", "--format", format, "bridge"]).await?;
    let (gateway, subnet) = found.split_once('|').unwrap_or((&found, ""));
    // Some engines name no gateway of this network: it has the first address.
    let first = || subnet.split_once('/').map(|(net, _)| net.trim_end_matches('0').to_owned() + "1");
    Ok(if gateway.is_empty() { first().unwrap_or_default() } else { gateway.to_owned() })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inspection_says_why_something_is_no_component() -> Result<()> {
    let log = component_image("log");
    let (exit, found, value) = findings(&log).await?;
    assert_eq!((exit, found), (Some(0), vec![("C0406".to_owned(), String::new())]));
    assert_eq!((&value["usable"], &value["functions"][0]["name"]), (&json!(true), &json!("write")));

    let (exit, found, value) = findings(&log.replace("log", "lgo")).await?;
    assert_eq!((exit, found[0].0.as_str()), (Some(1), "C0102"));
    let help = value["findings"][0]["help"].as_str().unwrap_or_default();
    assert!(help.contains(&log), "{help}");

    let codes =
        |found: &[(String, String)]| -> Vec<String> { found.iter().map(|(code, _)| code.clone()).collect() };
    let bare = image("no-label", "EXPOSE 80\n", None).await?;
    let (exit, found, _) = findings(&bare).await?;
    assert_eq!(
        (exit, codes(&found)),
        (Some(1), ["C0104", "C0106", "C0107", "C0108"].map(str::to_owned).to_vec())
    );

    let descriptor = r#"{"name":"Bad","version":"1.0.0","title":"","actions":{"act":{"titel":""}}}"#;
    let wrong = image("wrong-label", "USER 1\nENTRYPOINT [\"/x\"]\n", Some(descriptor)).await?;
    let (exit, found, _) = findings(&wrong).await?;
    let places: Vec<&str> = found.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!((exit, places), (Some(1), vec!["/name", "/actions/act/titel", "/actions/act"]));

    let descriptor = r#"{"name":"good","version":"1.0.0","title":"","actions":{"act":{"title":""}}}"#;
    let text = image("no-program", "USER 1\nENTRYPOINT [\"/x\"]\n", Some(descriptor)).await?;
    let (exit, found, _) = findings(&text).await?;
    assert_eq!((exit, codes(&found)), (Some(1), vec!["C0401".to_owned()]));
    docker(&["rmi", &bare, &wrong, &text]).await?;

    let folder = tempfile::tempdir()?;
    let file = write(folder.path(), "c.yaml", "sluice: 1\nkind: connector\nname: c\ntitel: C\n")?;
    let (exit, found, _) = findings(&file).await?;
    assert_eq!(exit, Some(1));
    assert!(found.iter().any(|(code, place)| code == "F0011" && place.ends_with(":4:8")), "{found:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_fails_its_suite_where_it_is_faulty_and_only_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let acceptance = json!({ "sluice": 1, "kind": "acceptance", "functions": {
        "act": { "cases": [
            { "name": "passes it on", "input": { "a": 1 }, "expect": { "a": 1 } },
            { "name": "is slow", "input": { "do": "slow", "ms": 60_000 }, "timeout": "1s" },
            { "name": "retries what is wrong", "input": { "do": "error", "retryable": true }, "error": "as_asked" },
            { "name": "says another thing", "input": { "a": 1 }, "expect": { "a": 2 } },
            { "name": "ends the process", "input": { "do": "exit", "code": 3 } },
            { "name": "hangs", "input": { "do": "hang" }, "timeout": "1s" },
        ] },
        "emit": { "config": { "count": 2 }, "cases": [{ "name": "two", "expect": [{ "n": 0 }, { "n": 1 }] }] },
    } });
    let acceptance = write(folder.path(), "acceptance.json", &acceptance.to_string())?;
    let faulty = component_image("faulty");
    let (exit, report, said) = run(&["component", "test", &faulty, "--acceptance", &acceptance]).await?;
    assert_eq!(exit, Some(1), "{said}");
    for (check, about, expect) in [
        ("case", "passes it on", "passed"),
        ("case", "is slow", "passed"),
        ("timeout", "is slow", "passed"),
        ("case", "retries what is wrong", "passed"),
        ("wrong-input", "act", "failed"),
        ("case", "says another thing", "failed"),
        ("case", "ends the process", "failed"),
        ("timeout", "hangs", "failed"),
        ("case", "two", "passed"),
        ("cursor", "emit", "passed"),
        ("case", "stream", "skipped"),
        ("input-size", "", "passed"),
        ("shutdown", "", "passed"),
        ("secrets", "", "passed"),
    ] {
        let (verdict, reason) = verdict(&report, check, about)?;
        assert_eq!(verdict, expect, "{check} of {about}: {reason}");
    }
    let (_, reason) = verdict(&report, "case", "ends the process")?;
    assert!(reason.contains("component_died") && reason.contains('3'), "{reason}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_component_passes_its_suite_and_nothing_stays_behind() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let acceptance = json!({ "sluice": 1, "kind": "acceptance", "functions": { "write": { "cases": [
        { "name": "passes it on", "config": { "level": "warn" }, "input": { "a": [1] }, "expect": "= outputs[0].body.a[0] = 1" },
    ] } } });
    let acceptance = write(folder.path(), "acceptance.json", &acceptance.to_string())?;
    let log = component_image("log");
    let (exit, report, said) = run(&["component", "test", &log, "--acceptance", &acceptance]).await?;
    assert_eq!(exit, Some(0), "{report:#} {said}");
    for (check, expect) in
        [("input-size", "passed"), ("shutdown", "passed"), ("secrets", "passed"), ("timeout", "skipped")]
    {
        assert_eq!(verdict(&report, check, "")?.0, expect, "{check}");
    }
    gone(&lab(&said)?).await?;

    // Without an acceptance file nothing of it is shown, and so nothing is passed.
    let (exit, report, said) = run(&["component", "test", &log]).await?;
    assert_eq!(exit, Some(0), "{said}");
    for check in ["case", "input-size", "shutdown", "secrets"] {
        assert_eq!(verdict(&report, check, "")?.0, "skipped", "{check}");
    }

    let mut child = sluice(&["component", "test", &log, "--acceptance", &acceptance])?.spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("it is piped")?).lines();
    let name = lab(&lines.next_line().await?.unwrap_or_default())?;
    eventually("the lab's network", Duration::from_secs(120), || async {
        let networks = docker(&["network", "ls", "--format", "{{.Name}}"]).await?;
        Ok(networks.lines().any(|known| known == format!("sluice-{name}")).then_some(()))
    })
    .await?;
    let pid = child.id().context("it runs")?.to_string();
    Command::new("kill").args(["-INT", &pid]).status().await?;
    assert_eq!(child.wait().await?.code(), Some(1));
    gone(&name).await
}

/// The name of the lab that a command made.
fn lab(said: &str) -> Result<String> {
    let word = said.split_whitespace().find(|word| word.starts_with("lab-"));
    Ok(word
        .with_context(|| format!("no lab in {said}"))?
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_owned())
}

/// Nothing of a lab is there any more.
async fn gone(lab: &str) -> Result<()> {
    // As the harness does for its worlds; a second one is refused, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let broker = Broker::create(&unique("authoring")).await?;
    let vhosts = broker.call("GET", &["vhosts"], None).await?;
    let users = broker.users(&format!("sluice-{lab}-")).await?;
    broker.remove().await?;
    let left = vhosts.as_array().into_iter().flatten().any(|one| one["name"] == lab);
    assert!(!left && users.is_empty(), "{lab} is left on the broker: {users:?}");
    let networks = docker(&["network", "ls", "--format", "{{.Name}}"]).await?;
    assert!(!networks.contains(lab), "{networks}");
    let label = format!("label=io.sluice.installation={lab}");
    assert_eq!(docker(&["ps", "-aq", "--filter", &label]).await?, "");
    Ok(())
}

const TOKEN: &str = "canary-token-4711";

/// An API as the project of `init` expects it.
fn answer(request: &Received) -> (u16, Value) {
    if request.headers.get("authorization").is_none_or(|value| *value != format!("Bearer {TOKEN}")) {
        return (401, json!({ "error": "who are you?" }));
    }
    let contact = |id: u64| json!({ "id": id, "changed_at": 1000 + id });
    match request.path.as_str() {
        "/v2/me" => (200, json!({ "name": "ada" })),
        "/v2/contacts" if request.body.is_object() => (201, json!({ "id": 9 })),
        path if path.contains("page=1") => {
            (200, json!({ "items": (0..100).map(contact).collect::<Vec<_>>() }))
        }
        path if path.contains("page=2") => (200, json!({ "items": [contact(100)] })),
        path if path.contains("since=") => (200, json!({ "items": [contact(1)] })),
        _ => (200, json!({ "items": [contact(0), contact(1)] })),
    }
}

fn acceptance(url: &str, token: &Value, count: usize) -> String {
    json!({
        "sluice": 1, "kind": "acceptance", "settings": { "url": url }, "secrets": { "token": token },
        "functions": {
            "me": { "cases": [{ "name": "somebody", "expect": { "name": "ada" } }] },
            "contacts": { "cases": [{ "name": "all", "expect": format!("= $count(outputs) = {count}") }] },
            "create_contact": { "cases": [{ "name": "one", "input": { "name": "Bob" }, "expect": { "id": 9 } }] },
            "changed_contacts": { "cases": [{ "name": "at first", "expect": [{ "id": 0 }, { "id": 1 }] }] },
        },
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declarative_project_is_tested_against_its_api_and_then_without_it() -> Result<()> {
    let (folder, rest) = (tempfile::tempdir()?, component_image("rest"));
    let at = folder.path().join("crm");
    let dir = at.display().to_string();
    let made = ["component", "init", "crm", "--kind", "declarative", "--dir", &dir];
    assert_eq!(run(&made).await?.0, Some(0));
    let (exit, _, said) = run(&made).await?;
    assert!(exit == Some(1) && said.contains("A0118"), "{said}");
    assert_eq!(run(&["validate", &at.join("connector.yaml").display().to_string()]).await?.0, Some(0));
    assert_eq!(findings(&dir).await?.1, Vec::new());

    let sink = HttpSink::start().await?;
    sink.answer(answer);
    let url = format!("{}/v2", sink.url(&host().await?));
    write(&at, "acceptance.yaml", &acceptance(&url, &json!({ "value": TOKEN }), 101))?;
    let recording = folder.path().join("recording").display().to_string();
    let (exit, report, said) =
        run(&["component", "test", "--runner", &rest, &dir, "--record", &recording]).await?;
    assert_eq!(exit, Some(0), "{report:#} {said}");
    for check in
        ["credentials-accepted", "credentials-refused", "pagination", "cursor", "output", "recording"]
    {
        let about = if check == "output" { "create_contact" } else { "" };
        assert_eq!(verdict(&report, check, about)?.0, "passed", "{check}");
    }
    for entry in std::fs::read_dir(&recording)? {
        let text = std::fs::read_to_string(entry?.path())?;
        assert!(!text.contains(TOKEN) && !text.contains("refuse-"), "{text}");
    }

    // The API is gone, and nobody knows the token.
    let asked = sink.count();
    drop(sink);
    let unset = json!({ "env": "SLUICE_TEST_NOT_SET" });
    write(&at, "acceptance.yaml", &acceptance(&url, &unset, 101))?;
    let (exit, report, said) =
        run(&["component", "test", "--runner", &rest, &dir, "--replay", &recording]).await?;
    assert_eq!(exit, Some(0), "{report:#} {said}");
    assert_eq!(verdict(&report, "credentials-refused", "")?.0, "passed");
    assert!(asked > 8, "{asked}");
    assert_eq!(run(&["component", "test", "--runner", &rest, &dir]).await?.0, Some(1), "a secret is missing");

    write(&at, "acceptance.yaml", &acceptance(&url, &unset, 102).replace("Bob", "Eve"))?;
    let (exit, report, _) =
        run(&["component", "test", "--runner", &rest, &dir, "--replay", &recording]).await?;
    assert_eq!(exit, Some(1));
    assert_eq!(verdict(&report, "case", "all")?.0, "failed");
    let (verdict, reason) = verdict(&report, "case", "one")?;
    assert!(verdict == "failed" && reason.contains("not in the recording: POST /v2/contacts"), "{reason}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_in_rust_is_a_sound_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path().join("greeter").display().to_string();
    let (exit, _, said) = {
        let mut command = sluice(&["component", "init", "greeter", "--dir", &at, "-o", "json"])?;
        let output = command.current_dir(folder.path()).output().await?;
        (output.status.code(), (), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(exit == Some(1) && said.contains("--sdk"), "outside of a checkout: {said}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").display().to_string();
    let (exit, made, said) = run(&["component", "init", "greeter", "--dir", &at, "--sdk", &root]).await?;
    assert_eq!(exit, Some(0), "{made} {said}");
    let (exit, found, _) = findings(&at).await?;
    assert_eq!((exit, found), (Some(0), Vec::new()));
    assert_eq!(run(&["component", "init", "Greeter"]).await?.0, Some(2));
    Ok(())
}
