//! `sluice serve`: the orchestrator.

use std::convert::Infallible;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use secrecy::ExposeSecret;
use sluice_egress::Proxy;
use sluice_engine::Engine;
use sluice_http::{Access, ApiState, ServeLimits, api_router, gateway_router, metrics_router};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, info, info_span, warn};

use crate::checks::{self, Finding, Strictness};
use crate::config::{self, Configuration, DEFAULT_FILE};
use crate::{logs, process, wire};

/// The exit code of a bad configuration (`EX_USAGE` of sysexits.h).
pub(crate) const BAD_CONFIGURATION: u8 = 64;

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn serve(file: Option<PathBuf>, insecure: bool) -> ExitCode {
    let file = file.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| Path::new(path).exists()));
    let configuration = match config::read(file.as_deref(), std::env::vars()) {
        Ok(configuration) => configuration,
        Err(faults) => {
            writeln!(std::io::stderr(), "error: {faults}").ok();
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let insecure = insecure || configuration.insecure;
    if let Err(error) = wire::check_exposure(&configuration, insecure) {
        writeln!(std::io::stderr(), "error: {error}").ok();
        return ExitCode::from(BAD_CONFIGURATION);
    }
    #[cfg(debug_assertions)]
    if let Err(error) = arm() {
        writeln!(std::io::stderr(), "error: {error}").ok();
        return ExitCode::from(BAD_CONFIGURATION);
    }
    logs::start(&configuration.log_level, configuration.log_json);
    process::use_small_pages();
    match run(&configuration, insecure, file.as_deref()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error = format!("{error:#}"), "sluice ends");
            writeln!(std::io::stderr(), "error: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Arms the failpoint that a test asks for. Only builds for tests have any.
#[cfg(debug_assertions)]
fn arm() -> Result<(), String> {
    if let Ok(text) = std::env::var("SLUICE_FAILPOINT") {
        sluice_ports::failpoint::arm(text.parse()?);
    }
    Ok(())
}

async fn run(configuration: &Configuration, insecure: bool, file: Option<&Path>) -> Result<()> {
    if configuration.production {
        refuse_dangers(configuration, insecure, file).await?;
    }
    let api = TcpListener::bind(configuration.api_listen)
        .await
        .with_context(|| format!("the API cannot listen on {}", configuration.api_listen))?;
    let metrics = TcpListener::bind(configuration.metrics_listen)
        .await
        .with_context(|| format!("the metrics cannot listen on {}", configuration.metrics_listen))?;
    let wired = wire::wire(configuration).await?;
    let stop = CancellationToken::new();
    let engine_stop = CancellationToken::new();
    let engine = Engine::start(wired.ports, wired.settings, engine_stop.clone()).await?;
    let access = if insecure { Access::Insecure } else { Access::Tokens };
    if !insecure {
        announce_first_token(&engine, configuration).await?;
    }
    let servers = TaskTracker::new();
    let limits = ServeLimits::default();
    let state = ApiState::new(engine.clone(), access, stop.clone())
        .with_public_url(configuration.public_url.as_deref());
    // Each container of the installation keeps a connection to the gateway.
    let gateway_limits = ServeLimits { connections: 20_000, ..limits };
    for (listener, router, limits, name) in [
        (api, api_router(state), limits, "api"),
        (metrics, metrics_router(engine.clone(), Arc::new(process::metrics)), limits, "metrics"),
        (wired.gateway, gateway_router(engine.clone()), gateway_limits, "gateway"),
    ] {
        let server = sluice_http::serve(listener, router, limits, stop.clone());
        servers.spawn(server.instrument(info_span!("listener", name)));
    }
    if let Some((listener, policy)) = wired.egress {
        let proxy = Proxy::new(engine.clone(), policy, sluice_egress::Limits::default());
        let server = sluice_egress::serve(listener, proxy, stop.clone());
        servers.spawn(server.instrument(info_span!("listener", name = "egress")));
    }
    servers.close();
    info!(api = %configuration.api_listen, insecure, "sluice serves");
    tokio::select! {
        ended = wait_for_signal() => ended?,
        never = warn_of_dangers(configuration, file) => match never {},
    }
    info!("sluice ends");
    stop.cancel();
    engine_stop.cancel();
    engine.join().await;
    servers.wait().await;
    wired.store.close().await;
    Ok(())
}

/// In production what is dangerous keeps the server from starting.
async fn refuse_dangers(configuration: &Configuration, insecure: bool, file: Option<&Path>) -> Result<()> {
    anyhow::ensure!(!insecure, "a server for production asks for tokens: api.insecure must be false");
    let findings = checks::grave(configuration, file, Strictness::Production).await;
    if findings.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    anyhow::bail!("this set-up is not fit for production (`production = true`):{}", list.concat())
}

/// Elsewhere it is told of once, and everything goes on. Never ends.
async fn warn_of_dangers(configuration: &Configuration, file: Option<&Path>) -> Infallible {
    if !configuration.production {
        for finding in checks::grave(configuration, file, Strictness::Development).await {
            let Finding { code, found, help, .. } = finding;
            warn!(code, help, "not fit for production: {found}");
        }
    }
    std::future::pending().await
}

/// Prints an administrator's token if there is none at all yet: once, to standard output, never to the log.
async fn announce_first_token(engine: &Arc<Engine>, configuration: &Configuration) -> Result<()> {
    let Some(token) = engine.first_token().await? else { return Ok(()) };
    let mut out = std::io::stdout().lock();
    writeln!(out, "The first token of this installation, with all permissions. It is not shown again:")?;
    writeln!(out, "\n    {}\n", token.expose_secret())?;
    writeln!(out, "Keep it with `sluice login http://{}`.", configuration.api_listen)?;
    out.flush()?;
    Ok(())
}

/// Waits until the process is told to end.
pub(crate) async fn wait_for_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
