//! `sluice component test`.

use std::path::{Path, PathBuf};

use clap::Args;
use sluice_domain::ImageRef;
use sluice_engine::chain;
use sluice_workbench::{
    Acceptance, AcceptanceFault, Recording, Replay, Report, Secrets, Subject, Suite, TOKEN, Tape, Verdict,
    redirect, with_token,
};

use super::file;
use super::inspect::inspect_image;
use super::inspected::Inspected;
use super::target::Target;
use crate::cli::Done;
use crate::config::{self, DEFAULT_FILE};
use crate::failure::{Code, Exit, Failure};
use crate::files;
use crate::lab::{Lab, interrupted};
use crate::output::{Out, Table};

/// The acceptance file that is looked for beside what is tested.
const ACCEPTANCE: &str = "acceptance.yaml";

/// Run the acceptance suite that every component must pass, each check with its verdict and reason.
///
/// It runs on an engine of its own, made for it on the broker and the container engine of the server's configuration, by
/// the path of live steps. Everything is removed in the end. A folder stands for the image that `component build` makes
/// of it. Cases, settings and secrets come from the acceptance file; what has no case is skipped, never passed.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// An image, the folder of a component, or the file of a declarative connector.
    #[arg(value_name = "IMAGE|DIR|FILE")]
    target: String,
    /// The acceptance file (YAML or JSON); acceptance.yaml beside the folder's or connector's files when absent.
    #[arg(long, value_name = "FILE")]
    acceptance: Option<PathBuf>,
    /// Keep what the third party of a declarative connector says in this folder, secrets masked.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Replay what was kept in this folder, in place of the third party.
    #[arg(long, value_name = "DIR", conflicts_with = "record")]
    replay: Option<PathBuf>,
    /// The image of the component that executes declarative connectors.
    #[arg(long, value_name = "IMAGE", default_value = concat!("sluice/rest:", env!("CARGO_PKG_VERSION")))]
    runner: ImageRef,
    /// The server's configuration file (TOML).
    #[arg(short, long, env = "SLUICE_CONFIG")]
    config: Option<PathBuf>,
}

/// What is to be tested, and how.
struct Plan {
    subject: Subject,
    acceptance: Acceptance,
    secrets: (Secrets, Option<Secrets>),
}

impl Test {
    pub(crate) async fn run(self: Box<Self>, out: Out) -> Done {
        let config =
            self.config.clone().or_else(|| Some(DEFAULT_FILE.into()).filter(|path: &PathBuf| path.exists()));
        let config = config::read(config.as_deref(), std::env::vars());
        let config = config.map_err(|faults| Failure::new(Code::Config, faults.to_string()))?;
        let plan = match self.plan(config.docker_host.clone()).await? {
            Ok(plan) => plan,
            Err(inspected) => return inspected.show(&out),
        };
        let lab = Lab::new(config).map_err(failed)?;
        out.done(&format!("Making {} on the broker and the container engine, for a while.", lab.name()));
        let report = tokio::select! {
            report = Box::pin(self.carry_out(&lab, plan)) => report,
            () = interrupted() => Err(Failure::new(Code::Lab, "interrupted; everything that was made is removed")),
        };
        lab.close().await;
        let report = report?;
        let names = || report.checks.iter().map(|check| check.check.to_string()).collect();
        out.show(&report, names, || text(&report))?;
        Ok((!report.passed()).then_some(Exit::Failed))
    }

    /// What is to be tested; or why it is no usable component.
    async fn plan(&self, docker_host: Option<String>) -> Result<Result<Plan, Inspected>, Failure> {
        let (subject, beside) = match Target::parse(&self.target)? {
            Target::Image(image) => (self.image(image, docker_host).await?, None),
            Target::Folder(path) => {
                let (descriptor, findings) = sluice_workbench::folder(&path);
                let Some(descriptor) = descriptor.filter(|_| sluice_workbench::usable(&findings)) else {
                    return Ok(Err(Inspected::new(self.target.clone(), None, findings)));
                };
                let image = super::build::image_name(&descriptor);
                (self.image(image, docker_host).await?, Some(path))
            }
            Target::File(path) => (self.file(&path)?, path.parent().map(Path::to_owned)),
        };
        let subject = match subject {
            Ok(subject) => subject,
            Err(inspected) => return Ok(Err(inspected)),
        };
        let images = matches!(subject, Subject::Image { .. });
        if images && (self.record.is_some() || self.replay.is_some()) {
            let message =
                "only the requests of declarative connectors are known, so only theirs can be replayed";
            return Err(Failure::new(Code::Usage, message));
        }
        let there = beside.map(|folder| folder.join(ACCEPTANCE)).filter(|path| path.is_file());
        self.with_acceptance(subject, self.acceptance.clone().or(there)).map(Ok)
    }

