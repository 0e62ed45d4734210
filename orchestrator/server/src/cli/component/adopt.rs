//! `sluice component adopt`.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_domain::ImageRef;
use sluice_families::{Discovered, ImageFacts, discover};
use sluice_protocol::{Descriptor, IMAGE_LABEL};
use tokio::process::Command;

use super::build::image_name;
use super::inspect::inspect_image;
use super::inspected::Inspected;
use super::tool;
use crate::cli::Done;
use crate::failure::{Code, Failure};
use crate::output::Out;

/// The image that holds the bridge, of the same version as this command.
const BRIDGE: &str = concat!("sluice/bridge:", env!("CARGO_PKG_VERSION"));
/// Most schemas that are read of a component.
const SCHEMAS: usize = 500;

/// Make an image of elastic.io or the Open Integration Hub a component of Sluice, without a change to what is in it.
///
/// The image is looked into: its label or its component.json say which triggers, actions and credentials it has, its
/// libraries which family it is of. A new image is made of it that begins with Sluice's bridge, which starts the component
/// and is its platform. Needs the docker command, and the image of the bridge.
#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// The image of the component.
    image: ImageRef,
    /// What the component is called here; as its package when absent.
    #[arg(long)]
    name: Option<String>,
    /// The new image's name; sluice/NAME:VERSION when absent.
    #[arg(long, value_name = "IMAGE")]
    tag: Option<ImageRef>,
    /// The image that holds the bridge.
    #[arg(long, value_name = "IMAGE", default_value = BRIDGE)]
    bridge: ImageRef,
    /// Only say what was understood.
    #[arg(long)]
    dry_run: bool,
    /// Where the container engine listens; the local one when absent.
    #[arg(long, env = "SLUICE__RUNTIME__DOCKER_HOST", value_name = "URL")]
    docker_host: Option<String>,
}

/// What the container engine says of an image.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Option<BTreeMap<String, String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: String,
}

/// What was understood, for people and machines.
#[derive(Debug, Serialize)]
struct Understood {
    family: String,
    version: Option<String>,
    descriptor: Value,
    command: Vec<String>,
    memory_mib: Option<u64>,
    notes: Vec<String>,
}

impl Adopt {
    pub(crate) async fn run(self, out: Out) -> Done {
        self.docker(&["version"], Path::new("/")).await?;
        let facts = self.facts().await?;
        let found = discover(&facts, self.name.as_deref()).map_err(|error| {
            Failure::new(Code::Adoption, format!("{} is no component: {error}", self.image))
        })?;
        // What is made must be what every other command understands.
        let descriptor = Descriptor::from_json(&found.descriptor.to_string()).map_err(|error| {
            Failure::new(Code::Adoption, format!("{}: {}", self.image, sluice_engine::chain(&error)))
        })?;
        if self.dry_run {
            return show(&out, found).map(|()| None);
        }
        for note in &found.notes {
            out.done(&format!("Note: {note}."));
        }
        let image = self.tag.clone().unwrap_or_else(|| image_name(&descriptor));
        self.build(&found, &image).await?;
        out.done(&format!("Made {image} of {}.", self.image));
        let (descriptor, findings) = inspect_image(&image, self.docker_host.clone(), true).await?;
        Inspected::new(image.to_string(), descriptor.as_ref(), findings).show(&out)
    }

