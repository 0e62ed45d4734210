//! A hostile API, a hostile provider, senders and callers who are not who they say: `tests/attacks`, live. And the list of
//! what is to be tried, whose tests must be there.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{Orchestrator, World};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn no_attack_gets_through() -> Result<()> {
    let world = World::start("attacks", &["rest", "timer", "log"]).await?;
    let pid = world.orchestrator().and_then(Orchestrator::pid).context("no orchestrator")?;
    let settings = json!({
        "sluice": world.api.base(), "token": world.api.token(), "host": world.host, "pid": pid,
        "log": world.data().join("log"), "program": sluice_tests::program()?,
    });
    let output = Command::new("node")
        .args(["run.mjs", &settings.to_string()])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start node; tests/run installs it")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let through: Vec<String> =
        lines.iter().filter(|line| line["ok"] == false).map(|line| format!("{line:.600}")).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}\n{errors}", through.join("\n"));
    let end = lines.last().context("it said nothing")?;
    ensure!(end["ok"] == true && lines.len() > 1200, "{} attacks: {end}", lines.len());
    for line in lines.iter().filter(|line| line["answer"]["code"] == "memory" || line["attack"] == "hogs") {
        println!("{} {} {}", line["group"], line["variant"], line["answer"]["detail"]);
    }
    println!("{end}");
    world.stop().await
}

#[tokio::test]
async fn every_row_of_the_matrix_is_tried_or_has_a_reason() -> Result<()> {
    let checked = Command::new("node")
        .args(["matrix.mjs", "check"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks"))
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot start node; tests/run installs it")?;
    let said = String::from_utf8_lossy(&checked.stdout);
    ensure!(checked.status.success(), "{said}\n{}", String::from_utf8_lossy(&checked.stderr));
    Ok(())
}
