//! `sluice component adopt`.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sluice_domain::ImageRef;
use sluice_families::{Discovered, discover};
use sluice_protocol::{Descriptor, IMAGE_LABEL};

use super::build::image_name;
use super::foreign;
use super::inspect::inspect_image;
use super::inspected::Inspected;
use crate::cli::Done;
use crate::failure::{Code, Failure};
use crate::output::Out;

/// The image that holds the bridge, of the same version as this command.
const BRIDGE: &str = concat!("sluice/bridge:", env!("CARGO_PKG_VERSION"));

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
        let facts = foreign::image(&self.image, self.docker_host.as_deref()).await?;
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

    async fn docker(&self, arguments: &[&str], at: &Path) -> Result<String, Failure> {
        foreign::docker(self.docker_host.as_deref(), arguments, at).await
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
