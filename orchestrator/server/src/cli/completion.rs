//! `sluice completion`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::failure::Failure;

/// Print a completion script: `source <(sluice completion bash)`.
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell.
    shell: Shell,
}

impl Completion {
    #[expect(clippy::unnecessary_wraps, reason = "every command has this form")]
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "sluice", &mut script);
        drop(std::io::Write::write_all(&mut std::io::stdout().lock(), &script));
        Ok(())
    }
}
