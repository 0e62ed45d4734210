//! `sluice connector import`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;
use serde::Serialize;
use sluice_openapi::{ImportReport, Imported, MAX_BYTES, Options, Remark, RemarkKind};
use sluice_planner::SourceFile;
use sluice_protocol::ComponentName;
use url::Url;

use crate::failure::{Code, Failure};
use crate::files;
use crate::output::{self, Format, Out};

/// How long a server may take to give a document.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most redirects to a document.
const REDIRECTS: usize = 5;
/// Most places that a remark names in the report for people.
const PLACES: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The document (JSON or YAML): a file, a URL, or `-` for standard input.
    #[arg(value_name = "FILE|URL|-")]
    document: String,
    /// The connector's name. Made of the document's title when absent.
    #[arg(long)]
    name: Option<ComponentName>,
    /// The connector's version. That of the document when absent.
    #[arg(long)]
    version: Option<semver::Version>,
    /// Only operations with this tag, or whose path begins like this. May be given several times.
    #[arg(long, value_name = "TAG|/PATH")]
    only: Vec<String>,
    /// Write the connector to this file. On standard output when absent.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// What the command gives to programs.
#[derive(Serialize)]
struct Done<'r> {
    name: String,
    version: String,
    #[serde(flatten)]
    report: &'r ImportReport,
    /// The connector file, where it was not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'r str>,
}

impl Import {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let options = Options { name: self.name, version: self.version, only: self.only };
        let imported = import(&self.document, &options).await?;
        let file = sluice_openapi::to_yaml(&imported.manifest);
        check(&file, &self.to)?;
        if let Some(path) = &self.to {
            std::fs::write(path, &file).map_err(|error| {
                Failure::new(Code::Unreadable, format!("{} cannot be written: {error}", path.display()))
            })?;
        }
        let report = &imported.report;
        let lines = || describe(report, self.to.as_deref());
        if self.to.is_none() && out.format == Format::Table {
            out.line(file.trim_end());
            if !out.quiet {
                output::note(&lines());
            }
            return Ok(());
        }
        let (name, version) = (imported.manifest.name.to_string(), imported.manifest.version.to_string());
        let names = vec![format!("{name}@{version}")];
        let done = Done { name, version, report, file: self.to.is_none().then_some(file.as_str()) };
        out.show(&done, || names, lines)
    }
}

/// The file of a connector of this name, made from a document.
pub(in crate::cli) async fn connector(document: &str, name: &ComponentName) -> Result<String, Failure> {
    let options = Options { name: Some(name.clone()), version: None, only: Vec::new() };
    let imported = import(document, &options).await?;
    let file = sluice_openapi::to_yaml(&imported.manifest);
    check(&file, &None)?;
    output::note(&describe(&imported.report, None));
    Ok(file)
}

async fn import(document: &str, options: &Options) -> Result<Imported, Failure> {
    let text = match url(document)? {
        Some(url) => fetch(url).await?,
        None => files::text_of(Path::new(document), MAX_BYTES as u64)?,
    };
    sluice_openapi::import(&files::large(&text, document)?, options)
        .map_err(|error| Failure::new(Code::Import, error.to_string()))
}

/// The URL that a text is, if it is one.
fn url(text: &str) -> Result<Option<Url>, Failure> {
    if !(text.starts_with("https://") || text.starts_with("http://")) {
        return Ok(None);
    }
    let wrong = |error| Failure::new(Code::Usage, format!("`{text}` is no URL: {error}"));
    text.parse().map(Some).map_err(wrong)
}

async fn fetch(url: Url) -> Result<String, Failure> {
    let failed = |error: reqwest::Error| {
        let why = sluice_engine::chain(&error.without_url());
        Failure::new(Code::Unreadable, format!("the document cannot be fetched: {why}"))
    };
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::limited(REDIRECTS))
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(failed)?;
    let response =
        client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(failed)?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(Failure::new(
                Code::Unreadable,
                format!("the document is larger than {} MiB", MAX_BYTES >> 20),
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| Failure::new(Code::Unreadable, "the document is no text in UTF-8"))
}

/// What `sluice validate` would say of the file.
fn check(file: &str, to: &Option<PathBuf>) -> Result<(), Failure> {
    let name = to.as_ref().map_or_else(|| "<connector>".to_owned(), |path| path.display().to_string());
    let (_, report) = sluice_planner::read(&[SourceFile { name, text: file.to_owned() }]);
    if !report.has_errors() {
        return Ok(());
    }
    let message = format!("the connector would not be valid; its file has {} bytes", file.len());
    let help = "where it is too large, choose operations with --only TAG or --only /PATH";
    Err(Failure::new(Code::InvalidFiles, message).help(help).with(report.errors().map(Into::into).collect()))
}

/// The report for people.
fn describe(report: &ImportReport, to: Option<&Path>) -> String {
    let of = match report.operations == report.chosen {
        true => format!("{} operations", report.operations),
        false => format!("{} of {} operations", report.chosen, report.operations),
    };
    let mut text = format!(
        "OpenAPI {}: {of} became {} actions with {} datatypes.\n",
        report.openapi, report.actions, report.datatypes
    );
    for (kind, title) in [
        (RemarkKind::OperationLeftOut, "Operations that were left out"),
        (RemarkKind::PartLeftOut, "Parts that were left out"),
        (RemarkKind::Guessed, "Guesses to look at"),
        (RemarkKind::Chosen, "Choices"),
    ] {
        let mut remarks = report.remarks.iter().filter(|remark| remark.kind == kind).peekable();
        if remarks.peek().is_some() {
            text += &format!("{title}:\n");
        }
        remarks.for_each(|remark| text += &format!("  {}\n", sentence(remark)));
    }
    match to {
        Some(path) => {
            text + &format!(
                "Written to {}. `sluice apply -f {}` installs it.",
                path.display(),
                path.display()
            )
        }
        None => text.trim_end().to_owned(),
    }
}

fn sentence(remark: &Remark) -> String {
    let shown = remark.places.iter().take(PLACES).cloned().collect::<Vec<_>>().join(", ");
    match remark.places.len() {
        0 => remark.message.clone(),
        count if count <= PLACES => format!("{shown}: {}", remark.message),
        count => format!("{shown} and {} more: {}", count - PLACES, remark.message),
    }
}
