//! The bridge: runs a component of another platform as one of ours, unmodified.
//!
//! It is the first program of an adopted image and a component like any other: the orchestrator sees nothing else. Beside
//! it, for each step, runs a process of the component, to which it is broker and platform. What the process publishes
//! becomes outputs, errors and rebounds of the run; when it acknowledges its message, the run has ended.

mod broker;
mod carry;
mod child;
mod facade;
mod functions;
mod hooks;
mod lines;
mod objects;
mod pool;
mod run;
mod stragglers;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use sluice_families::Adoption;

/// Where an adopted image says what it is.
const FOLDER: &str = "/sluice";

fn main() -> ExitCode {
    let folder = std::env::var("SLUICE_BRIDGE").unwrap_or_else(|_| FOLDER.to_owned());
    match read(Path::new(&folder)) {
        Ok((descriptor, adoption)) => sluice_sdk::run(functions::component(descriptor, adoption)),
        Err(error) => {
            // Before there is a log.
            writeln!(std::io::stderr(), "{error:#}").ok();
            ExitCode::from(64)
        }
    }
}

/// The descriptor and the adoption of this image.
fn read(folder: &Path) -> anyhow::Result<(String, Adoption)> {
    let text = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let adoption = serde_json::from_str(&text("adoption.json")?).context("adoption.json is none")?;
    Ok((text("component.json")?, adoption))
}

#[cfg(test)]
mod tests;
