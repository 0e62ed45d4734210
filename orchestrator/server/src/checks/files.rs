//! The data folder and the files in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::finding::{Check, Finding};
use crate::config::Configuration;

/// With less than this the store may soon not be able to write.
const LEAST_FREE: u64 = 1 << 30;

pub(super) fn look(configuration: &Configuration, file: Option<&Path>) -> Vec<Finding> {
    let mut findings = vec![folder(&configuration.data_dir), space(&configuration.data_dir)];
    findings.extend(modes(configuration, file));
    findings
}

/// The nearest folder that exists decides whether the rest can be made.
fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.exists()).unwrap_or(folder)
}

fn folder(folder: &Path) -> Finding {
    let probe = nearest(folder).join(format!(".sluice-doctor-{}", std::process::id()));
    let written = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    let found = written.map(|()| format!("{} can be written", folder.display()));
    let found = found.map_err(|error| format!("{} cannot be written: {error}", folder.display()));
    Finding::answered(Check::DataFolder, found)
}

fn space(folder: &Path) -> Finding {
    match rustix::fs::statvfs(nearest(folder)) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = format!("{} MiB are free at {}", free >> 20, folder.display());
            if free < LEAST_FREE {
                Finding::warning(Check::DiskSpace, found)
            } else {
                Finding::fine(Check::DiskSpace, found)
            }
        }
        Err(error) => Finding::warning(Check::DiskSpace, format!("{}: {error}", folder.display())),
    }
}

/// Whether others can read what has secrets.
pub(super) fn modes(configuration: &Configuration, file: Option<&Path>) -> Vec<Finding> {
    let data = &configuration.data_dir;
    let mut files: Vec<PathBuf> = ["keys", "sluice.db", "sluice.db-wal"].map(|name| data.join(name)).into();
    files.extend(file.map(Path::to_path_buf));
    let wide: Vec<String> = files.iter().filter_map(|path| too_wide(path)).collect();
    vec![Finding::wrong(Check::KeyFiles, "none can be read by others", &wide)]
}

/// What is wrong with the mode of a file. One that is not there has none.
fn too_wide(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("{} has the mode {mode:o}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        assert_eq!(too_wide(&path), None, "what is not there harms nobody");
        std::fs::write(&path, b"x").unwrap();
        for (mode, wide) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o620, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(too_wide(&path).is_some(), wide, "{mode:o}");
        }
    }

    #[test]
    fn a_folder_that_can_be_made_is_fine_and_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        assert!(folder(&parent.path().join("a/b")).ok);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
        assert!(!folder(Path::new("/proc/nowhere")).ok);
    }
}
