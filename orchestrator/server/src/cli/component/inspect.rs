//! `sluice component inspect`.

use clap::Args;
use secrecy::SecretString;
use sluice_docker::{Docker, DockerConfig};
use sluice_domain::ImageRef;
use sluice_engine::chain;
use sluice_ports::PortError;
use sluice_protocol::Descriptor;
use sluice_workbench::{Finding, FindingCode, Probed, probe, usable};

use super::file;
use super::foreign;
use super::inspected::Inspected;
use super::recognised::Recognised;
use super::target::Target;
use crate::cli::Done;
use crate::failure::{Code, Failure};
use crate::lab::interrupted;
use crate::output::Out;

/// Say why something is, or is not, a usable component: everything that is wrong, each with a stable code.
///
/// An image is looked into and started once, as Sluice starts it, with a gateway that refuses it: it must ask for its
/// session and end. Of a folder the descriptor, the Dockerfile and the package are read, of a file (a declarative
/// connector or an OpenAPI document) everything that `validate` finds. An image or a folder of elastic.io or the Open
/// Integration Hub is recognised: what it says of itself is shown, and what our descriptor of it will be.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// An image, the folder of a component, or a file.
    #[arg(value_name = "IMAGE|DIR|FILE")]
    target: String,
    /// Do not start the image.
    #[arg(long)]
    no_start: bool,
    /// Where the container engine listens; the local one when absent.
    #[arg(long, env = "SLUICE__RUNTIME__DOCKER_HOST", value_name = "URL")]
    docker_host: Option<String>,
}

impl Inspect {
    pub(crate) async fn run(self, out: Out) -> Done {
        let target = Target::parse(&self.target)?;
        if let Target::Folder(path) = &target
            && let Some(facts) = foreign::folder(path)?
            && let Some(found) = Recognised::of(&self.target, &facts)?
        {
            return found.show(&out);
        }
        let (descriptor, findings) = match target {
            Target::Image(image) => {
                let host = self.docker_host.clone();
                let found = inspect_image(&image, self.docker_host, !self.no_start).await?;
                let is_ours = !found.1.iter().any(|one| one.code == FindingCode::NoLabel.as_str());
                // Without docker's command nothing more can be said than that it is none of ours.
                if !is_ours
                    && let Ok(facts) = foreign::image(&image, host.as_deref()).await
                    && let Some(found) = Recognised::of(&self.target, &facts)?
                {
                    return found.show(&out);
                }
                found
            }
            Target::Folder(path) => sluice_workbench::folder(&path),
            Target::File(path) => file::inspect(&path)?,
        };
        Inspected::new(self.target, descriptor.as_ref(), findings).show(&out)
    }
}

/// Looks into an image, and starts it if that is wanted and worth it. Takes away what was made for that.
pub(super) async fn inspect_image(
    image: &ImageRef,
    host: Option<String>,
    start: bool,
) -> Result<(Option<Descriptor>, Vec<Finding>), Failure> {
    let installation = format!("inspect-{:08x}", rand::random::<u32>());
    let config = DockerConfig { host, installation: installation.clone(), network: None, open: false };
    let docker = match Docker::connect(config) {
        Ok(docker) => docker,
        Err(error) => return Ok((None, vec![Finding::new(FindingCode::EngineAway, chain(&error))])),
    };
    let engine = match docker.platform().await {
        Ok(engine) => engine,
        Err(error) => return Ok((None, vec![Finding::new(FindingCode::EngineAway, chain(&error))])),
    };
    let inspected = tokio::select! {
        inspected = inspect(&docker, image, (&engine, &installation), start) => inspected,
        () = interrupted() => Ok((None, Vec::new(), true)),
    };
    let cleared = docker.dismantle().await;
    let failed = |error: PortError| Failure::new(Code::Lab, chain(&error));
    let (descriptor, findings, stopped) = inspected.map_err(failed)?;
    cleared.map_err(failed)?;
    if stopped {
        return Err(Failure::new(Code::Lab, "interrupted; everything that was made is removed"));
    }
    Ok((descriptor, findings))
}

/// The third member says whether it was interrupted.
async fn inspect(
    docker: &Docker,
    image: &ImageRef,
    (engine, installation): (&str, &str),
    start: bool,
) -> Result<(Option<Descriptor>, Vec<Finding>, bool), PortError> {
    let Some(facts) = docker.survey(image).await? else {
        let names = docker.image_names().await?;
        return Ok((None, vec![sluice_workbench::missing_image(image.as_str(), &names)], false));
    };
    let mut findings = sluice_workbench::image(&facts, engine);
    let mut descriptor = None;
    if let Some(text) = &facts.descriptor {
        let (read, faults) = sluice_workbench::descriptor(text);
        descriptor = read;
        findings.extend(faults);
    }
    if let (Some(descriptor), Some(digest)) = (&descriptor, &facts.digest)
        && start
        && usable(&findings)
    {
        let token = SecretString::from(format!("sluice_run_inspect-{:032x}", rand::random::<u128>()));
        findings.extend(probe(docker, Probed { image, digest, descriptor, installation, token }).await?);
    }
    Ok((descriptor, findings, false))
}