    /// What there is to know of the image: its configuration, and some files out of a container that is never started.
    async fn facts(&self) -> Result<ImageFacts, Failure> {
        let told = self
            .docker(
                &["image", "inspect", "--format", "{{json .Config}}", self.image.as_str()],
                Path::new("/"),
            )
            .await?;
        let config: Config = serde_json::from_str(&told).map_err(|error| {
            Failure::new(Code::Build, format!("docker says something else of the image: {error}"))
        })?;
        let mut facts = ImageFacts {
            image: self.image.as_str().split([':', '@']).next().unwrap_or_default().to_owned(),
            labels: config.labels.unwrap_or_default(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            directory: if config.working_dir.is_empty() { "/".to_owned() } else { config.working_dir },
            files: BTreeMap::new(),
        };
        // An image without a command needs some word here.
        let container = self.docker(&["create", self.image.as_str(), "x"], Path::new("/")).await?;
        let container = container.trim();
        let read = self.files(container, &mut facts).await;
        self.docker(&["rm", container], Path::new("/")).await?;
        read.map(|()| facts)
    }

    async fn files(&self, container: &str, facts: &mut ImageFacts) -> Result<(), Failure> {
        let mut wanted = vec!["component.json".to_owned(), "package.json".to_owned()];
        for family in sluice_families::FamilyName::ALL {
            wanted.push(format!("node_modules/{}/package.json", family.package()));
        }
        wanted.extend(sluice_families::VERIFY.map(str::to_owned));
        for path in wanted {
            if let Some(text) = self.file(container, &facts.directory, &path).await? {
                facts.files.insert(path, text);
            }
        }
        let component: Option<Value> =
            facts.files.get("component.json").and_then(|text| serde_json::from_str(text).ok());
        let mut schemas = Vec::new();
        if let Some(component) = &component {
            paths(component, &mut schemas);
        }
        for path in schemas.into_iter().take(SCHEMAS) {
            if let Some(text) = self.file(container, &facts.directory, &path).await? {
                facts.files.insert(path, text);
            }
        }
        Ok(())
    }

    /// A file of a container; none when it is not there.
    async fn file(&self, container: &str, directory: &str, path: &str) -> Result<Option<String>, Failure> {
        let failed = |error: std::io::Error| Failure::new(Code::Build, format!("{path}: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        let to = folder.path().join("file");
        let from = format!("{container}:{}/{path}", directory.trim_end_matches('/'));
        let mut command = self.command(&["cp", "--follow-link", &from], folder.path());
        command.arg(&to).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        if !command.status().await.map_err(failed)?.success() {
            return Ok(None);
        }
        crate::files::text(&to).map(Some)
    }

    async fn build(&self, found: &Discovered, image: &ImageRef) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::new(Code::Build, format!("the build context: {error}"));
        let context = tempfile::tempdir().map_err(failed)?;
        let adoption = serde_json::to_string_pretty(&found.adoption).expect("an adoption is plain JSON");
        let dockerfile = format!(
            "FROM {} AS bridge\nFROM {}\nCOPY --from=bridge /component /sluice/bridge\n\
             COPY component.json adoption.json /sluice/\nUSER 10001:10001\nENTRYPOINT [\"/sluice/bridge\"]\nCMD []\n",
            self.bridge, self.image
        );
        let files = [
            ("Dockerfile", dockerfile),
            ("component.json", found.descriptor.to_string()),
            ("adoption.json", adoption),
        ];
        for (name, text) in files {
            std::fs::write(context.path().join(name), text).map_err(failed)?;
        }
        let label = format!("{IMAGE_LABEL}={}", found.descriptor);
        let arguments = ["build", "--quiet", "--label", &label, "--tag", image.as_str(), "."];
        self.docker(&arguments, context.path()).await.map(drop)
    }

    fn command(&self, arguments: &[&str], at: &Path) -> Command {
        let mut command = Command::new("docker");
        command.args(arguments).current_dir(at).env("DOCKER_BUILDKIT", "0");
        if let Some(host) = &self.docker_host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    async fn docker(&self, arguments: &[&str], at: &Path) -> Result<String, Failure> {
        tool::output(self.command(arguments, at), "docker", "install Docker's command: it builds images")
            .await
    }
}

/// The files that a `component.json` names as schemas.
fn paths(component: &Value, into: &mut Vec<String>) {
    for section in ["triggers", "actions"] {
        for entry in component[section].as_object().into_iter().flat_map(|all| all.values()) {
            for side in ["in", "out"] {
                if let Some(path) = entry["metadata"][side].as_str() {
                    into.push(path.trim_start_matches("./").to_owned());
                }
            }
        }
    }
}

fn show(out: &Out, found: Discovered) -> Result<(), Failure> {
    let Discovered { adoption, descriptor, memory, notes } = found;
    let understood = Understood {
        family: adoption.family.to_string(),
        version: adoption.version.as_ref().map(ToString::to_string),
        descriptor,
        command: adoption.command.clone(),
        memory_mib: memory,
        notes,
    };
    out.show(
        &understood,
        || vec![understood.descriptor["name"].as_str().unwrap_or_default().to_owned()],
        || {
            let version = understood.version.as_deref().unwrap_or("of an unknown version");
            let mut text =
                format!("{} {version}, started by `{}`\n", understood.family, understood.command.join(" "));
            for (ours, foreign) in &adoption.functions {
                let kind = format!("{:?}", foreign.kind).to_lowercase();
                text.push_str(&format!("  {ours:<32} {kind:<8} {}\n", foreign.name));
            }
            for note in &understood.notes {
                text.push_str(&format!("Note: {note}.\n"));
            }
            text.trim_end().to_owned()
        },
    )
}
