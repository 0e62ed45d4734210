//! A file that is to be a declarative connector, or the OpenAPI document of one.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sluice_declarative::Manifest;
use sluice_openapi::{Options, RemarkKind};
use sluice_planner::{BUILTIN, Diagnostic, SourceFile};
use sluice_protocol::Descriptor;
use sluice_workbench::{Finding, FindingCode, Severity};

use crate::failure::Failure;
use crate::files;

/// Reads a file, and says everything that is wrong with it. An OpenAPI document is imported for that.
pub(super) fn inspect(path: &Path) -> Result<(Option<Descriptor>, Vec<Finding>), Failure> {
    let text = files::text_of(path, sluice_openapi::MAX_BYTES as u64)?;
    let name = path.display().to_string();
    if let Some(document) = openapi(&text, &name) {
        return Ok(imported(&document, &name));
    }
    let (manifest, findings) = connector(SourceFile { name, text });
    Ok((manifest.map(|manifest| manifest.descriptor()), findings))
}

/// Reads the connector of a file; none when it has faults.
pub(super) fn manifest(path: &PathBuf) -> Result<(Option<Manifest>, Vec<Finding>), Failure> {
    let mut sources = files::sources(std::slice::from_ref(path))?;
    Ok(sources.pop().map_or_else(|| (None, Vec::new()), connector))
}

fn connector(source: SourceFile) -> (Option<Manifest>, Vec<Finding>) {
    let place = source.name.clone();
    let (documents, report) = sluice_planner::read(&[source]);
    let report = report.sorted();
    let mut findings: Vec<Finding> = report.iter().map(of).collect();
    let manifest = documents.connectors.into_iter().next().map(|doc| doc.manifest);
    match &manifest {
        None if !report.has_errors() => {
            let message = "no document of the file is a connector";
            findings.push(Finding::new(FindingCode::NeitherFile, message).at(place));
        }
        Some(manifest) if manifest.name.as_str() == BUILTIN => {
            let message = format!("a connector cannot be named `{BUILTIN}`: that is what is built in");
            findings.push(Finding::new(FindingCode::ReservedName, message).at(place));
        }
        _ => {}
    }
    let sound = sluice_workbench::usable(&findings);
    (manifest.filter(|_| sound), findings)
}

fn of(found: &Diagnostic) -> Finding {
    Finding {
        code: found.code.to_string(),
        severity: match found.severity {
            sluice_planner::Severity::Error => Severity::Error,
            sluice_planner::Severity::Warning => Severity::Warning,
        },
        place: Some(format!("{}:{}:{}", found.file, found.line, found.column)),
        message: found.message.clone(),
        help: found.help.clone(),
    }
}

/// The document, if the file is one of OpenAPI.
fn openapi(text: &str, name: &str) -> Option<Value> {
    let begins = |line: &str| {
        ["openapi", "\"openapi\"", "swagger", "\"swagger\""].iter().any(|it| line.starts_with(it))
    };
    // A look at the beginnings of lines first: a large file is parsed once.
    let likely = text.lines().any(|line| begins(line.trim_start_matches(['{', ' ', '\t'])));
    let document = likely.then(|| files::large(text, name).ok()).flatten()?;
    let is = document.get("openapi").is_some() || document.get("swagger").is_some();
    is.then_some(document)
}

fn imported(document: &Value, name: &str) -> (Option<Descriptor>, Vec<Finding>) {
    let imported = match sluice_openapi::import(document, &Options::default()) {
        Ok(imported) => imported,
        Err(error) => {
            let finding = Finding::new(FindingCode::NeitherFile, error.to_string()).at(name);
            return (None, vec![finding.help("docs/errors/A0112.md says what can be imported")]);
        }
    };
    let text = sluice_openapi::to_yaml(&imported.manifest);
    let (manifest, mut findings) = connector(SourceFile { name: "<imported>".to_owned(), text });
    let left_out = |kind| matches!(kind, RemarkKind::OperationLeftOut | RemarkKind::PartLeftOut);
    for remark in imported.report.remarks.iter().filter(|remark| left_out(remark.kind)) {
        findings.push(Finding::new(FindingCode::LeftOut, &remark.message).at(remark.places.join(", ")));
    }
    (manifest.map(|manifest| manifest.descriptor()), findings)
}
