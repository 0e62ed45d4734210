//! The container engine.

use chrono::{DateTime, Utc};
use sluice_ports::runtime::EngineFacts;

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
        Ok(facts) => judge(&facts, Utc::now()),
        Err(why) => vec![Finding::error(Check::Engine, why)],
    }
}

fn judge(facts: &EngineFacts, now: DateTime<Utc>) -> Vec<Finding> {
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
    findings
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
        };
        let found: Vec<_> = judge(&facts, now).iter().map(|one| (one.code, one.ok)).collect();
        assert_eq!(found, [("D0002", true), ("D0006", false), ("D0007", true), ("D0013", false)]);
        let other = EngineFacts { name: "Podman Engine".to_owned(), runc: None, time: None, ..facts };
        let found: Vec<_> = judge(&other, now).iter().map(|one| (one.code, one.ok)).collect();
        assert_eq!(found, [("D0002", true), ("D0007", false)]);
    }
}
