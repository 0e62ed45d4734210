//! The folder of a component: its descriptor, its Dockerfile, its package.

use std::path::Path;

use sluice_protocol::Descriptor;

use super::dockerfile::dockerfile;
use crate::{Finding, FindingCode};

/// Most bytes of a file that is looked at.
const BYTES: u64 = 1 << 20;

/// Reads the folder of a component, and says everything that is wrong with it.
#[must_use]
pub fn folder(folder: &Path) -> (Option<Descriptor>, Vec<Finding>) {
    let mut found = Vec::new();
    let descriptor = match text(&folder.join("component.json")) {
        None => {
            let message = format!("{} has no component.json", folder.display());
            found.push(Finding::new(FindingCode::NoDescriptor, message));
            None
        }
        Some(text) => {
            let (descriptor, faults) = super::descriptor(&text);
            let place = |at: Option<String>| format!("component.json {}", at.unwrap_or_default());
            found
                .extend(faults.into_iter().map(|fault| Finding { place: Some(place(fault.place)), ..fault }));
            descriptor
        }
    };
    let from_scratch = match text(&folder.join("Dockerfile")) {
        None => {
            let message = format!("{} has no Dockerfile", folder.display());
            found.push(Finding::new(FindingCode::NoDockerfile, message));
            false
        }
        Some(text) => {
            let (faults, from_scratch) = dockerfile(&text);
            found.extend(faults);
            from_scratch
        }
    };
    found.extend(package(folder, descriptor.as_ref(), from_scratch));
    (descriptor, found)
}

/// What is wrong with the package, if the component is written in Rust.
fn package(folder: &Path, descriptor: Option<&Descriptor>, from_scratch: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(manifest) = text(&folder.join("Cargo.toml")) else {
        if folder.join("src/main.rs").is_file() {
            found.push(Finding::new(FindingCode::NoManifest, "there is src/main.rs, and no Cargo.toml"));
        }
        return found;
    };
    if !section(&manifest, "dependencies").any(|line| line.starts_with("sluice-sdk")) {
        let message = "sluice-sdk is not among the dependencies";
        found.push(Finding::new(FindingCode::NoSdk, message).at("Cargo.toml"));
    }
    let version = section(&manifest, "package").find_map(|line| {
        Some(line.strip_prefix("version")?.trim().strip_prefix('=')?.trim().trim_matches('"'))
    });
    if let (Some(version), Some(descriptor)) = (version, descriptor)
        && version != descriptor.version.to_string()
    {
        let message = format!("the package is {version}, component.json says {}", descriptor.version);
        found.push(Finding::new(FindingCode::OtherVersion, message).at("Cargo.toml"));
    }
    if from_scratch && !is_static(folder) {
        let message = "no .cargo/config.toml here or above asks for a static binary";
        found.push(Finding::new(FindingCode::NotStatic, message));
    }
    found
}

/// The lines of a section of a TOML file, as people write them.
fn section<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let heading = format!("[{name}]");
    let mut lines = text.lines().map(str::trim).skip_while(move |line| *line != heading);
    lines.next();
    lines.take_while(|line| !line.starts_with('['))
}

/// Whether Cargo is told to link statically: it looks in every folder above, too.
fn is_static(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    let mut configs = folder.ancestors().map(|above| above.join(".cargo/config.toml"));
    configs.any(|path| text(&path).is_some_and(|text| text.contains("+crt-static") || text.contains("-musl")))
}

fn text(path: &Path) -> Option<String> {
    let small = std::fs::metadata(path).is_ok_and(|file| file.len() <= BYTES);
    small.then(|| std::fs::read_to_string(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(at: &Path) -> Vec<String> {
        folder(at).1.into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn the_components_of_this_repository_are_fine() {
        for name in ["http", "log", "rabbitmq", "rest", "timer"] {
            let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components").join(name);
            assert_eq!(codes(&at), [""; 0], "{name}");
        }
    }

    #[test]
    fn everything_that_a_folder_lacks_is_found() {
        let at = tempfile::tempdir().unwrap();
        assert_eq!(codes(at.path()), ["C0301", "C0302"]);
        let write = |name: &str, text: &str| std::fs::write(at.path().join(name), text).unwrap();
        write("component.json", r#"{"name":"a","version":"1.0.0","title":"","actions":{"X":{"title":""}}}"#);
        write("Dockerfile", "FROM scratch\nUSER 1\nENTRYPOINT [\"/c\"]\n");
        write(
            "Cargo.toml",
            "[package]\nname = \"a\"\nversion = \"2.0.0\"\n\n[dependencies]\nserde = \"1\"\n",
        );
        let (descriptor, found) = folder(at.path());
        assert!(descriptor.is_none());
        assert_eq!(found[0].place.as_deref(), Some("component.json /actions/X"));
        assert_eq!(codes(at.path()), ["C0202", "C0304", "C0305"]);
        write("component.json", r#"{"name":"a","version":"1.0.0","title":"","actions":{"x":{"title":""}}}"#);
        assert_eq!(codes(at.path()), ["C0304", "C0307", "C0305"]);
    }
}
