//! The store: its disk, its file, its lock, its key.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::World;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::catalogue::{Fault, How};
use crate::disk::Disk;
use crate::host;
use crate::row::Row;
use crate::stage::{Cx, Run, Setup};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        number: "F18",
        name: "disk full under the store",
        inject: "the data directory on a disk of its own, filled to the last byte for 10 s; one message in twenty becomes a dead letter",
        undo: "the disk freed",
        expected: "lost 0; reading goes on, changes are refused; the process lives; the file is whole afterwards",
        how: How::Runs(|cx| Box::pin(disk_full(cx))),
    },
    Fault {
        number: "F31",
        name: "store torn or overwritten",
        inject: "the orchestrator killed; the file cut in half, then its first page overwritten",
        undo: "the copy from before put back",
        expected: "each time it refuses to start, says that the store is damaged, and changes nothing; with the copy it goes on, lost 0",
        how: How::Runs(|cx| Box::pin(torn(cx))),
    },
    Fault {
        number: "F32",
        name: "store locked by another process",
        inject: "sqlite3 takes the write lock (BEGIN IMMEDIATE) for 20 s; one message in twenty becomes a dead letter",
        undo: "it lets go",
        expected: "lost 0; whoever comes second waits or is refused",
        how: How::Runs(|cx| Box::pin(locked(cx))),
    },
    Fault {
        number: "F47",
        name: "key file missing, or another one",
        inject: "the orchestrator killed; the key file moved away, then another put in its place",
        undo: "the key file put back",
        expected: "each time it refuses to start and names the file or the key; the store is unchanged; then it goes on, lost 0",
        how: How::Runs(|cx| Box::pin(key_missing(cx))),
    },
];

/// One in twenty fails for good.
fn some_fail(number: usize) -> Option<Value> {
    number.is_multiple_of(20).then(|| json!({ "do": "error" }))
}

async fn disk_full(cx: &mut Cx) -> Result<Row> {
    let disk = Disk::make("store", 64).await?;
    let mut run =
        cx.begin(Setup { data: Some(disk.path()), deed: some_fail, rate: 80.0, ..Setup::default() }).await?;
    run.at(0.2).await?;
    run.strike();
    disk.fill(0).await?;
    let api = &run.world.api;
    let changed = "sluice: 1\nkind: template\nname: more\nversion: 1.0.0\nsteps:\n  - { id: tick, use: faulty/stream }\n  - { id: act, use: faulty/act }\n";
    let files = json!({ "files": [{ "name": "more.yaml", "text": changed }] }).to_string();
    let (refused, why) = api.raw("POST", "/api/v1/apply", Some(files)).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (read, _) = api.raw("GET", "/api/v1/flows", None).await?;
    disk.free().await?;
    run.mended();
    run.drained().await?;
    let file = run.world.data().join("sluice.db").display().to_string();
    let whole = host::run("sqlite3", &["-readonly", &file, "PRAGMA integrity_check"]).await?;
    let restarts = run.log().matches("sluice serves").count();
    let mut row = run.finish().await?;
    row.note(format!("a change meanwhile: {refused} {}", why["code"]));
    row.check("reading goes on", read == 200);
    row.check("changes are refused", refused >= 500);
    row.check("the process lives", restarts == 1);
    row.check("the file is whole afterwards", whole == "ok");
    Ok(row)
}

/// The files of the store.
fn files(world: &World) -> Vec<PathBuf> {
    let names = ["sluice.db", "sluice.db-wal", "sluice.db-shm"].map(|name| world.data().join(name));
    names.into_iter().filter(|path| path.exists()).collect()
}

fn copy(files: &[PathBuf], to: &Path) -> Result<()> {
    for file in files {
        std::fs::copy(file, to.join(file.file_name().context("no name")?))?;
    }
    Ok(())
}

/// Starts it on what is there, and gives what it says when it ends by itself.
async fn refusal(run: &mut Run) -> Result<Option<String>> {
    let before = run.log().len();
    run.world.launch(&[])?;
    let ready = run.world.ready(Duration::from_secs(40)).await?;
    let said = run.log().get(before..).unwrap_or_default().to_owned();
    Ok((!ready).then_some(said))
}

