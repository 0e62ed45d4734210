//! The probe: a component of ours on the libraries of other platforms.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use sluice_families::{FamilyName, ImageFacts, discover};
use sluice_sdk::testing::Harness;

use crate::functions::component;

/// The libraries that are installed, by the names of their folders.
pub(super) const LIBRARIES: [&str; 5] =
    ["sailor-1.3.0", "sailor-2.6.24", "sailor-2.7.8", "ferryman-1.1.3", "ferryman-2.4.7"];

/// Tries something on each of them.
pub(super) async fn of_each(attempt: impl AsyncFn(&'static str)) {
    let only = std::env::var("PROBE_LIBRARY").unwrap_or_default();
    for library in LIBRARIES.into_iter().filter(|library| library.contains(&only)) {
        attempt(library).await;
    }
}

/// The probe on a library.
pub(super) fn harness(library: &str) -> Harness {
    // `RUST_LOG=info` shows what the processes write.
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init().ok();
    let folder = installed();
    let (family, version) = library.split_once('-').unwrap();
    let family: FamilyName = family.parse().unwrap();
    let mut facts = ImageFacts {
        image: "probe".to_owned(),
        directory: folder.display().to_string(),
        ..ImageFacts::default()
    };
    facts
        .files
        .insert("component.json".to_owned(), std::fs::read_to_string(folder.join("component.json")).unwrap());
    for path in sluice_families::VERIFY {
        if let Ok(text) = std::fs::read_to_string(folder.join(path)) {
            facts.files.insert(path.to_owned(), text);
        }
    }
    let package = format!(r#"{{"version":"{version}"}}"#);
    facts.files.insert(format!("node_modules/{}/package.json", family.package()), package);
    let mut found = discover(&facts, None).unwrap();
    for word in &mut found.adoption.command {
        // Several versions beside each other have names of their own.
        *word = word.replace(family.package(), library);
    }
    assert_eq!(found.descriptor["name"], Value::from("probe"));
    Harness::new(component(found.descriptor.to_string(), found.adoption))
}

/// The folder of the probe, its libraries installed.
fn installed() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("probe");
        if !folder.join("node_modules/.package-lock.json").exists() {
            let status = Command::new("npm").args(["ci", "--silent"]).current_dir(&folder).status();
            assert!(status.expect("npm is needed; tests/run installs it").success(), "npm ci failed");
        }
        folder
    })
}