    async fn image(
        &self,
        image: ImageRef,
        host: Option<String>,
    ) -> Result<Result<Subject, Inspected>, Failure> {
        let (descriptor, findings) = inspect_image(&image, host, false).await?;
        match descriptor {
            Some(descriptor) if sluice_workbench::usable(&findings) => {
                Ok(Ok(Subject::Image { image, descriptor: Box::new(descriptor) }))
            }
            descriptor => Ok(Err(Inspected::new(image.to_string(), descriptor.as_ref(), findings))),
        }
    }

    fn file(&self, path: &PathBuf) -> Result<Result<Subject, Inspected>, Failure> {
        let (manifest, findings) = file::manifest(path)?;
        Ok(match manifest {
            Some(manifest) => {
                Ok(Subject::Declaration { manifest: Box::new(manifest), runner: self.runner.clone() })
            }
            None => Err(Inspected::new(self.target.clone(), None, findings)),
        })
    }

    fn with_acceptance(&self, mut subject: Subject, path: Option<PathBuf>) -> Result<Plan, Failure> {
        let descriptor = subject.descriptor();
        let Some(path) = path else {
            return Ok(Plan { subject, acceptance: Acceptance::default(), secrets: (Secrets::new(), None) });
        };
        let wrong = |faults: Vec<AcceptanceFault>| {
            let lines: Vec<String> = faults.iter().map(|fault| format!("\n  {fault}")).collect();
            Failure::new(Code::Acceptance, format!("{} is wrong:{}", path.display(), lines.concat()))
        };
        let acceptance = Acceptance::from_value(&files::value(&path)?, &descriptor).map_err(wrong)?;
        let beside = path.parent().unwrap_or_else(|| Path::new("."));
        let environment = |name: &str| std::env::var(name).ok();
        // A replay needs no real secrets.
        let made_up = self.replay.is_some().then(|| format!("replayed-{:08x}", rand::random::<u32>()));
        let secrets = acceptance.secrets(beside, environment, made_up.as_deref()).map_err(wrong)?;
        let bad = acceptance.bad_secrets(beside, environment, made_up.as_deref()).map_err(wrong)?;
        if let Subject::Declaration { manifest, .. } = &mut subject
            && secrets.contains_key(TOKEN)
        {
            **manifest = with_token(manifest);
        }
        Ok(Plan { subject, acceptance, secrets: (secrets, bad) })
    }

    async fn carry_out(&self, lab: &Lab, plan: Plan) -> Result<Report, Failure> {
        let Plan { mut subject, acceptance, secrets } = plan;
        let tape = match (&self.record, &self.replay) {
            (Some(folder), _) => Tape::Record(Recording::create(folder).map_err(recording)?),
            (None, Some(folder)) => {
                let kept = Recording::open(folder).map_err(recording)?;
                let replay = Replay::start(kept, lab.host().await.map_err(failed)?).await;
                let replay = replay.map_err(|error| Failure::new(Code::Lab, chain(&error)))?;
                if let Subject::Declaration { manifest, .. } = &mut subject {
                    let moved = redirect(manifest, &acceptance.settings, replay.origin());
                    **manifest = moved.map_err(|why| Failure::new(Code::Acceptance, why))?;
                }
                Tape::Replay(replay)
            }
            (None, None) => Tape::Off,
        };
        let bench = lab.open().await.map_err(failed)?;
        let nonce = format!("{:016x}", rand::random::<u64>());
        Ok(Box::pin(Suite::new((&bench, &subject), &acceptance, secrets, tape, &nonce).run()).await)
    }
}

fn recording(error: sluice_workbench::RecordingError) -> Failure {
    Failure::new(Code::Acceptance, chain(&error))
}

fn failed(error: anyhow::Error) -> Failure {
    Failure::new(Code::Lab, format!("{error:#}")).help("`sluice doctor` shows what is away")
}

/// The report for people.
fn text(report: &Report) -> String {
    let mut table = Table::new(&["verdict", "check", "about", "reason"]);
    for check in &report.checks {
        let verdict = match check.verdict {
            Verdict::Passed => "ok",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "skipped",
        };
        let about = match (&check.function, &check.case) {
            (Some(function), Some(case)) => format!("{function}: {case}"),
            (Some(function), None) => function.to_string(),
            (None, _) => String::new(),
        };
        table.row([verdict.to_owned(), check.check.to_string(), about, check.reason.clone()]);
    }
    let count = |verdict| report.count(verdict);
    format!(
        "{} {}\n\n{}\n{} passed, {} failed, {} skipped",
        report.component,
        report.version,
        table.text(""),
        count(Verdict::Passed),
        count(Verdict::Failed),
        count(Verdict::Skipped),
    )
}
