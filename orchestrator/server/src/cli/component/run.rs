//! `sluice component run`: the inner loop of authors.

mod attached;
mod declared;
mod interrupts;
mod process;
mod watch;
mod worker;

use std::ffi::OsString;

use clap::Args;

use super::target::Target;
use crate::cli::Done;
use crate::failure::{Code, Failure};
use crate::output::Out;

/// Run a component here while flows of a running Sluice use it.
///
/// Of a folder the process runs on this machine, in the place of the component's containers: Cargo builds and runs it, or
/// --command says what to run, which reads its boot line on standard input. The component must be installed, with the very
/// descriptor, and the server must allow it (development.attach). A change below src/ restarts it. The containers come back
/// when this ends.
///
/// The file of a declarative connector is put to use at each change, as a version like 1.2.0+dev.3. What is wrong with it is
/// told, and the last good one stays. The version that was in use comes back when this ends.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The folder of a component, or the file of a declarative connector.
    #[arg(value_name = "DIR|FILE")]
    target: String,
    /// Do not restart when files change.
    #[arg(long)]
    no_watch: bool,
    /// Put a connector file to use even if flows or instances do not fit it; such flows stay as they are.
    #[arg(long)]
    force: bool,
    /// What to run instead of Cargo's binary: a program and its arguments, which are all that follows.
    #[arg(long, value_name = "PROGRAM", num_args = 1.., allow_hyphen_values = true)]
    command: Vec<OsString>,
}

impl Run {
    pub(crate) async fn run(self, out: Out) -> Done {
        let usage = |message: &str| Err(Failure::new(Code::Usage, message));
        match Target::parse(&self.target)? {
            Target::Image(_) => {
                usage("name the folder of a component, or the file of a declarative connector")
            }
            Target::File(_) if !self.command.is_empty() || self.no_watch => usage(
                "--command and --no-watch are about folders; a connector file is executed by the component rest",
            ),
            Target::Folder(_) if self.force => usage("--force is about connector files"),
            Target::File(path) => declared::run(path, self.force, &out).await,
            Target::Folder(path) => Box::pin(attached::run(path, self.command, !self.no_watch, &out)).await,
        }
    }
}
