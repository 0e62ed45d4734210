//! The `sluice` command: the orchestrator, and the operator's tool for it.
//!
//! `serve` puts adapters and engine together (`wire`); every other command is a client of the API, or works on files
//! alone. What goes wrong ends as a [`failure::Failure`] with a code, a sentence and help, and as the exit code.

mod catalogue;
mod checks;
mod cli;
mod client;
mod config;
mod context;
mod failure;
mod files;
mod lab;
mod launcher;
mod logs;
mod notify;
mod otlp;
mod output;
mod process;
mod secrets;
mod serve;
mod wire;

use std::process::ExitCode;

/// Messages are many small allocations that one thread makes and another frees, which this allocator does best.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The cryptography of every TLS connection, chosen before there can be one.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return ExitCode::FAILURE;
    }
    cli::run()
}
