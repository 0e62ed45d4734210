//! The probe: a component of ours on the libraries of other platforms, in an image as their builders make them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::{component_image, docker, program};

/// Builds an image of the probe on a library, for example `sailor-2.7.8`. Needs npm's registry the first time.
///
/// # Errors
/// When it cannot be built.
pub async fn build_probe(library: &str, image: &str) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no root")?;
    let script = root.join("components/bridge/probe/image");
    succeeded(Command::new(script).args([library, image])).await
}

/// Makes the image of the probe on a library a component called `name`, whose image is [`component_image`] of that name.
///
/// # Errors
/// When it cannot be built or adopted.
pub async fn adopt_probe(library: &str, name: &str) -> Result<()> {
    let image = format!("sluice-test-{name}:1");
    build_probe(library, &image).await?;
    let mut adopt = Command::new(program()?);
    adopt.args(["component", "adopt", &image, "--name", name, "--tag", &component_image(name)]);
    succeeded(adopt.args(["--bridge", &component_image("bridge")])).await?;
    docker(&["rmi", &image]).await.map(drop)
}

async fn succeeded(command: &mut Command) -> Result<()> {
    let output = command.output().await?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
    Ok(())
}
