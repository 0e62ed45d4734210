//! Whole documents, what comes of them, and what the planner says of that.

mod elasticio;
mod laws;
mod oih;

use chrono::DateTime;
use serde_json::Value;
use sluice_domain::{Connector, PinnedImage, Source};
use sluice_planner::{Catalogue, Diagnostic, Documents, SourceFile};
use sluice_protocol::Descriptor;

use crate::{Imported, Options, Platform, Severity, import};

/// Imports a document that must be understood.
#[track_caller]
fn imported(platform: Platform, document: &Value, options: &Options) -> Imported {
    let imported = import(platform, &document.to_string(), options).unwrap();
    faults(&imported, &[]);
    imported
}

/// The codes of the findings that are at least so bad, each once.
fn codes(imported: &Imported, worst: Severity) -> Vec<&'static str> {
    let mut codes: Vec<_> = imported
        .findings
        .iter()
        .filter(|found| found.severity <= worst)
        .map(|found| found.code.as_str())
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The document of a file.
#[track_caller]
fn file(imported: &Imported, path: &str) -> Value {
    let paths: Vec<&str> = imported.files.iter().map(|file| file.path.as_str()).collect();
    let found = imported.files.iter().find(|file| file.path == path);
    serde_saphyr::from_str(&found.unwrap_or_else(|| panic!("{path} is not in {paths:?}")).text).unwrap()
}

fn connector(text: &str) -> Connector {
    let descriptor = Descriptor::from_json(text).unwrap();
    let image = PinnedImage {
        image: format!("sluice/{}:1", descriptor.name).parse().unwrap(),
        digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
    };
    Connector { source: Source::Image(image), installed_at: DateTime::UNIX_EPOCH, descriptor }
}

/// The documents of the files, all of which the planner can read.
#[track_caller]
fn readable(imported: &Imported) -> Documents {
    let yaml = imported.files.iter().filter(|file| file.path.ends_with(".yaml"));
    let sources: Vec<SourceFile> =
        yaml.map(|file| SourceFile { name: file.path.clone(), text: file.text.clone() }).collect();
    let (documents, report) = sluice_planner::read(&sources);
    assert!(!report.has_errors(), "{report}");
    documents
}

/// The first line of a file, which says how it is used.
#[track_caller]
fn first_line<'i>(imported: &'i Imported, path: &str) -> &'i str {
    let found = imported.files.iter().find(|file| file.path == path).unwrap();
    found.text.lines().next().unwrap().strip_prefix("# ").unwrap()
}

/// The planner must find these faults in the files and no others.
#[track_caller]
fn faults(imported: &Imported, expect: &[&str]) {
    let found = found(imported);
    let told: Vec<String> = found.iter().map(|one| format!("{}: {}", one.code, one.message)).collect();
    assert_eq!(found.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), expect, "{told:?}");
}

/// The faults that the planner finds in the files, which must be readable. That connectors are not installed says nothing
/// about the import.
#[track_caller]
fn found(imported: &Imported) -> Vec<Diagnostic> {
    let documents = readable(imported);
    let mut connectors: Vec<Connector> = imported
        .files
        .iter()
        .filter(|file| file.path.ends_with("component.json"))
        .map(|file| connector(&file.text))
        .collect();
    connectors.push(connector(include_str!("../../../components/timer/component.json")));
    connectors.push(connector(include_str!("../../../components/rest/component.json")));
    connectors.extend(documents.connectors.iter().map(|doc| doc.connector(DateTime::UNIX_EPOCH)));
    let instances = documents.instances.iter().map(|doc| (doc.name.clone(), doc.facts()));
    let catalogue = Catalogue { connectors, instances: instances.collect(), ..Catalogue::default() };
    let mut found = Vec::new();
    for doc in &documents.instances {
        found.extend(sluice_planner::check_instance(doc, &catalogue).errors().cloned());
    }
    for doc in &documents.templates {
        found.extend(sluice_planner::check_template(doc, &catalogue).errors().cloned());
    }
    found.retain(|one| one.code != sluice_planner::Code::UnknownConnector);
    found
}
