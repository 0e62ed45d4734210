//! A component stand-in for the tests: says how long its boot line was, then waits for SIGTERM.
//!
//! A boot line that begins with `exit ` makes it end with that code at once, and one that begins with `eat` makes it use
//! memory until it is killed; on one that begins with `long` it writes a long line.
#![expect(clippy::print_stdout, reason = "what it prints is what the tests read")]

use std::io::{Read, Write};

use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut boot = String::new();
    std::io::stdin().read_to_string(&mut boot)?;
    println!("boot {} bytes", boot.trim_end().len());
    println!("{}", probe());
    std::io::stdout().flush()?;
    if let Some(code) = boot.trim_end().strip_prefix("exit ") {
        std::process::exit(code.parse().unwrap_or(1));
    }
    if boot.starts_with("long") {
        println!("{}\nafter", "x".repeat(100_000));
    }
    if boot.starts_with("eat") {
        let mut eaten: Vec<Vec<u8>> = Vec::new();
        loop {
            eaten.push(vec![1; 1 << 20]);
        }
    }
    term.recv().await;
    Ok(())
}

/// What the container lets us do.
fn probe() -> String {
    let can = |path: &str| std::fs::write(path, "x").is_ok();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    format!(
        "root {} tmp {} uid {} caps {} nnp {}",
        can("/x"),
        can("/tmp/x"),
        field("Uid:"),
        field("CapBnd:"),
        field("NoNewPrivs:")
    )
}
