//! What a server needs, and what a production set-up must be like: the checks of `sluice doctor`, some of which `sluice
//! serve` makes at its start, too.
//!
//! A check looks and changes nothing, but for a file that it makes and removes to see whether it can. Each finding has a
//! code with a page under `docs/errors/`.

mod access;
mod broker;
mod engine;
mod files;
mod finding;
mod places;
mod server;
mod version;

use std::path::Path;
use std::time::Duration;

use crate::config::Configuration;
pub(crate) use finding::{Finding, Level};

/// How long each check may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// How strict to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// What is dangerous is a warning.
    Development,
    /// What is dangerous is an error.
    Production,
}

/// All checks.
pub(crate) async fn all(
    configuration: &Configuration,
    file: Option<&Path>,
    strictness: Strictness,
) -> Vec<Finding> {
    let mut findings = files::look(configuration, file);
    findings.extend(places::look(configuration));
    findings.extend(access::look(configuration));
    let (engine, broker, server) =
        tokio::join!(engine::look(configuration), broker::look(configuration), server::look());
    findings.extend(engine.into_iter().chain(broker).chain(server));
    judged(findings, strictness)
}

/// Those that `sluice serve` makes: what is dangerous, and can be seen without a server.
pub(crate) async fn grave(
    configuration: &Configuration,
    file: Option<&Path>,
    strictness: Strictness,
) -> Vec<Finding> {
    let mut findings = files::modes(configuration, file);
    findings.extend(places::look(configuration));
    findings.extend(access::look(configuration));
    let (engine, broker) = tokio::join!(engine::look(configuration), broker::look_aside(configuration));
    findings.extend(engine.into_iter().chain(broker));
    let findings = judged(findings, strictness);
    findings.into_iter().filter(|finding| finding.check.is_grave() && !finding.ok).collect()
}

fn judged(mut findings: Vec<Finding>, strictness: Strictness) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.code);
    for finding in &mut findings {
        if finding.level == Level::Warning && finding.check.is_grave() && strictness == Strictness::Production
        {
            finding.level = Level::Error;
        }
    }
    findings
}

async fn in_time<T>(check: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::finding::Check;
    use super::*;

    #[test]
    fn what_is_dangerous_is_an_error_in_production_only() {
        let found = || {
            vec![
                Finding::warning(Check::EngineVersion, "old"),
                Finding::warning(Check::ConsumerTimeout, "unknown"),
                Finding::error(Check::Broker, "away"),
                Finding::fine(Check::KeyFiles, "good"),
            ]
        };
        let levels =
            |strictness| judged(found(), strictness).iter().map(|finding| finding.level).collect::<Vec<_>>();
        let (warning, error, fine) = (Level::Warning, Level::Error, Level::Ok);
        assert_eq!(levels(Strictness::Development), [error, warning, fine, warning], "by their codes");
        assert_eq!(levels(Strictness::Production), [error, error, fine, warning]);
    }
}
