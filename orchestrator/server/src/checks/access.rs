//! Who reaches the container engine.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::finding::{Check, Finding};
use crate::config::Configuration;

/// Where Docker listens when nobody says otherwise.
const USUAL: [&str; 2] = ["/var/run/docker.sock", "/run/podman/podman.sock"];

/// Whoever reaches the container engine is root on its machine, so the process that speaks HTTP should not.
pub(super) fn look(configuration: &Configuration) -> Vec<Finding> {
    let mut sockets: Vec<PathBuf> = USUAL.map(PathBuf::from).into();
    let named = std::env::var("DOCKER_HOST").ok();
    sockets.extend(named.and_then(|host| host.strip_prefix("unix://").map(PathBuf::from)));
    vec![judge(configuration.launcher.as_deref(), &sockets)]
}

fn judge(launcher: Option<&Path>, sockets: &[PathBuf]) -> Finding {
    let Some(launcher) = launcher else {
        let found = "this process speaks to the container engine itself, which is root on its machine";
        return Finding::warning(Check::EngineAccess, found);
    };
    match sockets.iter().find(|socket| UnixStream::connect(socket).is_ok()) {
        Some(open) => {
            let found = format!("this user can open {} beside the launcher", open.display());
            Finding::warning(Check::EngineAccess, found)
        }
        None => {
            let found = format!("only by way of the launcher at {}", launcher.display());
            Finding::fine(Check::EngineAccess, found)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_launcher_and_no_way_beside_it_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let (open, gone) = (folder.path().join("open.sock"), folder.path().join("gone.sock"));
        let _listener = UnixListener::bind(&open).unwrap();
        let launcher = Some(Path::new("/run/sluice/launcher.sock"));
        assert!(!judge(None, &[]).ok);
        assert!(judge(launcher, std::slice::from_ref(&gone)).ok);
        let found = judge(launcher, &[gone, open]);
        assert!(!found.ok && found.found.contains("open.sock"), "{found}");
    }
}
