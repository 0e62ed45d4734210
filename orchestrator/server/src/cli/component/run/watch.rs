//! Noticing that files changed, by looking: that works on every file system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::failure::{Code, Failure};

/// Most files that are watched.
const MOST: usize = 10_000;
/// Deepest folder that is looked into.
const DEEPEST: usize = 32;
/// The folder that is watched alone where there is one.
const SOURCES: &str = "src";
/// Files beside it that matter as well.
const BESIDE: [&str; 2] = ["Cargo.toml", "component.json"];
/// Folders that hold what tools made or fetched.
const MADE: [&str; 2] = ["target", "node_modules"];

/// When a file was written last, and how long it is.
type Look = (Option<SystemTime>, u64);

/// The files of a component, as they were last.
pub(super) struct Watch {
    folder: PathBuf,
    seen: BTreeMap<PathBuf, Look>,
}

impl Watch {
    /// Watches `src`, the package and the descriptor; or, where there is no `src`, the whole folder but hidden files and
    /// what tools made.
    pub(super) fn new(folder: &Path) -> Result<Self, Failure> {
        let seen = look(folder).ok_or_else(|| {
            let message = format!("{} has more than {MOST} files, too many to watch", folder.display());
            Failure::new(Code::Run, message).help("keep sources in a folder `src`, or use --no-watch")
        })?;
        Ok(Self { folder: folder.to_owned(), seen })
    }

    /// A file that changed, came or went since the last look.
    pub(super) fn changed(&mut self) -> Option<PathBuf> {
        let now = look(&self.folder)?;
        let differs = |path: &&PathBuf| self.seen.get(*path) != now.get(*path);
        let changed = now.keys().chain(self.seen.keys()).find(differs).cloned();
        self.seen = now;
        changed
    }
}

/// None when there are too many files.
fn look(folder: &Path) -> Option<BTreeMap<PathBuf, Look>> {
    let mut found = BTreeMap::new();
    let sources = folder.join(SOURCES);
    if sources.is_dir() {
        for path in BESIDE.map(|name| folder.join(name)) {
            note(path, &mut found);
        }
        walk(&sources, 0, &mut found)?;
    } else {
        walk(folder, 0, &mut found)?;
    }
    Some(found)
}

fn walk(folder: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Look>) -> Option<()> {
    // What cannot be read now may be just being replaced.
    for entry in std::fs::read_dir(folder).ok().into_iter().flatten().flatten() {
        let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { continue };
        let name = name.to_string_lossy();
        if name.starts_with('.') || MADE.contains(&&*name) {
            continue;
        }
        if kind.is_dir() && depth < DEEPEST {
            walk(&entry.path(), depth + 1, found)?;
        } else if kind.is_file() {
            note(entry.path(), found);
        }
        if found.len() > MOST {
            return None;
        }
    }
    Some(())
}

fn note(path: PathBuf, found: &mut BTreeMap<PathBuf, Look>) {
    if let Ok(facts) = std::fs::metadata(&path) {
        found.insert(path, (facts.modified().ok(), facts.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_watched_and_what_tools_make_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["src/deep", "target"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("src/main.rs"), "1").unwrap();
        let mut watch = Watch::new(folder.path()).unwrap();
        assert_eq!(watch.changed(), None);
        std::fs::write(at("target/main"), "1").unwrap();
        std::fs::write(at("README.md"), "1").unwrap();
        assert_eq!(watch.changed(), None);
        for name in ["src/main.rs", "src/deep/new.rs", "component.json"] {
            std::fs::write(at(name), "12").unwrap();
            assert_eq!(watch.changed(), Some(at(name)));
            assert_eq!(watch.changed(), None);
        }
        std::fs::remove_file(at("src/deep/new.rs")).unwrap();
        assert_eq!(watch.changed(), Some(at("src/deep/new.rs")));
    }

    #[test]
    fn a_folder_without_src_is_watched_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["node_modules", ".git"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        let mut watch = Watch::new(folder.path()).unwrap();
        std::fs::write(at("node_modules/x.js"), "1").unwrap();
        std::fs::write(at(".git/index"), "1").unwrap();
        assert_eq!(watch.changed(), None);
        std::fs::write(at("main.py"), "1").unwrap();
        assert_eq!(watch.changed(), Some(at("main.py")));
    }
}
