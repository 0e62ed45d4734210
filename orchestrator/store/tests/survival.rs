//! What is acknowledged survives, what is damaged is refused, and two processes never share a store.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use sluice_domain::DeadLetterId;
use sluice_ports::store::DeadLetterStore;
use sluice_store::{OpenError, SqliteStore};
use sluice_testkit::fixtures::dead_letter;

/// A process that writes to a store until it is killed.
struct Writer {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Writer {
    fn start(store: &Path) -> Self {
        let mut child =
            Command::new(program()).arg(store).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It may be dead already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The example that writes, next to this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/write_forever");
    assert!(program.exists(), "{program:?} is missing: run `cargo build -p sluice-store --examples` first");
    program
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    let mut acknowledged = 0_u32;
    for round in 1..=5_u32 {
        let mut writer = Writer::start(&path);
        assert_eq!(writer.line(), "open");
        // What it wrote in earlier rounds is there already, and acknowledged again.
        while acknowledged < round * 150 {
            acknowledged = writer.line().parse::<u32>().unwrap().max(acknowledged);
        }
        writer.child.kill().unwrap();
        writer.child.wait().unwrap();
        while let Some(Ok(line)) = writer.lines.next() {
            acknowledged = line.parse::<u32>().unwrap_or(0).max(acknowledged);
        }
        let store = SqliteStore::open(&path).await.unwrap();
        for number in 1..=acknowledged {
            let kept = store.dead_letter(DeadLetterId::from_bits(u128::from(number))).await.unwrap();
            assert_eq!(kept, Some(dead_letter(number)), "in round {round}");
        }
        store.close().await;
    }
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let mut second = Writer::start(&path);
    let refused = second.line();
    assert!(refused.contains("in use by another process"), "{refused}");
    assert_eq!(second.child.wait().unwrap().code(), Some(1));
    drop(store);
    assert_eq!(Writer::start(&path).line(), "open", "the lock goes with its holder");
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let letters: Vec<_> = (1..500).map(dead_letter).collect();
    store.put_dead_letters(&letters).await.unwrap();
    store.close().await;
    drop(store);
    let good = std::fs::read(&path).unwrap();
    let mut holes = good.clone();
    for page in holes.chunks_mut(4096).skip(1).step_by(3) {
        page.fill(0xa5);
    }
    let mut head = good.clone();
    head[..100].fill(0);
    for bad in [holes, head, b"this is no database, but a letter to a friend".to_vec()] {
        std::fs::write(&path, &bad).unwrap();
        let refused = SqliteStore::open(&path).await.err().expect("a damaged store is refused");
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
        assert!(refused.source().is_some());
        assert!(std::fs::read(&path).unwrap() == bad, "the file is left as it is");
    }
    std::fs::write(&path, &good).unwrap();
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    drop(SqliteStore::open(&path).await.unwrap());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                  VALUES (9999, 'from the future', true, x'00', 0)";
    sqlx::query(future).execute(&pool).await.unwrap();
    pool.close().await;
    let refused = SqliteStore::open(&path).await.err().expect("a newer store is refused");
    assert!(matches!(refused, OpenError::Newer { version: 9999, .. }), "{refused:?}");
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    store.put_dead_letters(&[dead_letter(1)]).await.unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        files += 1;
    }
    assert_eq!(files, 4, "the database, its log, its index of the log, and the lock");
}
