//! `sluice doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::ExposeSecret;
use serde::Serialize;
use sluice_docker::{Docker, DockerConfig};
use sluice_http::dto;
use sluice_ports::runtime::Runtime;
use sluice_rabbitmq::{Management, QueueType, RabbitMq};

use super::Done;
use crate::client::Client;
use crate::config::{self, Configuration};
use crate::failure::{Code, Exit, Failure};
use crate::output::Out;

/// How long each requirement may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Check every requirement of the server on this machine, and the server itself, and say what to do.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The server's configuration file (TOML).
    #[arg(short, long, env = "SLUICE_CONFIG")]
    config: Option<PathBuf>,
}

/// What was found of one requirement.
#[derive(Debug, Serialize)]
struct Finding {
    requirement: &'static str,
    ok: bool,
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'static str>,
}

impl Finding {
    fn of(requirement: &'static str, found: Result<String, String>, help: &'static str) -> Self {
        let ok = found.is_ok();
        let (Ok(found) | Err(found)) = found;
        Self { requirement, ok, found, help: (!ok).then_some(help) }
    }
}

impl Doctor {
    pub(crate) async fn run(self, out: Out) -> Done {
        let config = config::read(self.config.as_deref(), std::env::vars());
        let config = config.map_err(|faults| Failure::new(Code::Config, faults.to_string()))?;
        let (docker, broker, management, api) =
            tokio::join!(docker(&config), broker(&config), management(&config), api());
        let findings = [data_dir(&config), docker, broker, management, api];
        let sound = findings.iter().all(|finding| finding.ok);
        let names = || {
            findings
                .iter()
                .filter(|finding| !finding.ok)
                .map(|finding| finding.requirement.to_owned())
                .collect()
        };
        out.show(&findings[..], names, || findings.iter().map(describe).collect())?;
        Ok((!sound).then_some(Exit::Failed))
    }
}

fn describe(finding: &Finding) -> String {
    let mark = if finding.ok { "ok     " } else { "missing" };
    let help = finding.help.map(|help| format!("\n         help: {help}")).unwrap_or_default();
    format!("{mark}  {}: {}{help}\n", finding.requirement, finding.found)
}

fn data_dir(config: &Configuration) -> Finding {
    let folder = &config.data_dir;
    // The nearest folder that exists decides whether the rest can be made.
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    let probe = there.join(format!(".sluice-doctor-{}", std::process::id()));
    let written = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    let found = written.map(|()| format!("{} can be written", folder.display()));
    let found = found.map_err(|error| format!("{} cannot be written: {error}", folder.display()));
    Finding::of("data folder", found, "make it, or choose another with SLUICE__DATA_DIR")
}

async fn docker(config: &Configuration) -> Finding {
    let settings = DockerConfig {
        host: config.docker_host.clone(),
        installation: config.installation.clone(),
        network: config.network.clone(),
    };
    let found = match Docker::connect(settings) {
        Ok(docker) => {
            in_time(async { docker.version().await.map_err(|error| sluice_engine::chain(&error)) }).await
        }
        Err(error) => Err(sluice_engine::chain(&error)),
    };
    let help = "install Docker, start it, and let this user reach its socket (group docker), or set SLUICE__RUNTIME__DOCKER_HOST";
    Finding::of("container engine", found, help)
}

async fn broker(config: &Configuration) -> Finding {
    let url = &config.broker.url;
    let broker = RabbitMq::connect(url, QueueType::Classic);
    let up = broker.wait_until_up(PATIENCE).await;
    let found = up
        .map(|()| format!("{url} answers"))
        .map_err(|error| format!("{url}: {}", sluice_engine::chain(&error)));
    Finding::of(
        "broker",
        found,
        "start RabbitMQ, and set SLUICE__BROKER__URL to amqp://user:password@host:5672/vhost",
    )
}

async fn management(config: &Configuration) -> Finding {
    let help = "set SLUICE__BROKER__MANAGEMENT_URL to http://user:password@host:15672, with a user that may administer";
    let Some(url) = &config.broker.management else {
        let found = "not configured: all containers share one broker user, which is less safe".to_owned();
        return Finding { help: Some(help), ..Finding::of("broker management", Ok(found), help) };
    };
    let vhost = config.broker.url.vhost();
    let users = match Management::new(url.expose_secret(), vhost, &config.installation) {
        Ok(users) => users,
        Err(error) => return Finding::of("broker management", Err(sluice_engine::chain(&error)), help),
    };
    let nodes = in_time(async { users.nodes().await.map_err(|error| sluice_engine::chain(&error)) }).await;
    Finding::of("broker management", nodes.map(|nodes| format!("a broker of {nodes} nodes")), help)
}

async fn api() -> Finding {
    let help = "start it with `sluice serve`; `sluice login URL` or SLUICE_URL name another server";
    let found = in_time(async { ask().await.map_err(|failure: Failure| failure.message) }).await;
    Finding::of("server", found, help)
}

async fn ask() -> Result<String, Failure> {
    let client = Client::find()?;
    let live: dto::Live = client.get(&["healthz"], &[]).await?;
    let ready = client.get::<dto::Ready>(&["readyz"], &[]).await.is_ok_and(|ready| ready.ready);
    let ready = if ready { "ready" } else { "live, but not ready" };
    Ok(format!("{} version {}, {ready}", client.url(), live.version))
}

async fn in_time<T>(check: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}
