//! The configuration of the launcher: a file of its own, since the server's has the broker's password in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sluice_domain::{Cpus, Memory};
use sluice_launcher::Most;

use super::keys::LAUNCHER;
use super::reader::Reader;
use super::{Faults, accounts};

/// The file that is read when none is named, if it is there.
pub(crate) const DEFAULT_LAUNCHER_FILE: &str = "/etc/sluice/launcher.toml";
/// What the environment's names begin with.
const PREFIX: &str = "SLUICE_LAUNCHER__";
/// What the template of containers gives to those that ask for nothing, in bytes and in billionths of a core.
const TEMPLATE: (u64, i64) = (128 << 20, 1_000_000_000);

/// The configuration of the launcher.
#[derive(Debug)]
pub(crate) struct LauncherConfiguration {
    /// Whose containers it looks after.
    pub(crate) installation: String,
    /// Where it listens.
    pub(crate) socket: PathBuf,
    /// The users that may ask.
    pub(crate) users: BTreeSet<u32>,
    /// The group that the socket is given to.
    pub(crate) group: Option<u32>,
    /// Where the container engine listens; the local one when absent.
    pub(crate) docker_host: Option<String>,
    /// A network that somebody else made; an own one when absent.
    pub(crate) network: Option<String>,
    /// Whether the containers' own network has a route out.
    pub(crate) open: bool,
    /// Most that containers may have.
    pub(crate) most: Most,
    /// Whether logs are JSON.
    pub(crate) log_json: bool,
    /// The log filter.
    pub(crate) log_level: String,
}

/// Reads the configuration from an optional file and the environment's variables.
pub(crate) fn read(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<LauncherConfiguration, Faults> {
    let mut reader = Reader::new(LAUNCHER, PREFIX, file, environment);
    let configuration = reader.build_launcher();
    match configuration {
        Some(configuration) if reader.faults.is_empty() => Ok(configuration),
        _ => Err(Faults(reader.faults)),
    }
}

impl Reader {
    fn build_launcher(&mut self) -> Option<LauncherConfiguration> {
        let installation = self.installation();
        let socket = self.socket();
        let users = self.users();
        let group = self.group();
        let most = self.most();
        let open = self.egress_open();
        let log_json = self.log_format();
        Some(LauncherConfiguration {
            installation: installation?,
            socket: socket?,
            users: users?,
            group: group?,
            docker_host: self.text("runtime.docker_host"),
            network: self.text("runtime.network"),
            open: open?,
            most: most?,
            log_json: log_json?,
            log_level: self.text("log.level")?,
        })
    }

    fn socket(&mut self) -> Option<PathBuf> {
        let text = self.text("socket")?;
        let path = PathBuf::from(text.strip_prefix("unix://").unwrap_or(&text));
        if !path.is_absolute() {
            self.fault("socket", "it is no path from the root");
            return None;
        }
        Some(path)
    }

    /// Users with commas between them. All that are none, not just the first.
    fn users(&mut self) -> Option<BTreeSet<u32>> {
        let text = self.text("users").unwrap_or_default();
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let (good, bad): (Vec<_>, Vec<_>) =
            names.map(|name| accounts::number(name, Path::new(accounts::USERS))).partition(Result::is_ok);
        for error in bad.iter().filter_map(|one| one.as_ref().err()) {
            self.fault("users", error);
        }
        if good.is_empty() && bad.is_empty() {
            self.fault("users", "it is needed: who may ask, by name or number, with commas between them");
        }
        (bad.is_empty() && !good.is_empty()).then(|| good.into_iter().flatten().collect())
    }

    fn group(&mut self) -> Option<Option<u32>> {
        let Some(text) = self.text("group") else { return Some(None) };
        match accounts::number(&text, Path::new(accounts::GROUPS)) {
            Ok(group) => Some(Some(group)),
            Err(error) => {
                self.fault("group", error);
                None
            }
        }
    }

    fn most(&mut self) -> Option<Most> {
        let limits = self.limits();
        let containers = self.number("limits.containers", 1, 20_000);
        let limits = limits?;
        let (memory, cpus): (Memory, Cpus) = (limits.memory?, limits.cpus?);
        let mut enough = true;
        if memory.bytes() < TEMPLATE.0 {
            self.fault("limits.memory", "a container that asks for nothing has 128MiB; it is at least that");
            enough = false;
        }
        if cpus.nanos() < TEMPLATE.1 {
            self.fault("limits.cpus", "a container that asks for nothing has 1; it is at least that");
            enough = false;
        }
        let containers = containers?;
        enough.then_some(Most { memory, cpus, containers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> Result<LauncherConfiguration, Vec<String>> {
        read(None, variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
            .map_err(|faults| faults.0)
    }

    #[test]
    fn who_may_ask_is_enough() {
        let read = check(&[("SLUICE_LAUNCHER__USERS", "10002, root"), ("SLUICE__BROKER__URL", "x")]).unwrap();
        assert_eq!(read.users, BTreeSet::from([0, 10002]));
        assert_eq!((read.installation.as_str(), read.group), ("sluice", None));
        assert_eq!(read.socket, Path::new("/run/sluice/launcher.sock"));
        assert_eq!((read.most.memory.to_string().as_str(), read.most.containers), ("4GiB", 500));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let faults = check(&[
            ("SLUICE_LAUNCHER__USERS", "nobody-of-this-name, 1"),
            ("SLUICE_LAUNCHER__GROUP", "no-group-of-this-name"),
            ("SLUICE_LAUNCHER__SOCKET", "launcher.sock"),
            ("SLUICE_LAUNCHER__LIMITS__MEMORY", "64MiB"),
            ("SLUICE_LAUNCHER__LIMITS__CONTAINERS", "0"),
            ("SLUICE_LAUNCHER__BROKER__URL", "x"),
        ])
        .unwrap_err();
        for key in [
            "nobody-of-this-name",
            "no-group-of-this-name",
            "socket",
            "limits.memory",
            "limits.containers",
            "broker.url",
        ] {
            assert!(faults.iter().any(|fault| fault.contains(key)), "{key} in {faults:?}");
        }
        assert!(check(&[]).unwrap_err()[0].contains("users"), "nobody may ask unless it is said");
    }
}
