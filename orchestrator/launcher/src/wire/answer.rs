//! What is answered.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sluice_domain::{ContainerStartId, DeploymentId, ExitInfo, ImageDigest};
use sluice_ports::runtime;

#[derive(Serialize, Deserialize)]
pub(crate) struct Done {}

#[derive(Serialize, Deserialize)]
pub(crate) struct Event {}

#[derive(Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Network {
    name: String,
    host: IpAddr,
    /// A launcher of before there were fences says nothing, and has none.
    #[serde(default)]
    fenced: bool,
    #[serde(default)]
    own: bool,
    #[serde(default)]
    subnets: Vec<(IpAddr, u8)>,
}

impl From<runtime::Network> for Network {
    fn from(runtime::Network { name, host, subnets, fenced, own }: runtime::Network) -> Self {
        Self { name, host, fenced, own, subnets }
    }
}

impl From<Network> for runtime::Network {
    fn from(Network { name, host, fenced, own, subnets }: Network) -> Self {
        Self { name, host, subnets, fenced, own }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Image {
    digest: ImageDigest,
    descriptor: Option<String>,
}

impl From<runtime::Image> for Image {
    fn from(runtime::Image { digest, descriptor }: runtime::Image) -> Self {
        Self { digest, descriptor }
    }
}

impl From<Image> for runtime::Image {
    fn from(Image { digest, descriptor }: Image) -> Self {
        Self { digest, descriptor }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct EffectiveLimits {
    memory_bytes: u64,
    nano_cpus: i64,
    pids: i64,
}

impl From<runtime::EffectiveLimits> for EffectiveLimits {
    fn from(limits: runtime::EffectiveLimits) -> Self {
        let runtime::EffectiveLimits { memory_bytes, nano_cpus, pids } = limits;
        Self { memory_bytes, nano_cpus, pids }
    }
}

impl From<EffectiveLimits> for runtime::EffectiveLimits {
    fn from(EffectiveLimits { memory_bytes, nano_cpus, pids }: EffectiveLimits) -> Self {
        Self { memory_bytes, nano_cpus, pids }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Containers {
    items: Vec<Container>,
}

impl From<Vec<runtime::Container>> for Containers {
    fn from(containers: Vec<runtime::Container>) -> Self {
        Self { items: containers.into_iter().map(Into::into).collect() }
    }
}

impl From<Containers> for Vec<runtime::Container> {
    fn from(containers: Containers) -> Self {
        containers.items.into_iter().map(Into::into).collect()
    }
}

#[derive(Serialize, Deserialize)]
struct Container {
    name: String,
    deployment: DeploymentId,
    start: ContainerStartId,
    state: ContainerState,
    created_at: DateTime<Utc>,
    limits: EffectiveLimits,
}

impl From<runtime::Container> for Container {
    fn from(container: runtime::Container) -> Self {
        let runtime::Container { name, deployment, start, state, created_at, limits } = container;
        Self { name, deployment, start, state: state.into(), created_at, limits: limits.into() }
    }
}

impl From<Container> for runtime::Container {
    fn from(container: Container) -> Self {
        let Container { name, deployment, start, state, created_at, limits } = container;
        Self { name, deployment, start, state: state.into(), created_at, limits: limits.into() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ContainerState {
    Transition,
    Running,
    Exited(ExitInfo),
}

impl From<runtime::ContainerState> for ContainerState {
    fn from(state: runtime::ContainerState) -> Self {
        match state {
            runtime::ContainerState::Transition => Self::Transition,
            runtime::ContainerState::Running => Self::Running,
            runtime::ContainerState::Exited(exit) => Self::Exited(exit),
        }
    }
}

impl From<ContainerState> for runtime::ContainerState {
    fn from(state: ContainerState) -> Self {
        match state {
            ContainerState::Transition => Self::Transition,
            ContainerState::Running => Self::Running,
            ContainerState::Exited(exit) => Self::Exited(exit),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    at: Option<DateTime<Utc>>,
    text: String,
}

impl From<runtime::LogLine> for Line {
    fn from(runtime::LogLine { at, text }: runtime::LogLine) -> Self {
        Self { at, text }
    }
}

impl From<Line> for runtime::LogLine {
    fn from(Line { at, text }: Line) -> Self {
        Self { at, text }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Usage {
    used: Option<Used>,
}

#[derive(Serialize, Deserialize)]
struct Used {
    memory_bytes: u64,
    cpu_ns: u64,
}

impl From<Option<runtime::Usage>> for Usage {
    fn from(usage: Option<runtime::Usage>) -> Self {
        let used = usage.map(|runtime::Usage { memory_bytes, cpu }| Used {
            memory_bytes,
            // Some 500 years fit.
            cpu_ns: u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX),
        });
        Self { used }
    }
}

impl From<Usage> for Option<runtime::Usage> {
    fn from(usage: Usage) -> Self {
        let Used { memory_bytes, cpu_ns } = usage.used?;
        Some(runtime::Usage { memory_bytes, cpu: Duration::from_nanos(cpu_ns) })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct EngineFacts {
    name: String,
    version: String,
    runc: Option<String>,
    time: Option<DateTime<Utc>>,
    #[serde(default)]
    network: Option<NetworkFacts>,
    #[serde(default)]
    bridge_filter: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct NetworkFacts {
    fenced: bool,
    own: bool,
    empty: bool,
    #[serde(default)]
    apart: bool,
}

impl From<runtime::NetworkFacts> for NetworkFacts {
    fn from(runtime::NetworkFacts { fenced, own, empty, apart }: runtime::NetworkFacts) -> Self {
        Self { fenced, own, empty, apart }
    }
}

impl From<NetworkFacts> for runtime::NetworkFacts {
    fn from(NetworkFacts { fenced, own, empty, apart }: NetworkFacts) -> Self {
        Self { fenced, own, empty, apart }
    }
}

impl From<runtime::EngineFacts> for EngineFacts {
    fn from(facts: runtime::EngineFacts) -> Self {
        let runtime::EngineFacts { name, version, runc, time, network, bridge_filter } = facts;
        Self { name, version, runc, time, network: network.map(Into::into), bridge_filter }
    }
}

impl From<EngineFacts> for runtime::EngineFacts {
    fn from(facts: EngineFacts) -> Self {
        let EngineFacts { name, version, runc, time, network, bridge_filter } = facts;
        Self { name, version, runc, time, network: network.map(Into::into), bridge_filter }
    }
}
