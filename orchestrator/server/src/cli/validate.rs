//! `sluice validate`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use sluice_domain::{FlowId, FlowVersion};
use sluice_http::dto;
use sluice_planner::{Catalogue, Demand, Documents, FlowDoc, Report, SourceFile, TemplateDoc};

use crate::catalogue;
use crate::failure::{Code, Failure, Shown};
use crate::files;
use crate::output::Out;

/// Find everything that is wrong with files, without a server.
///
/// The components that come with Sluice are known; --components names a folder with the component.json of others, or a
/// folder of such folders.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Files, folders, or `-` for standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A folder of components.
    #[arg(long)]
    components: Option<PathBuf>,
}

impl Validate {
    pub(crate) fn run(self, out: Out) -> Result<(), Failure> {
        let files = files::sources(&self.files)?;
        let report = check(&files, self.components.as_deref())?;
        let valid = !report.has_errors();
        let diagnostics: Vec<dto::Diagnostic> = report.iter().map(Into::into).collect();
        if out.format == crate::output::Format::Table {
            return conclude(&out, &report, diagnostics);
        }
        let names = diagnostics.iter().map(|found| found.code.clone()).collect();
        out.show(&dto::Validated { valid, diagnostics }, || names, String::new)?;
        if valid { Ok(()) } else { Err(invalid(&report)) }
    }
}

fn conclude(out: &Out, report: &Report, diagnostics: Vec<dto::Diagnostic>) -> Result<(), Failure> {
    if report.has_errors() {
        return Err(invalid(report).with(diagnostics));
    }
    for found in &diagnostics {
        crate::output::note(&format!("{}\n", Shown(found)));
    }
    out.done(if diagnostics.is_empty() { "valid" } else { "valid, with warnings" });
    Ok(())
}

fn invalid(report: &Report) -> Failure {
    let message = match report.errors().count() {
        1 => "the files have an error".to_owned(),
        count => format!("the files have {count} errors"),
    };
    Failure::new(Code::InvalidFiles, message).help("each code has a page under docs/errors/")
}

/// Everything that is wrong with files, as far as one can tell without a server.
fn check(files: &[SourceFile], components: Option<&std::path::Path>) -> Result<Report, Failure> {
    let (documents, mut report) = sluice_planner::read(files);
    let catalogue = catalogue::offline(components, &documents)?;
    for doc in &documents.instances {
        report.merge(sluice_planner::check_instance(doc, &catalogue));
    }
    for doc in &documents.templates {
        report.merge(sluice_planner::check_template(doc, &catalogue));
    }
    for flow in &documents.flows {
        if let Some(template) = template_of(flow, &documents) {
            report.merge(compile(flow, template, &catalogue));
        }
    }
    Ok(report.sorted())
}

/// The newest version in the files that the flow may be made of. One that is not in the files may be on the server.
fn template_of<'a>(flow: &FlowDoc, documents: &'a Documents) -> Option<&'a TemplateDoc> {
    let fits = |doc: &&TemplateDoc| {
        doc.template.name == flow.template.name && flow.template.version.matches(&doc.template.version)
    };
    documents.templates.iter().filter(fits).max_by_key(|doc| &doc.template.version)
}

/// Faults of a flow, without those that only say that an instance is not in the files: it may be on the server.
fn compile(flow: &FlowDoc, template: &TemplateDoc, catalogue: &Catalogue) -> Report {
    let known: BTreeMap<_, _> =
        flow.instances.iter().filter(|(_, name)| catalogue.instances.contains_key(*name)).collect();
    if known.len() < flow.instances.len() {
        return Report::default();
    }
    let demand = Demand {
        doc: template,
        flow: FlowId::from_bits(0),
        name: flow.name.clone(),
        version: FlowVersion(1),
        params: Value::clone(&flow.params),
        instances: flow.instances.clone(),
    };
    sluice_planner::compile(&demand, catalogue).1
}
