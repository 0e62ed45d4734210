//! The entry of every component: arguments, checks, runtimes.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tracing::error;

use super::{boot, logging, serve};
use crate::Component;
use crate::component::Checked;
use crate::error::chain;

/// The exit code for a component that is not what its descriptor says, or that was started wrongly.
const BAD_CONFIGURATION: u8 = 64;
/// The exit code for a machine that does not give what a component needs.
const NO_RESOURCES: u8 = 70;
/// Threads that run functions.
const WORKERS: usize = 2;

/// Runs a component until the orchestrator or a signal ends it. Call it from a plain `main`: it brings its own runtimes.
///
/// `--describe` prints the descriptor instead, `--version` the name and the version.
///
/// | exit code | meaning |
/// | --- | --- |
/// | 0 | drained: everything that was begun is answered |
/// | 64 | the component and its `component.json` differ, or nobody said where the gateway is |
/// | 75 | a function did not yield its thread when its time was up |
/// | 77 | the gateway does not know the token |
#[must_use]
pub fn run(component: Component) -> ExitCode {
    logging::init();
    let checked = match component.check() {
        Ok(checked) => checked,
        Err(faults) => {
            for fault in faults {
                error!(error = chain(&fault), "the component is refused");
            }
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    match std::env::args().nth(1).as_deref() {
        Some("--describe") => print(&describe(&checked)),
        Some("--version") => print(&format!("{} {}", checked.descriptor.name, checked.descriptor.version)),
        Some(other) => {
            error!(argument = other, "unknown argument; there are --describe and --version");
            ExitCode::from(BAD_CONFIGURATION)
        }
        None => start(checked),
    }
}

fn describe(checked: &Checked) -> String {
    serde_json::to_string_pretty(&checked.descriptor).expect("a descriptor that was read can be written")
}

fn print(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn start(component: Checked) -> ExitCode {
    let boot = match boot::read() {
        Ok(boot) => boot,
        Err(failure) => {
            error!(error = chain(&failure), "the component cannot begin");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    crate::tls::install_provider();
    let (control, work) = match runtimes() {
        Ok(runtimes) => runtimes,
        Err(failure) => {
            error!(error = chain(&failure), "the component cannot begin");
            return ExitCode::from(NO_RESOURCES);
        }
    };
    let code = control.block_on(serve::serve(component, boot, work.handle().clone()));
    // Waiting for a function that never yields would wait for ever.
    work.shutdown_background();
    control.shutdown_timeout(Duration::from_millis(100));
    ExitCode::from(code)
}

fn runtimes() -> std::io::Result<(Runtime, Runtime)> {
    let control = Builder::new_current_thread().enable_all().build()?;
    let work =
        Builder::new_multi_thread().worker_threads(WORKERS).thread_name("work").enable_all().build()?;
    Ok((control, work))
}
