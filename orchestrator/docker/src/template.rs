//! The one template that every container is made from.
//!
//! A caller chooses the image, the limits and three labels, and nothing else. What the image itself asks for (user,
//! volumes, health checks, signals) is overruled here or refused in `image.rs`. The boot line is no part of it, so that
//! no inspection of a container ever shows it.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use sluice_domain::{Cpus, Limits, Memory};
use sluice_ports::runtime::ContainerSpec;

use crate::labels;
use crate::network::Prepared;

const USER: &str = "10001:10001";
const MEMORY_MIB: u64 = 128;
const NANO_CPUS: i64 = 1_000_000_000;
const PIDS: i64 = 128;
const OPEN_FILES: i64 = 1024;
/// What keeps allocators from holding on to memory, since a container has a bound. mimalloc, that of components, takes no
/// pages of 2 MiB, and gives back what is free after 50 ms instead of a second; the C library's (mallopt(3)) keeps little
/// for each thread. All that a container's environment has; never anything that belongs to somebody.
const ALLOCATOR: [&str; 4] = [
    "MIMALLOC_ALLOW_THP=0",
    "MIMALLOC_PURGE_DELAY=50",
    "MALLOC_ARENA_MAX=4",
    "MALLOC_TRIM_THRESHOLD_=262144",
];
/// The kernel takes components before the broker and the orchestrator when the machine is short of memory.
const OOM_SCORE_ADJ: i64 = 500;

/// The request that makes the container of `spec` from the image with the id `image` on a network.
pub(crate) fn body(
    spec: &ContainerSpec,
    image: &str,
    network: &Prepared,
    installation: &str,
) -> ContainerCreateBody {
    let tags = [
        (labels::INSTALLATION, installation.to_owned()),
        (labels::DEPLOYMENT, spec.deployment.to_string()),
        (labels::START, spec.start.to_string()),
        (labels::IMAGE, spec.image.to_string()),
    ];
    ContainerCreateBody {
        image: Some(image.to_owned()),
        user: Some(USER.to_owned()),
        labels: Some(tags.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        env: Some(ALLOCATOR.map(str::to_owned).into()),
        // The boot line comes by standard input, which closes with the connection that wrote it.
        attach_stdin: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        tty: Some(false),
        stop_signal: Some("SIGTERM".to_owned()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        host_config: Some(host(spec.limits, network)),
        ..ContainerCreateBody::default()
    }
}

fn host(limits: Limits, network: &Prepared) -> HostConfig {
    let memory = limits.memory.unwrap_or_else(|| Memory::mib(MEMORY_MIB)).bytes();
    let memory = i64::try_from(memory).expect("memory is at most 1 TiB");
    HostConfig {
        network_mode: Some(network.id.clone()),
        // Nothing answers there. The engine's own resolver would pass names on to the servers of its machine: a way out.
        dns: (network.network.own && network.network.fenced).then(|| vec!["127.0.0.1".to_owned()]),
        memory: Some(memory),
        // As much as memory alone: no swap.
        memory_swap: Some(memory),
        nano_cpus: Some(limits.cpus.map_or(NANO_CPUS, Cpus::nanos)),
        pids_limit: Some(PIDS),
        // Core dumps hold secrets. There is no limit of processes per user here, since all containers share the user.
        ulimits: Some(vec![ulimit("nofile", OPEN_FILES), ulimit("core", 0)]),
        oom_score_adj: Some(OOM_SCORE_ADJ),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        tmpfs: Some(one("/tmp", "rw,noexec,nosuid,nodev,size=16m")),
        shm_size: Some(1 << 20),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        init: Some(false),
        auto_remove: Some(false),
        // The reconciler starts containers again: each start has a token of its own.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            ..RestartPolicy::default()
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), "5m".to_owned()),
                ("max-file".to_owned(), "2".to_owned()),
            ])),
        }),
        ..HostConfig::default()
    }
}

fn ulimit(name: &str, most: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(most), hard: Some(most) }
}

fn one(key: &str, value: &str) -> HashMap<String, String> {
    HashMap::from([(key.to_owned(), value.to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sluice_domain::{ContainerStartId, DeploymentId};
    use sluice_ports::runtime::Network;

    fn made(limits: Limits) -> Value {
        let spec = ContainerSpec {
            name: "sluice-x".to_owned(),
            deployment: DeploymentId::from_bits(1),
            start: ContainerStartId::from_bits(2),
            digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
            image: "sluice/log:1".parse().unwrap(),
            limits,
        };
        serde_json::to_value(body(&spec, "sha256:1", &network(true), "main")).unwrap()
    }

    fn network(fenced: bool) -> Prepared {
        let host = std::net::Ipv4Addr::LOCALHOST.into();
        Prepared {
            id: "net".to_owned(),
            network: Network { name: "net".to_owned(), host, subnets: Vec::new(), fenced, own: true },
        }
    }

    #[test]
    fn names_are_looked_up_only_where_the_network_is_open() {
        let dns =
            |fenced| serde_json::to_value(host(Limits::default(), &network(fenced))).unwrap()["Dns"].clone();
        assert_eq!((dns(true), dns(false)), (json!(["127.0.0.1"]), Value::Null));
    }

    /// The whole request, so that a field that somebody adds shows up here.
    #[test]
    fn the_template_asks_for_nothing_more() {
        let expect = json!({
            "User": "10001:10001", "AttachStdin": true, "Tty": false, "OpenStdin": true, "StdinOnce": true,
            "Env": ["MIMALLOC_ALLOW_THP=0", "MIMALLOC_PURGE_DELAY=50", "MALLOC_ARENA_MAX=4", "MALLOC_TRIM_THRESHOLD_=262144"],
            "Healthcheck": { "Test": ["NONE"] }, "Image": "sha256:1", "StopSignal": "SIGTERM",
            "Labels": {
                "io.sluice.installation": "main",
                "io.sluice.deployment": "dep_00000000000000000000000001",
                "io.sluice.start": "run_00000000000000000000000002",
                "io.sluice.image": "sluice/log:1",
            },
            "HostConfig": {
                "NetworkMode": "net", "Dns": ["127.0.0.1"], "Memory": 128 << 20, "MemorySwap": 128 << 20, "NanoCpus": 1_000_000_000,
                "PidsLimit": 128, "OomScoreAdj": 500, "CapDrop": ["ALL"], "Privileged": false,
                "SecurityOpt": ["no-new-privileges:true"], "ReadonlyRootfs": true, "ShmSize": 1 << 20,
                "Tmpfs": { "/tmp": "rw,noexec,nosuid,nodev,size=16m" },
                "IpcMode": "private", "CgroupnsMode": "private", "Init": false, "AutoRemove": false,
                "RestartPolicy": { "Name": "no" },
                "LogConfig": { "Type": "json-file", "Config": { "max-size": "5m", "max-file": "2" } },
                "Ulimits": [
                    { "Name": "nofile", "Soft": 1024, "Hard": 1024 },
                    { "Name": "core", "Soft": 0, "Hard": 0 },
                ],
            },
        });
        assert_eq!(made(Limits::default()), expect);
    }

    #[test]
    fn limits_replace_the_defaults_and_swap_stays_forbidden() {
        let limits = Limits { memory: Some(Memory::mib(64)), cpus: Some(Cpus::try_from(0.25).unwrap()) };
        let host = &made(limits)["HostConfig"];
        assert_eq!((&host["Memory"], &host["MemorySwap"]), (&json!(64 << 20), &json!(64 << 20)));
        assert_eq!(host["NanoCpus"], json!(250_000_000));
    }
}
