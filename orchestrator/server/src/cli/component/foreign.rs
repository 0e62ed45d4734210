//! What there is to know of a component of another platform: of its image, or of the folder it is built from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_domain::ImageRef;
use sluice_families::{FamilyName, ImageFacts};
use tokio::process::Command;

use super::tool;
use crate::failure::{Code, Failure};

/// Most schemas that are read of a component.
const SCHEMAS: usize = 500;

/// What the container engine says of an image.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Option<BTreeMap<String, String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: String,
}

/// What there is to know of an image: its configuration, and some files out of a container that is never started.
pub(super) async fn image(image: &ImageRef, host: Option<&str>) -> Result<ImageFacts, Failure> {
    let root = Path::new("/");
    let inspect = ["image", "inspect", "--format", "{{json .Config}}", image.as_str()];
    let told = docker(host, &inspect, root).await?;
    let config: Config = serde_json::from_str(&told).map_err(|error| {
        Failure::new(Code::Build, format!("docker says something else of the image: {error}"))
    })?;
    let mut facts = ImageFacts {
        image: image.as_str().split([':', '@']).next().unwrap_or_default().to_owned(),
        labels: config.labels.unwrap_or_default(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        directory: if config.working_dir.is_empty() { "/".to_owned() } else { config.working_dir },
        files: BTreeMap::new(),
    };
    // An image without a command needs some word here.
    let container = docker(host, &["create", image.as_str(), "x"], root).await?;
    let container = container.trim();
    let read = files(host, container, &mut facts).await;
    docker(host, &["rm", container], root).await?;
    read.map(|()| facts)
}

/// What there is to know of a folder; nothing when its package depends on no family's library.
pub(super) fn folder(folder: &Path) -> Result<Option<ImageFacts>, Failure> {
    let package = folder.join("package.json");
    if !package.is_file() || !folder.join("component.json").is_file() {
        return Ok(None);
    }
    let text = crate::files::text(&package)?;
    let asked: Value = serde_json::from_str(&text).unwrap_or_default();
    if !FamilyName::ALL.iter().any(|family| asked["dependencies"].get(family.package()).is_some()) {
        return Ok(None);
    }
    let called =
        folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let mut facts = ImageFacts {
        image: called.unwrap_or_default(),
        directory: "/app".to_owned(),
        ..ImageFacts::default()
    };
    let mut wanted = wanted();
    let mut at = 0;
    while let Some(path) = wanted.get(at).cloned() {
        at += 1;
        let from = folder.join(&path);
        if from.is_file() && stays_inside(folder, &from) {
            let text = crate::files::text(&from)?;
            if path == "component.json" {
                wanted.extend(schemas(&text));
            }
            facts.files.insert(path, text);
        }
    }
    locked(folder, &mut facts)?;
    Ok(Some(facts))
}

/// Whether a path leads to something in the folder: schemas are named by the component.
fn stays_inside(folder: &Path, path: &Path) -> bool {
    match (folder.canonicalize(), path.canonicalize()) {
        (Ok(folder), Ok(path)) => path.starts_with(folder),
        _ => false,
    }
}

/// The versions that will be installed, where nothing is installed yet.
fn locked(folder: &Path, facts: &mut ImageFacts) -> Result<(), Failure> {
    let lock = folder.join("package-lock.json");
    if !lock.is_file() {
        return Ok(());
    }
    let lock: Value = serde_json::from_str(&crate::files::text(&lock)?).unwrap_or_default();
    for family in FamilyName::ALL {
        let path = format!("node_modules/{}", family.package());
        let version = lock["packages"][&path]["version"]
            .as_str()
            .or_else(|| lock["dependencies"][family.package()]["version"].as_str());
        if let Some(version) = version {
            let package = || json!({ "version": version }).to_string();
            facts.files.entry(format!("{path}/package.json")).or_insert_with(package);
        }
    }
    Ok(())
}

/// The files that always count.
fn wanted() -> Vec<String> {
    let libraries =
        FamilyName::ALL.iter().map(|family| format!("node_modules/{}/package.json", family.package()));
    let verify = sluice_families::VERIFY.map(str::to_owned);
    ["component.json".to_owned(), "package.json".to_owned()]
        .into_iter()
        .chain(libraries)
        .chain(verify)
        .collect()
}

async fn files(host: Option<&str>, container: &str, facts: &mut ImageFacts) -> Result<(), Failure> {
    for path in wanted() {
        if let Some(text) = file(host, container, &facts.directory, &path).await? {
            facts.files.insert(path, text);
        }
    }
    let named = facts.files.get("component.json").map(|text| schemas(text)).unwrap_or_default();
    for path in named {
        if let Some(text) = file(host, container, &facts.directory, &path).await? {
            facts.files.insert(path, text);
        }
    }
    Ok(())
}

/// A file of a container; none when it is not there.
async fn file(
    host: Option<&str>,
    container: &str,
    directory: &str,
    path: &str,
) -> Result<Option<String>, Failure> {
    let failed = |error: std::io::Error| Failure::new(Code::Build, format!("{path}: {error}"));
    let folder = tempfile::tempdir().map_err(failed)?;
    let to = folder.path().join("file");
    let from = format!("{container}:{}/{path}", directory.trim_end_matches('/'));
    let mut command = command(host, &["cp", "--follow-link", &from], folder.path());
    command.arg(&to).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    if !command.status().await.map_err(failed)?.success() {
        return Ok(None);
    }
    crate::files::text(&to).map(Some)
}

/// The files that a `component.json` names as schemas.
fn schemas(component: &str) -> Vec<String> {
    let component: Value = serde_json::from_str(component).unwrap_or_default();
    let mut paths = Vec::new();
    for section in ["triggers", "actions"] {
        for entry in component[section].as_object().into_iter().flat_map(|all| all.values()) {
            for side in ["in", "out"] {
                if let Some(path) = entry["metadata"][side].as_str() {
                    paths.push(path.trim_start_matches("./").to_owned());
                }
            }
        }
    }
    paths.truncate(SCHEMAS);
    paths
}

fn command(host: Option<&str>, arguments: &[&str], at: &Path) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).current_dir(at).env("DOCKER_BUILDKIT", "0");
    if let Some(host) = host {
        command.env("DOCKER_HOST", host);
    }
    command
}

/// Runs the docker command and gives what it printed.
pub(super) async fn docker(host: Option<&str>, arguments: &[&str], at: &Path) -> Result<String, Failure> {
    tool::output(command(host, arguments, at), "docker", "install Docker's command: it builds images").await
}
