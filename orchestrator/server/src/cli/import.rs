//! `sluice import`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use sluice_import::{Image, Imported, MAX_BYTES, Options, OutFile, Platform, Severity};
use sluice_planner::SourceFile;

use super::Done;
use crate::failure::{Code, Exit, Failure};
use crate::files;
use crate::output::{self, Format, Out};

/// Make files of Sluice from flows, templates and component records of other platforms, without a server.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// From elastic.io: flows, recipes, tasks of the first API, component.json.
    Elasticio(Document),
    /// From the Open Integration Hub: flows, flow templates, component documents.
    Oih(Document),
}

/// Everything that has no equal is listed with a code, its place and what to do. The exit code is 1 when something that a flow
/// needs is left out; the files are written all the same. Secrets are never copied.
#[derive(Debug, Args)]
pub(crate) struct Document {
    /// The document (JSON or YAML), or `-` for standard input.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Write the files to this folder. On standard output when absent.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The record of a component that the flows use: its component.json, or the platform's document. May be given several
    /// times. With it, functions are checked, and instances have its fields.
    #[arg(long, value_name = "FILE")]
    component: Vec<PathBuf>,
    /// What a component is called here, by its id or name there. May be given several times.
    #[arg(long, value_name = "ID=NAME", value_parser = pair)]
    connector: Vec<(String, String)>,
}

/// What the command gives to programs.
#[derive(Serialize)]
struct Shown<'i> {
    #[serde(flatten)]
    imported: &'i Imported,
    /// Whether nothing that a flow needs is left out.
    complete: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (id, name) = text.split_once('=').ok_or("write ID=NAME")?;
    if id.is_empty() || name.is_empty() {
        return Err("write ID=NAME".to_owned());
    }
    Ok((id.to_owned(), name.to_owned()))
}

impl Import {
    pub(crate) fn run(self, out: &Out) -> Done {
        let (platform, document) = match self {
            Self::Elasticio(document) => (Platform::Elasticio, document),
            Self::Oih(document) => (Platform::Oih, document),
        };
        document.run(platform, out)
    }
}

impl Document {
    fn run(self, platform: Platform, out: &Out) -> Done {
        let text = files::text_of(&self.file, MAX_BYTES as u64)?;
        let mut components = Vec::new();
        for path in &self.component {
            components.push((name_of(path), files::text_of(path, MAX_BYTES as u64)?));
        }
        let connectors: BTreeMap<_, _> = self.connector.into_iter().collect();
        let imported = sluice_import::import(platform, &text, &Options { components, connectors })
            .map_err(|error| Failure::new(Code::ForeignFlow, format!("{}: {error}", self.file.display())))?;
        check(&imported.files)?;
        if let Some(folder) = &self.out {
            write(folder, &imported.files)?;
        }
        let complete = imported.findings.iter().all(|found| found.severity != Severity::Error);
        let shown = Shown { imported: &imported, complete };
        let names = || imported.files.iter().map(|file| file.path.clone()).collect();
        if out.format == Format::Table && self.out.is_none() {
            out.line(documents(&imported.files).trim_end());
            if !out.quiet {
                output::note(&told(&imported, None));
            }
        } else {
            out.show(&shown, names, || told(&imported, self.out.as_deref()))?;
        }
        Ok((!complete).then_some(Exit::Failed))
    }
}

/// What a component is called by the file of its record: the folder of a component.json, the name of any other file.
fn name_of(path: &Path) -> String {
    let named = match path.file_name().is_some_and(|name| name == "component.json") {
        true => path.parent().and_then(Path::file_name),
        false => path.file_stem(),
    };
    named.map_or_else(|| "component".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What is written must be what every other command reads.
fn check(files: &[OutFile]) -> Result<(), Failure> {
    let yaml = files.iter().filter(|file| file.path.ends_with(".yaml"));
    let sources: Vec<SourceFile> =
        yaml.map(|file| SourceFile { name: file.path.clone(), text: file.text.clone() }).collect();
    let (_, report) = sluice_planner::read(&sources);
    if !report.has_errors() {
        return Ok(());
    }
    let message = "the files would not be valid, so nothing is written";
    Err(Failure::new(Code::InvalidFiles, message).with(report.errors().map(Into::into).collect()))
}

/// Writes all files or none; nothing is written over.
fn write(folder: &Path, files: &[OutFile]) -> Result<(), Failure> {
    let failed = |path: &Path, error: &std::io::Error| {
        Failure::new(Code::OutFolder, format!("{} cannot be written: {error}", path.display()))
    };
    if let Some(there) = files.iter().map(|file| folder.join(&file.path)).find(|path| path.exists()) {
        let message = format!("{} is there already; nothing is written over", there.display());
        return Err(Failure::new(Code::OutFolder, message).help("choose another folder with --out"));
    }
    for file in files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        std::fs::write(&path, &file.text).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

/// All documents in one text.
fn documents(files: &[OutFile]) -> String {
    let yaml = files.iter().filter(|file| file.path.ends_with(".yaml"));
    yaml.map(|file| file.text.as_str()).collect::<Vec<_>>().join("---\n")
}

/// The report for people.
fn told(imported: &Imported, folder: Option<&Path>) -> String {
    let mut text = String::new();
    if let Some(folder) = folder {
        text += &format!("Written to {}:\n", folder.display());
        imported.files.iter().for_each(|file| text += &format!("  {}\n", file.path));
        let known = imported.files.iter().any(|file| file.path.starts_with("components/"));
        let shown = folder.display();
        let components = if known { format!(" --components {shown}/components") } else { String::new() };
        text += &format!("Check them: sluice validate {shown}{components}\n");
    }
    if !imported.images.is_empty() {
        text += "Connectors that are needed:\n";
        let known = |image: &&Image| image.image.is_some();
        for image in imported.images.iter().filter(known) {
            text += &format!("  {}\n", image.command);
        }
        for image in imported.images.iter().filter(|image| !known(image)) {
            text += &format!("  {}\n", image.command);
        }
    }
    for found in &imported.findings {
        let place = if found.place.is_empty() { "/" } else { found.place.as_str() };
        text += &format!("\n{}[{}]: {}\n  --> {place}\n", found.severity, found.code, found.message);
        if !found.help.is_empty() && found.severity != Severity::Note {
            text += &format!("  help: {}\n", found.help);
        }
    }
    text
}
