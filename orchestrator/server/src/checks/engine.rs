//! The container engine.

use chrono::{DateTime, Utc};
use sluice_ports::runtime::{EngineFacts, NetworkFacts};

use super::finding::{Check, Finding};
use super::in_time;
use super::version::{self, Version};
use crate::config::Configuration;
use crate::wire;

/// How far the engine's clock may be from this one, in seconds.
const APART: i64 = 5;

pub(super) async fn look(configuration: &Configuration) -> Vec<Finding> {
    let runtime = match wire::runtime(configuration) {
        Ok(runtime) => runtime,
        Err(error) => return vec![Finding::error(Check::Engine, sluice_engine::chain(&error))],
    };
    let asked = in_time(async { runtime.facts().await.map_err(|error| sluice_engine::chain(&error)) }).await;
    match asked {
        Ok(mut facts) => {
            // A launcher that is shut away does not see the machine's bridges; this process may.
            facts.bridge_filter =
                facts.bridge_filter.or_else(|| sluice_docker::bridge_filter(&configuration.installation));
            judge(&facts, configuration.egress.open, Utc::now())
        }
        Err(why) => vec![Finding::error(Check::Engine, why)],
    }
}

fn judge(facts: &EngineFacts, open: bool, now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = vec![Finding::fine(Check::Engine, format!("{} {}", facts.name, facts.version))];
    // Another engine that speaks the same API has versions of its own.
    if facts.name.to_lowercase().contains("docker") {
        findings.push(versioned(Check::EngineVersion, Some(&facts.version), version::is_docker_new));
    }
    findings.push(versioned(Check::RuncVersion, facts.runc.as_deref(), version::is_runc_new));
    if let Some(time) = facts.time {
        let apart = (time - now).num_seconds().abs();
        let found = format!("the container engine's clock and this one are {apart} s apart");
        findings.push(if apart > APART {
            Finding::warning(Check::Clock, found)
        } else {
            Finding::fine(Check::Clock, found)
        });
    }
    findings.push(fence(facts.network, open));
    findings.push(walls(facts.network, facts.bridge_filter));
    findings
}

/// Whether components reach each other.
fn walls(network: Option<NetworkFacts>, bridge_filter: Option<bool>) -> Finding {
    let check = Check::Walls;
    if network.is_some_and(|network| !network.apart) {
        let found = "the engine does not keep the containers on their network apart";
        return Finding::warning(check, found);
    }
    match bridge_filter {
        Some(true) => Finding::fine(check, "the containers are kept apart"),
        Some(false) => Finding::warning(
            check,
            "net.bridge.bridge-nf-call-iptables is not 1 on the engine's machine: what the engine does to keep containers apart is without effect",
        ),
        None => Finding::fine(
            check,
            "the engine is told to keep the containers apart; the machine is not seen from here",
        ),
    }
}

/// Whether components reach more than their rules name.
fn fence(network: Option<NetworkFacts>, open: bool) -> Finding {
    let check = Check::Fence;
    if open {
        return Finding::warning(
            check,
            "egress.mode is open: components reach whatever this machine reaches",
        );
    }
    match network {
        None => Finding::fine(check, "it will be made without a route out"),
        Some(NetworkFacts { fenced: true, .. }) => Finding::fine(check, "it has no route out"),
        Some(NetworkFacts { own: true, empty: true, .. }) => {
            Finding::fine(check, "it has a route out, and is made anew at the next start")
        }
        Some(NetworkFacts { own: true, .. }) => {
            Finding::warning(check, "it has a route out, and cannot be made anew while containers are on it")
        }
        Some(NetworkFacts { own: false, .. }) => {
            Finding::warning(check, "runtime.network names one that has a route out")
        }
    }
}

/// A version that lacks fixes which the walls around components rely on.
pub(super) fn versioned(check: Check, version: Option<&str>, is_new: fn(Version) -> bool) -> Finding {
    match version.and_then(|text| Some((text, Version::read(text)?))) {
        Some((text, version)) if is_new(version) => Finding::fine(check, text),
        Some((text, _)) => Finding::warning(check, format!("{text} lacks fixes of security")),
        None => Finding::warning(check, "it does not tell its version"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn an_old_engine_with_a_wrong_clock_is_told_of() {
        let now = DateTime::UNIX_EPOCH;
        let facts = EngineFacts {
            name: "Docker".to_owned(),
            version: "20.10.24".to_owned(),
            runc: Some("1.3.3".to_owned()),
            time: Some(now + TimeDelta::seconds(90)),
            network: None,
            bridge_filter: Some(false),
        };
        let found: Vec<_> = judge(&facts, false, now).iter().map(|one| (one.code, one.ok)).collect();
        assert_eq!(
            found,
            [
                ("D0002", true),
                ("D0006", false),
                ("D0007", true),
                ("D0013", false),
                ("D0020", true),
                ("D0021", false)
            ]
        );
        let other = EngineFacts {
            name: "Podman Engine".to_owned(),
            runc: None,
            time: None,
            bridge_filter: None,
            ..facts
        };
        let found: Vec<_> = judge(&other, false, now).iter().map(|one| (one.code, one.ok)).collect();
        assert_eq!(found, [("D0002", true), ("D0007", false), ("D0020", true), ("D0021", true)]);
    }

    #[test]
    fn a_network_with_a_route_out_is_told_of_unless_the_next_start_mends_it() {
        let network = |fenced, own, empty| Some(NetworkFacts { fenced, own, empty, apart: true });
        for (network, open, expect) in [
            (None, false, true),
            (None, true, false),
            (network(true, true, true), true, false),
            (network(true, true, false), false, true),
            (network(false, true, true), false, true),
            (network(false, true, false), false, false),
            (network(true, false, false), false, true),
            (network(false, false, true), false, false),
        ] {
            assert_eq!(fence(network, open).ok, expect, "{network:?} {open}");
        }
    }
    #[test]
    fn containers_that_reach_each_other_are_told_of() {
        let network = |apart| Some(NetworkFacts { fenced: true, own: false, empty: false, apart });
        for (network, filter, expect) in [
            (None, Some(true), true),
            (None, None, true),
            (None, Some(false), false),
            (network(true), Some(true), true),
            (network(true), None, true),
            (network(true), Some(false), false),
            (network(false), Some(true), false),
            (network(false), None, false),
        ] {
            assert_eq!(walls(network, filter).ok, expect, "{network:?} {filter:?}");
        }
    }
}
