//! `sluice component`: what authors of components use at their desk.

mod adopt;
mod build;
mod file;
mod foreign;
mod init;
mod inspect;
mod inspected;
mod recognised;
mod run;
mod target;
mod test;
mod tool;

use clap::Subcommand;

use super::Done;
use crate::output::Out;

#[derive(Debug, Subcommand)]
pub(crate) enum Component {
    /// Make a project that builds, runs and passes its tests at once.
    Init(init::Init),
    /// Say why something is, or is not, a usable component. Starts an image once, with a gateway that refuses it.
    Inspect(inspect::Inspect),
    /// Build the image of a component's folder, and inspect it.
    Build(build::Build),
    /// Make an image of another platform (elastic.io, Open Integration Hub) a component, without a change to what is in it.
    Adopt(Box<adopt::Adopt>),
    /// Run a component here, in the place of its containers, while flows of a running Sluice use it; or a connector file that
    /// changes.
    Run(run::Run),
    /// Run the acceptance suite that every component must pass, on an engine made for it.
    Test(Box<test::Test>),
}

impl Component {
    pub(crate) async fn run(self, out: Out) -> Done {
        match self {
            Self::Init(args) => args.run(out).await.map(|()| None),
            Self::Inspect(args) => args.run(out).await,
            Self::Build(args) => args.run(out).await,
            Self::Adopt(args) => args.run(out).await,
            Self::Run(args) => args.run(out).await,
            Self::Test(args) => args.run(out).await,
        }
    }
}
