//! A process in the place of a container.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// What a process must not find in its environment: it would begin with another token than its own, or have ours.
const NOT_PASSED_ON: [&str; 3] = ["SLUICE_GATEWAY", "SLUICE_TOKEN_FILE", "SLUICE_TOKEN"];

/// A process, and those that it started itself: a group of their own, so that Ctrl-C reaches them by way of us only.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts a program and hands it its boot line. What it prints goes where ours does.
    pub(super) async fn start(command: &[OsString], boot: &str) -> std::io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).process_group(0).kill_on_drop(true);
        for name in NOT_PASSED_ON {
            command.env_remove(name);
        }
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // One that ended already is noticed by its exit status.
            input.write_all(format!("{boot}\n").as_bytes()).await.ok();
        }
        Ok(Self(child))
    }

    /// Its number, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.0.id()
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// Asks it to finish what it began and to end.
    pub(super) fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // One that just ended needs none.
            kill_process_group(pid, signal).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(script: &str, boot: &str) -> Process {
        let command = ["sh", "-c", script].map(OsString::from);
        Process::start(&command, boot).await.unwrap()
    }

    #[tokio::test]
    async fn a_process_gets_its_boot_line_on_standard_input() {
        let mut process =
            run(r#"read line; test "$line" = '{"token":"t"}' && exit 7"#, r#"{"token":"t"}"#).await;
        assert_eq!(process.0.wait().await.unwrap().code(), Some(7));
        assert!(process.ended().is_some() && process.pid().is_none());
        process.kill();
    }

    #[tokio::test]
    async fn a_process_is_asked_to_end_with_all_that_it_started() {
        let mut process = run("sleep 600 & wait; sleep 600", "").await;
        assert!(process.ended().is_none());
        process.ask_to_end();
        assert!(!process.0.wait().await.unwrap().success());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told() {
        assert!(Process::start(&["/no/such/program".into()], "").await.is_err());
        assert!(Process::start(&[], "").await.is_err());
    }
}