async fn torn(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { deed: some_fail, ..Setup::default() }).await?;
    run.at(0.4).await?;
    run.strike();
    run.world.kill().await?;
    let file = run.world.data().join("sluice.db");
    // All in one file, so that what is cut off is really gone.
    host::run("sqlite3", &[&file.display().to_string(), "PRAGMA wal_checkpoint(TRUNCATE)"]).await?;
    let kept = tempfile::tempdir()?;
    let there = files(&run.world);
    copy(&there, kept.path())?;
    let whole = std::fs::read(&file)?;
    let mut overwritten = whole.clone();
    overwritten[..4096].fill(0x5a);
    let half = whole[..whole.len() / 2].to_vec();
    let mut checks = Vec::new();
    for (how, bytes) in [("cut in half", half), ("overwritten", overwritten)] {
        for path in files(&run.world) {
            std::fs::remove_file(path)?;
        }
        std::fs::write(&file, &bytes)?;
        let said = refusal(&mut run).await?;
        run.world.kill().await?;
        let told = said.as_ref().is_some_and(|said| said.contains("damaged"));
        checks.push((format!("{how}: refused, and it says why"), told));
        checks.push((format!("{how}: nothing is changed"), std::fs::read(&file)? == bytes));
    }
    for path in files(&run.world) {
        std::fs::remove_file(path)?;
    }
    for path in &there {
        std::fs::copy(kept.path().join(path.file_name().context("no name")?), path)?;
    }
    host::run("chmod", &["600", &file.display().to_string()]).await?;
    run.world.launch(&[])?;
    ensure!(run.world.ready(Duration::from_secs(60)).await?, "it does not start with the copy");
    run.mended();
    let mut row = run.finish().await?;
    for (what, is_so) in checks {
        row.check(&what, is_so);
    }
    Ok(row)
}

async fn locked(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup { deed: some_fail, ..Setup::default() }).await?;
    run.at(0.2).await?;
    let file = run.world.data().join("sluice.db");
    run.strike();
    let mut other = Command::new("sqlite3");
    other.arg("-cmd").arg(".timeout 2000").arg(file).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut other = other.stderr(Stdio::piped()).kill_on_drop(true).spawn().context("sqlite3 is needed")?;
    let mut input = other.stdin.take().context("no input")?;
    input.write_all(b"BEGIN IMMEDIATE;\n").await?;
    input.flush().await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    input.write_all(b"ROLLBACK;\n").await?;
    drop(input);
    let said = other.wait_with_output().await?;
    run.mended();
    let said = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    let waited = run.log().contains("database is locked");
    let mut row = run.finish().await?;
    let outcome =
        if said.is_empty() { "it got the lock".to_owned() } else { format!("it was refused: {said}") };
    row.note(outcome);
    row.note(format!("the orchestrator tells of it: {waited}"));
    Ok(row)
}

async fn key_missing(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.4).await?;
    run.strike();
    run.world.kill().await?;
    let keys = run.world.data().join("keys");
    let kept = run.world.data().join("keys-kept");
    std::fs::rename(&keys, &kept)?;
    let file = run.world.data().join("sluice.db").display().to_string();
    let sealed = "SELECT count(*), coalesce(group_concat(id), '') FROM data_keys";
    let before = host::run("sqlite3", &["-readonly", &file, sealed]).await?;
    let mut checks = Vec::new();
    for how in ["missing", "another one"] {
        // The second time it is what the first start may have made, or a key that somebody made up.
        if how == "another one" && !keys.exists() {
            let key = "k00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
            std::fs::write(&keys, key)?;
            host::run("chmod", &["600", &keys.display().to_string()]).await?;
        }
        let said = refusal(&mut run).await?;
        run.world.kill().await?;
        let told = said.as_ref().is_some_and(|said| said.contains("key"));
        checks.push((format!("{how}: refused, and it names the key"), told));
    }
    let after = host::run("sqlite3", &["-readonly", &file, sealed]).await?;
    checks.push(("the store's keys are unchanged".to_owned(), before == after));
    std::fs::rename(&kept, &keys)?;
    run.world.launch(&[])?;
    ensure!(run.world.ready(Duration::from_secs(60)).await?, "it does not start with its key file");
    run.mended();
    // Its secrets are needed again.
    run.kill_container("rabbitmq").await?;
    let mut row = run.finish().await?;
    for (what, is_so) in checks {
        row.check(&what, is_so);
    }
    Ok(row)
}
