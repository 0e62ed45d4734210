//! The command line: one file per group of commands.

mod apply;
mod completion;
mod component;
mod connector;
mod dead;
mod deployment;
mod doctor;
mod events;
mod execution;
mod flow;
mod import;
mod instance;
mod keys;
mod launcher;
mod login;
mod map;
mod serve;
mod session;
mod template;
mod token;
mod top;
mod validate;
mod wait;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sluice_domain::TenantName;

use crate::context;
use crate::failure::{Exit, Failure};
use crate::output::{self, Format, Out};

/// Sluice connects systems: flows of steps, each a connector in a container, with messages that are never lost.
///
/// `sluice serve` runs the server. Every other command talks to it, or works on files alone (validate, map).
/// The server is the one of SLUICE_URL, else the one of `sluice login`, else http://127.0.0.1:7400.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, max_term_width = 110, after_help = EXITS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The form of the result.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Format,
    /// Say nothing but the result.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Speak for this tenant: names mean its own, and nothing else is there. SLUICE_TENANT says the same.
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<TenantName>,
}

const EXITS: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict or difference, 5 not authorised, \
                     64 bad configuration, 124 timed out.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Serve),
    /// Run the launcher, which alone reaches the container engine.
    Launcher(launcher::Launcher),
    /// Check every requirement and say what to do.
    Doctor(doctor::Doctor),
    /// Keep a server's URL and a token for the commands to come.
    Login(login::Login),
    /// Check files without a server.
    Validate(validate::Validate),
    /// Show what applying files would do.
    Plan(apply::Files),
    /// Make true what files say.
    Apply(apply::Apply),
    /// As plan, with exit code 4 when there are differences.
    Diff(apply::Files),
    /// Components, for their authors: init, inspect, build, run, test.
    #[command(subcommand)]
    Component(component::Component),
    /// Connectors: list, get, install, import, upgrade, remove.
    #[command(subcommand, visible_alias = "connectors")]
    Connector(connector::Connector),
    /// Instances, connectors with settings and secrets: list, get, delete.
    #[command(subcommand, visible_alias = "instances")]
    Instance(instance::Instance),
    /// Templates of flows: list, get.
    #[command(subcommand, visible_alias = "templates")]
    Template(template::Template),
    /// Flows: list, get, start, pause, stop, delete, trigger, hooks, logs, tail.
    #[command(subcommand, visible_alias = "flows")]
    Flow(flow::Flow),
    /// Executions, the history of flows: list, get, retry.
    #[command(subcommand, visible_alias = "executions")]
    Execution(execution::Execution),
    /// Dead letters, messages that could not be processed: list, get, edit, redrive, discard.
    #[command(subcommand)]
    Dead(dead::Dead),
    /// Deployments, the containers: list.
    #[command(subcommand, visible_alias = "deployments")]
    Deployment(deployment::Deployment),
    /// What happened to instances, connectors and flows; with --follow what happens.
    Events(events::Events),
    /// Watch flows, rates, what waits, containers and the broker.
    Top(top::Top),
    /// API tokens: create, list, revoke.
    #[command(subcommand, visible_alias = "tokens")]
    Token(token::Token),
    /// Sessions of browsers, tokens for pages of host applications: create, list, revoke.
    #[command(subcommand, visible_alias = "sessions")]
    Session(session::Session),
    /// The keys that seal secrets: list, rotate, remove.
    #[command(subcommand, visible_alias = "key")]
    Keys(keys::Keys),
    /// Try a mapping or an expression without a server.
    Map(map::Map),
    /// Flows of elastic.io and the Open Integration Hub: make files of Sluice from them.
    #[command(subcommand)]
    Import(import::Import),
    /// Print a completion script for a shell.
    Completion(completion::Completion),
}

/// Runs the command that the process was called with.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let out = Out { format: cli.output, quiet: cli.quiet };
    context::speak_for(cli.tenant);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::note(&format!("error: cannot start the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if let Command::Serve(serve) = cli.command {
        return runtime.block_on(Box::pin(serve.run()));
    }
    if let Command::Launcher(launcher) = cli.command {
        return runtime.block_on(Box::pin(launcher.run()));
    }
    let done = runtime.block_on(Box::pin(dispatch(cli.command, out)));
    // Something may still read from a terminal; it must not keep the process.
    runtime.shutdown_background();
    match done {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(exit)) => ExitCode::from(exit as u8),
        Err(failure) => {
            output::fail(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// What a command ends with: nothing to say, or an exit code that is no failure of its own.
type Done = Result<Option<Exit>, Failure>;

async fn dispatch(command: Command, out: Out) -> Done {
    match command {
        Command::Diff(args) => return args.diff(out).await,
        Command::Doctor(args) => return args.run(out).await,
        Command::Component(command) => return command.run(out).await,
        Command::Import(command) => return command.run(&out),
        // They end with an exit code of their own, see `run`.
        Command::Serve(_) | Command::Launcher(_) => Ok(()),
        Command::Login(args) => args.run(out).await,
        Command::Validate(args) => args.run(out),
        Command::Plan(args) => args.plan(out).await,
        Command::Apply(args) => args.run(out).await,
        Command::Connector(command) => command.run(out).await,
        Command::Instance(command) => command.run(out).await,
        Command::Template(command) => command.run(out).await,
        Command::Flow(command) => command.run(out).await,
        Command::Execution(command) => command.run(out).await,
        Command::Dead(command) => command.run(out).await,
        Command::Deployment(command) => command.run(out).await,
        Command::Events(args) => args.run(out).await,
        Command::Top(args) => args.run(out).await,
        Command::Token(command) => command.run(out).await,
        Command::Session(command) => command.run(out).await,
        Command::Keys(command) => command.run(out).await,
        Command::Map(args) => args.run(out),
        Command::Completion(args) => args.run(),
    }
    .map(|()| None)
}

#[cfg(test)]
mod tests;
