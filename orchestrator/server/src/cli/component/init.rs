//! `sluice component init`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use sluice_engine::chain;
use sluice_planner::BUILTIN;
use sluice_protocol::ComponentName;
use sluice_workbench::{Project, Sdk};

use crate::cli::connector::import;
use crate::failure::{Code, Failure};
use crate::output::Out;

/// Make a project that builds, runs and passes its tests at once.
///
/// The SDK is not published, so a project in Rust takes it from a checkout of Sluice or from a git repository. Inside a
/// checkout that one is taken; elsewhere say where it is with --sdk.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The component's name: 1 to 64 characters of a-z 0-9 -, beginning with a letter.
    name: ComponentName,
    /// What to make: a component in Rust, or a declarative connector for a REST API.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Make the declarative connector from this OpenAPI document.
    #[arg(long, value_name = "FILE|URL")]
    openapi: Option<String>,
    /// The folder; that of the name when absent.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where the SDK is: a checkout of Sluice, or the URL of a git repository.
    #[arg(long, value_name = "PATH|GIT-URL")]
    sdk: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A component in Rust.
    Rust,
    /// A connector that is one file.
    Declarative,
}

/// What the command gives to programs.
#[derive(Serialize)]
struct Made {
    name: String,
    folder: String,
    files: Vec<String>,
}

impl Init {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        if self.name.as_str() == BUILTIN {
            let message = format!("a component cannot be named `{BUILTIN}`: that is what is built in");
            return Err(Failure::new(Code::Usage, message));
        }
        let folder = self.dir.clone().unwrap_or_else(|| PathBuf::from(self.name.as_str()));
        let project = self.project().await?;
        project.write(&folder).map_err(|error| Failure::new(Code::Project, chain(&error)))?;
        let files: Vec<String> = project.files.iter().map(|(path, _)| path.display().to_string()).collect();
        let made = Made { name: self.name.to_string(), folder: folder.display().to_string(), files };
        let names = || made.files.clone();
        let text = || {
            format!(
                "Made {} in {}: {}.\nREADME.md says what to do next.",
                made.name,
                made.folder,
                made.files.join(", ")
            )
        };
        out.show(&made, names, text)
    }

    async fn project(&self) -> Result<Project, Failure> {
        let usual = if self.openapi.is_some() { Kind::Declarative } else { Kind::Rust };
        match (self.kind.unwrap_or(usual), &self.openapi) {
            (Kind::Rust, Some(_)) => Err(Failure::new(
                Code::Usage,
                "--openapi makes a declarative connector; leave --kind rust out",
            )),
            (Kind::Rust, None) => Ok(Project::rust(&self.name, &self.sdk()?)),
            (Kind::Declarative, None) => Ok(Project::declarative(&self.name)),
            (Kind::Declarative, Some(document)) => {
                let connector = import::connector(document, &self.name).await?;
                Ok(Project::imported(&self.name, connector))
            }
        }
    }

    fn sdk(&self) -> Result<Sdk, Failure> {
        match &self.sdk {
            Some(text) => Sdk::parse(text).map_err(|error| Failure::new(Code::Project, error.to_string())),
            None => Sdk::around(Path::new(".")).ok_or_else(|| {
                Failure::new(Code::Project, "this is no checkout of Sluice, and the SDK is not published")
                    .help("say where it is: --sdk PATH for a checkout of Sluice, or --sdk GIT-URL")
            }),
        }
    }
}
