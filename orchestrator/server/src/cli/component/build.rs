//! `sluice component build`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;
use sluice_domain::ImageRef;
use sluice_protocol::{Descriptor, IMAGE_LABEL};
use tokio::process::Command;

use super::inspect::inspect_image;
use super::inspected::Inspected;
use super::tool;
use crate::cli::Done;
use crate::failure::{Code, Failure};
use crate::files;
use crate::output::Out;

/// The stage that takes a binary from the build context, where a Dockerfile has one.
const PREBUILT: &str = "prebuilt";
/// The name of the binary in the build context.
const BINARY: &str = "component";

/// Build the image of a component's folder, with its descriptor as the label, and inspect it.
///
/// Where the Dockerfile copies a binary called `component`, that is built here with Cargo first, so that no registry is
/// needed; any other Dockerfile is built as it is, the context being the folder. Needs the docker command.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder of the component.
    dir: PathBuf,
    /// The image's name; sluice/NAME:VERSION of the descriptor when absent.
    #[arg(long, value_name = "IMAGE")]
    tag: Option<ImageRef>,
    /// How Cargo builds.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Where the container engine listens; the local one when absent.
    #[arg(long, env = "SLUICE__RUNTIME__DOCKER_HOST", value_name = "URL")]
    docker_host: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// Quickly.
    Dev,
    /// For use.
    #[default]
    Release,
}

/// The name of the image of a component.
pub(super) fn image_name(descriptor: &Descriptor) -> ImageRef {
    // A tag cannot hold the `+` of a version.
    let tag = descriptor.version.to_string().replace('+', "-");
    format!("sluice/{}:{tag}", descriptor.name).parse().expect("names and versions are parts of references")
}

impl Build {
    pub(crate) async fn run(self, out: Out) -> Done {
        let target = self.dir.display().to_string();
        let (descriptor, mut findings) = sluice_workbench::folder(&self.dir);
        let Some(descriptor) = descriptor.filter(|_| sluice_workbench::usable(&findings)) else {
            return Inspected::new(target, None, findings).show(&out);
        };
        self.docker(&["version"], &self.dir).await?;
        let image = self.tag.clone().unwrap_or_else(|| image_name(&descriptor));
        let dockerfile = files::text(&self.dir.join("Dockerfile"))?;
        let label: Value = files::value(&self.dir.join("component.json"))?;
        let label = format!("{IMAGE_LABEL}={label}");
        let mut arguments = vec!["build", "--label", &label, "--tag", image.as_str()];
        if copies_binary(&dockerfile) && self.dir.join("Cargo.toml").is_file() {
            let context = self.context().await?;
            if has_stage(&dockerfile) {
                arguments.extend(["--target", PREBUILT]);
            }
            arguments.push(".");
            self.docker(&arguments, context.path()).await?;
        } else {
            arguments.push(".");
            self.docker(&arguments, &self.dir).await?;
        }
        out.done(&format!("Built {image}."));
        let (descriptor, found) = inspect_image(&image, self.docker_host.clone(), true).await?;
        findings.extend(found);
        Inspected::new(image.to_string(), descriptor.as_ref(), findings).show(&out)
    }

    /// A folder with the Dockerfile and the binary, which Cargo builds.
    async fn context(&self) -> Result<tempfile::TempDir, Failure> {
        let binary = tool::cargo_build(&self.dir, self.profile == Profile::Release).await?;
        let failed = |error: std::io::Error| Failure::new(Code::Build, format!("the build context: {error}"));
        let context = tempfile::tempdir().map_err(failed)?;
        std::fs::copy(self.dir.join("Dockerfile"), context.path().join("Dockerfile")).map_err(failed)?;
        std::fs::copy(&binary, context.path().join(BINARY)).map_err(failed)?;
        Ok(context)
    }

    async fn docker(&self, arguments: &[&str], at: &Path) -> Result<String, Failure> {
        let mut command = Command::new("docker");
        // The builder that every engine has; the other one is a plug-in that may be missing.
        command.args(arguments).current_dir(at).env("DOCKER_BUILDKIT", "0");
        if let Some(host) = &self.docker_host {
            command.env("DOCKER_HOST", host);
        }
        tool::output(command, "docker", "install Docker's command: it builds images").await
    }
}

/// Whether a Dockerfile takes the binary from its context.
fn copies_binary(dockerfile: &str) -> bool {
    dockerfile.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("copy")) && words.next() == Some(BINARY)
    })
}

/// Whether a Dockerfile has a stage for that.
fn has_stage(dockerfile: &str) -> bool {
    dockerfile.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words.as_slice(), [from, .., name] if from.eq_ignore_ascii_case("from") && *name == PREBUILT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_says_whether_it_takes_a_binary() {
        let text = include_str!("../../../../../components/log/Dockerfile");
        assert!(copies_binary(text) && has_stage(text));
        let text = "FROM scratch\nCOPY --from=build /component /component\n";
        assert!(!copies_binary(text) && !has_stage(text));
    }
}
