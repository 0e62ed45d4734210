//! The file of a declarative connector, put to use at each change.
//!
//! A version never changes, so each change is a version of its own: that of the file with `+dev.N` behind it. Semantic
//! Versioning calls that build metadata, which ranges like `^1.2` do not look at: whatever takes the file's version takes
//! these as well.

use std::path::PathBuf;
use std::time::Duration;

use semver::{BuildMetadata, Version};
use sluice_declarative::Manifest;
use sluice_http::dto;

use super::interrupts::Interrupts;
use crate::cli::Done;
use crate::cli::component::file;
use crate::cli::component::inspected::Inspected;
use crate::client::Client;
use crate::failure::{Code, Exit, Failure, Shown};
use crate::files;
use crate::output::{Out, fail, note};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What the build metadata of our versions ends in, before their number.
const MARK: &str = "dev";

/// A connector that is being worked on.
struct Desk<'a> {
    out: &'a Out,
    client: Client,
    path: PathBuf,
    name: String,
    force: bool,
    /// The version that is to come back; none when the connector was not there.
    before: Option<Version>,
    /// The number of our last version.
    number: u64,
    /// Our version that is in use.
    current: Option<Version>,
}

/// Puts a connector file to use, and again whenever it changes, until it is interrupted.
pub(super) async fn run(path: PathBuf, force: bool, out: &Out) -> Done {
    let mut text = files::text(&path)?;
    let (manifest, findings) = file::manifest(&path)?;
    let Some(manifest) = manifest else {
        return Inspected::new(path.display().to_string(), None, findings).show(out);
    };
    let mut interrupts = Interrupts::listen()?;
    let mut desk = Desk::new(manifest.name.to_string(), path, force, out).await?;
    let first = desk.put(manifest).await;
    if first.is_ok() {
        out.done(&format!("Watching {}.", desk.path.display()));
        loop {
            tokio::select! {
                () = interrupts.next() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
            // A file that is being replaced is looked at again.
            let now = files::text(&desk.path).unwrap_or_else(|_| text.clone());
            if now != text {
                text = now;
                desk.take_in().await;
            }
        }
    }
    let back = desk.put_back().await;
    first.and(back).map(|()| None)
}

impl<'a> Desk<'a> {
    async fn new(name: String, path: PathBuf, force: bool, out: &'a Out) -> Result<Self, Failure> {
        let client = Client::find()?;
        let installed = installed(&client, &name).await?;
        let numbers = installed.iter().filter_map(|(version, _)| number(version));
        let number = numbers.max().unwrap_or_default();
        let released = || installed.iter().filter(|(version, _)| self::number(version).is_none());
        let newest = || released().max_by_key(|(version, _)| (version.pre.is_empty(), version.clone()));
        let before = released().find(|(_, active)| *active).or_else(newest);
        let before = before.map(|(version, _)| version.clone());
        if number > 0 {
            note("Versions of an earlier run are there; they go when this ends.");
        }
        Ok(Self { out, client, path, name, force, before, number, current: None })
    }

    /// Takes in a file that changed. A broken one is told, and the last good one stays.
    async fn take_in(&mut self) {
        let (manifest, findings) = match file::manifest(&self.path) {
            Ok(read) => read,
            Err(failure) => return fail(&failure),
        };
        let done = match manifest {
            None => Inspected::new(self.path.display().to_string(), None, findings).show(self.out).map(drop),
            Some(manifest) if manifest.name.as_str() != self.name => {
                let message = format!("the file is of {} now, and was of {}", manifest.name, self.name);
                Err(Failure::new(Code::Usage, message).help("begin anew for another connector"))
            }
            Some(manifest) => {
                let put = self.put(manifest).await;
                if put.is_ok() {
                    return;
                }
                put
            }
        };
        if let Err(failure) = done {
            fail(&failure);
        }
        if let Some(current) = &self.current {
            note(&format!("{} {current} stays in use.", self.name));
        }
    }

    /// Installs a version of our own and puts it to use; the one before it goes.
    async fn put(&mut self, mut manifest: Manifest) -> Result<(), Failure> {
        self.number += 1;
        manifest.version = dev(&manifest.version, self.number);
        let version = manifest.version.clone();
        let file =
            dto::File { name: self.path.display().to_string(), text: sluice_openapi::to_yaml(&manifest) };
        let apply = dto::Apply { files: vec![file], ..dto::Apply::default() };
        self.client.post::<_, dto::Applied>(&["api", "v1", "apply"], &[], &apply).await?;
        let used = match self.upgrade(&version, self.force, false).await {
            Ok(used) => used,
            Err(failure) => {
                self.tell_misfits(&version).await;
                self.remove(&version).await.ok();
                return Err(failure);
            }
        };
        if let Some(old) = self.current.replace(version) {
            self.remove(&old).await.ok();
        }
        let moved = used.flows.iter().filter(|flow| flow.action == "change");
        let moved: Vec<&str> = moved.map(|flow| flow.name.as_str()).collect();
        let flows = if moved.is_empty() {
            String::new()
        } else {
            format!("; flows that use it now: {}", moved.join(", "))
        };
        self.out.done(&format!("{} {} is in use{flows}.", used.connector, used.to));
        Ok(())
    }

    async fn upgrade(
        &self,
        to: &Version,
        force: bool,
        dry_run: bool,
    ) -> Result<dto::ConnectorUpgrade, Failure> {
        let body = dto::UpgradeConnector { version: Some(to.to_string()), rollback: false, dry_run, force };
        self.client.post(&["api", "v1", "connectors", &self.name, "upgrade"], &[], &body).await
    }

    /// Says what would not work with a version.
    async fn tell_misfits(&self, version: &Version) {
        let Ok(plan) = self.upgrade(version, false, true).await else { return };
        for instance in &plan.instances {
            instance.faults.iter().for_each(|fault| note(&format!("instance {}: {fault}", instance.name)));
        }
        for flow in &plan.flows {
            flow.diagnostics.iter().for_each(|found| note(&format!("flow {}: {}", flow.name, Shown(found))));
        }
    }

    async fn remove(&self, version: &Version) -> Result<(), Failure> {
        let query = [("version", version.to_string())];
        self.client.delete(&["api", "v1", "connectors", &self.name], &query).await
    }

    /// Brings back what was in use, and removes the versions of this run and of those that were killed.
    async fn put_back(&mut self) -> Result<(), Failure> {
        match &self.before {
            Some(before) => {
                // Flows that cannot go back stay where they are, rather than everything.
                let back = self.upgrade(before, true, false).await?;
                if back.from != back.to {
                    self.out.done(&format!("{} {} is in use again.", back.connector, back.to));
                }
                for flow in back.flows.iter().filter(|flow| flow.diagnostics.iter().any(is_error)) {
                    note(&format!("flow {} does not work with it and stays as it is", flow.name));
                }
            }
            None => {
                let Some(current) = &self.current else { return Ok(()) };
                if !self.upgrade(current, true, true).await?.flows.is_empty() {
                    note(&format!(
                        "{} {current} stays: flows use it, and there is no other version.",
                        self.name
                    ));
                    return Ok(());
                }
            }
        }
        let ours = installed(&self.client, &self.name).await?;
        for (version, _) in ours.iter().filter(|(version, _)| number(version).is_some()) {
            match self.remove(version).await {
                Err(failure) if failure.exit == Exit::Conflict => {
                    note(&format!("{} {version} stays: {}", self.name, failure.message));
                }
                done => done?,
            }
        }
        Ok(())
    }
}

fn is_error(found: &dto::Diagnostic) -> bool {
    found.severity == "error"
}

/// The installed versions of a connector, and whether each is the one in use.
async fn installed(client: &Client, name: &str) -> Result<Vec<(Version, bool)>, Failure> {
    let found: Vec<dto::Connector> = match client.get(&["api", "v1", "connectors", name], &[]).await {
        Ok(found) => found,
        Err(failure) if failure.exit == Exit::NotFound => Vec::new(),
        Err(failure) => return Err(failure),
    };
    Ok(found.iter().filter_map(|one| Some((one.version.parse().ok()?, one.active))).collect())
}

/// Our version of a file's version.
fn dev(version: &Version, number: u64) -> Version {
    let own = version.build.as_str();
    let build = if own.is_empty() { format!("{MARK}.{number}") } else { format!("{own}.{MARK}.{number}") };
    Version { build: BuildMetadata::new(&build).expect("letters, digits and dots"), ..version.clone() }
}

/// The number of a version that is ours.
fn number(version: &Version) -> Option<u64> {
    let mut parts = version.build.as_str().rsplit('.');
    let (number, mark) = (parts.next()?, parts.next()?);
    (mark == MARK).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_versions_are_known_and_pass_for_the_files_own() {
        for (version, expect, range) in
            [("1.2.0", "1.2.0+dev.3", "^1.2"), ("1.2.0-rc.1+x", "1.2.0-rc.1+x.dev.3", "=1.2.0-rc.1")]
        {
            let version: Version = version.parse().unwrap();
            let ours = dev(&version, 3);
            assert_eq!(ours.to_string(), expect);
            assert_eq!((number(&version), number(&ours)), (None, Some(3)));
            let range: semver::VersionReq = range.parse().unwrap();
            assert!(range.matches(&ours) && ours > version);
        }
        assert_eq!(number(&"1.0.0+dev".parse().unwrap()), None);
        assert_eq!(number(&"1.0.0+dev.x".parse().unwrap()), None);
    }
}
