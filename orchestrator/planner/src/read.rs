//! Files in, documents and all their faults out.

mod connector;
mod fields;
mod flow;
mod header;
mod instance;
mod policy;
mod step;
mod template;

use std::collections::BTreeMap;

use crate::document::{self, SourceFile};
use crate::near::quote;
use crate::{Code, Diagnostic, Documents, Mark, Report};
use fields::Reader;
pub(crate) use fields::clean;
use header::DocumentKind;

/// Reads the documents of some files. Every fault of every document is in the report; a document with faults is
/// returned as far as it could be read, so that checks can find its other faults too.
#[must_use]
pub fn read(files: &[SourceFile]) -> (Documents, Report) {
    let mut documents = Documents::default();
    let mut report = Report::default();
    for file in files {
        for document in document::parse(file, &mut report) {
            let mut reader = Reader { file: &file.name, report: &mut report };
            match header::read(&mut reader, &document.root) {
                Some(DocumentKind::Template) => {
                    documents.templates.extend(template::read(&mut reader, &document));
                }
                Some(DocumentKind::Instance) => {
                    documents.instances.extend(instance::read(&mut reader, &document.root));
                }
                Some(DocumentKind::Flow) => documents.flows.extend(flow::read(&mut reader, &document.root)),
                Some(DocumentKind::Connector) => {
                    documents.connectors.extend(connector::read(&mut reader, &document.root));
                }
                None => {}
            }
        }
    }
    duplicates(&documents, &mut report);
    (documents, report)
}

/// Reports documents that claim a name that another one has.
fn duplicates(documents: &Documents, report: &mut Report) {
    let templates = documents.templates.iter().map(|doc| {
        let name = format!("{}@{}", doc.template.name, doc.template.version);
        (("template", name), doc.file.as_str(), doc.places.at("/name"))
    });
    let instances = documents
        .instances
        .iter()
        .map(|doc| (("instance", doc.name.to_string()), doc.file.as_str(), doc.places.at("/name")));
    let flows = documents
        .flows
        .iter()
        .map(|doc| (("flow", doc.name.to_string()), doc.file.as_str(), doc.places.at("/name")));
    let connectors = documents.connectors.iter().map(|doc| {
        let name = format!("{}@{}", doc.manifest.name, doc.manifest.version);
        (("connector", name), doc.file.as_str(), doc.places.at("/name"))
    });
    let mut first: BTreeMap<(&str, String), (&str, Mark)> = BTreeMap::new();
    for ((kind, name), file, mark) in templates.chain(instances).chain(flows).chain(connectors) {
        if let Some((other, at)) = first.get(&(kind, name.clone())) {
            let message =
                format!("the {kind} {} stands already at {other}:{}:{}", quote(&name), at.line, at.column);
            report.push(Diagnostic::new(Code::DuplicateDocument, file, mark, message));
        } else {
            first.insert((kind, name), (file, mark));
        }
    }
}

#[cfg(test)]
mod tests;
