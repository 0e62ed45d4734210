//! Starting a component as the orchestrator would, with a gateway that knows nobody.
//!
//! What has to happen is defined: the process reads its boot line, asks for a session with the token of it, is refused
//! with 401, and ends. So one start shows that the binary runs on this engine, under the template of all containers,
//! and speaks the first sentence of the protocol.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use sluice_domain::{ContainerStartId, DeploymentId, ExitInfo, ImageDigest, ImageRef, Limits};
use sluice_ports::runtime::{ContainerSpec, ContainerState, Runtime};
use sluice_ports::{Fault, PortError};
use sluice_protocol::Descriptor;
use sluice_protocol::gateway::{Boot, SessionRequest};
use tokio::net::TcpListener;
use tokio::time::{Instant, interval};

use crate::little_http::{Asked, Told, serve};
use crate::{Finding, FindingCode};

/// How long a process may take to ask for its session, and to end when it is refused.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked how the container stands.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of the log that are told.
const LINES: u32 = 10;

/// What to start.
#[derive(Debug)]
pub struct Probed<'a> {
    /// The image's name.
    pub image: &'a ImageRef,
    /// What it is now.
    pub digest: &'a ImageDigest,
    /// What it says it is.
    pub descriptor: &'a Descriptor,
    /// The name of the installation that the container belongs to: one made for this.
    pub installation: &'a str,
    /// The token of the start.
    pub token: SecretString,
}

/// Starts a component and says how it begins and ends. The container is removed; the network stays.
///
/// # Errors
/// When the container engine does not answer. What the component does wrong is a finding.
pub async fn probe(runtime: &dyn Runtime, probed: Probed<'_>) -> Result<Vec<Finding>, PortError> {
    let network = runtime.prepare().await?;
    let away = |error| PortError::new(Fault::Transient, "listen on the containers' network", error);
    let listener = TcpListener::bind((network.host, 0)).await.map_err(away)?;
    let gateway = format!("http://{}", listener.local_addr().map_err(away)?);
    let asked: Sessions = Arc::default();
    let bearer = format!("Bearer {}", probed.token.expose_secret());
    let heard = Arc::clone(&asked);
    let _server = serve(listener, move |request| refuse(request, &bearer, &heard));
    let boot = Boot { gateway, token: probed.token.expose_secret().to_owned() };
    let boot = serde_json::to_string(&boot).expect("a boot line is plain JSON");
    let spec = ContainerSpec {
        name: format!("sluice-{}", probed.installation),
        deployment: DeploymentId::from_bits(1),
        start: ContainerStartId::from_bits(1),
        digest: probed.digest.clone(),
        image: probed.image.clone(),
        limits: Limits::default(),
    };
    let found = match runtime.start(&spec, &SecretString::from(boot)).await {
        Ok(_) => watch(runtime, &spec.name, &asked).await.map(|seen| findings(&seen, &probed)),
        // Engines call most of their own troubles and a broken image by the same status.
        Err(error) => Ok(vec![Finding::new(FindingCode::NotStarted, sluice_engine::chain(&error))]),
    };
    runtime.remove(&spec.name).await?;
    found
}

/// The sessions that were asked for.
type Sessions = Arc<Mutex<Vec<SessionRequest>>>;

/// Answers as a gateway that does not know the token, and notes who asked for a session with it.
fn refuse(request: &Asked, bearer: &str, sessions: &Sessions) -> Told {
    if request.method == "POST"
        && request.target == "/gateway/v1/session"
        && request.authorization == bearer
        && let Ok(session) = serde_json::from_slice(&request.body)
    {
        sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
    let problem = r#"{"type":"about:blank","title":"Unauthorized","status":401}"#;
    (401, vec![("content-type".to_owned(), "application/problem+json".to_owned())], problem.to_owned())
}

/// What was seen of a start.
struct Seen {
    session: Option<SessionRequest>,
    exit: Option<ExitInfo>,
    log: Vec<String>,
}

async fn watch(runtime: &dyn Runtime, name: &str, sessions: &Sessions) -> Result<Seen, PortError> {
    let first = || sessions.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
    let mut until = Instant::now() + PATIENCE;
    let mut known = false;
    let mut look = interval(LOOK);
    let exit = loop {
        look.tick().await;
        let containers = runtime.list().await?;
        let ended =
            containers.iter().filter(|container| container.name == name).find_map(|one| match one.state {
                ContainerState::Exited(exit) => Some(exit),
                ContainerState::Running | ContainerState::Transition => None,
            });
        if ended.is_some() {
            break ended;
        }
        if !known && first().is_some() {
            (known, until) = (true, Instant::now() + PATIENCE);
        }
        if Instant::now() > until {
            break None;
        }
    };
    let lines = runtime.logs(name, LINES, false).await?;
    Ok(Seen { session: first(), exit, log: lines.map(|line| line.text).collect().await })
}

fn findings(seen: &Seen, probed: &Probed<'_>) -> Vec<Finding> {
    let how = match seen.exit {
        Some(exit) if exit.out_of_memory => format!("it ended with code {}, out of memory", exit.code),
        Some(exit) => format!("it ended with code {}", exit.code),
        None => format!("it still runs after {} s", PATIENCE.as_secs()),
    };
    let log = match seen.log.as_slice() {
        [] => "; it wrote nothing".to_owned(),
        lines => format!("; its last lines:\n    {}", lines.join("\n    ")),
    };
    let Some(session) = &seen.session else {
        let code = if seen.exit.is_some() { FindingCode::EndedEarly } else { FindingCode::NoSession };
        return vec![Finding::new(code, format!("the process asked for no session, {how}{log}"))];
    };
    let mut found = Vec::new();
    let descriptor = probed.descriptor;
    if session.component != descriptor.name.as_str() || session.version != descriptor.version.to_string() {
        let message = format!(
            "the process says that it is {} {}, its descriptor {} {}",
            session.component, session.version, descriptor.name, descriptor.version
        );
        found.push(Finding::new(FindingCode::OtherIdentity, message));
    }
    match seen.exit {
        None => found.push(Finding::new(FindingCode::DoesNotEnd, format!("refused with 401, {how}"))),
        Some(_) => {
            let message =
                format!("it asks for a session as {} {}; refused, {how}", session.component, session.version);
            found.push(Finding::new(FindingCode::Started, message));
        }
    }
    found
}
