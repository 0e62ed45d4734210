//! The import: what is around documents, then each flow, then what all of them need.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::bounds::{MAX_EDGES, MAX_FLOWS, MAX_STEPS};
use crate::component::{Components, Record, is_ours};
use crate::credentials::Instances;
use crate::finding::{FindingCode, Findings};
use crate::model::Flow;
use crate::object::{Object, token};
use crate::{Finding, ImportError, Platform, build, elasticio, oih, text, webhook};

/// What the document does not say.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Records of components: a name each, and the text of a `component.json` or of the platform's record.
    pub components: Vec<(String, String)>,
    /// Names of connectors by what the document calls components: an id or a name.
    pub connectors: BTreeMap<String, String>,
}

/// A file of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutFile {
    /// Where it belongs, below the folder of the import.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

/// An image that flows need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// What the connector is called.
    pub connector: String,
    /// The image, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The command that makes the connector.
    pub command: String,
}

/// What came of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The files, those that are applied first, first.
    pub files: Vec<OutFile>,
    /// The images to adopt.
    pub images: Vec<Image>,
    /// What could not be taken over as it was, the worst first.
    pub findings: Vec<Finding>,
}

/// What is read of a document.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) flows: Vec<Flow>,
    pub(crate) records: Vec<Record>,
    pub(crate) findings: Findings,
    documents: usize,
}

/// What holds documents, and what may stand beside them.
const ENVELOPES: [&str; 8] =
    ["data", "results", "all", "flows", "items", "flowtemplates", "flowTemplates", "components"];
const BESIDE: [&str; 8] = ["meta", "links", "error", "errors", "included", "addState", "total", "jsonapi"];

/// Imports a document: flows, templates and components of a platform, as JSON or YAML.
///
/// # Errors
/// When nothing in it can be understood, or it exceeds a limit. Faults of parts of it are findings.
pub fn import(platform: Platform, text: &str, options: &Options) -> Result<Imported, ImportError> {
    let value = text::read(text)?;
    let mut read = Read::default();
    documents(platform, &value, "", &mut read)?;
    if let Some(platform) = other(platform, &value) {
        return Err(ImportError::Other { platform });
    }
    if read.flows.is_empty() && read.records.is_empty() {
        return Err(ImportError::Nothing(platform));
    }
    let own = read.records.len();
    for (name, text) in &options.components {
        let value = text::read(text).map_err(|error| ImportError::Record(name.clone(), error.to_string()))?;
        let mut beside = Read::default();
        documents(platform, &value, "", &mut beside)?;
        if beside.records.is_empty() {
            return Err(ImportError::Record(name.clone(), "it has no triggers or actions".to_owned()));
        }
        let single = beside.records.len() == 1;
        let named = |record: Record| if single { record.named(name) } else { record };
        read.records.extend(beside.records.into_iter().map(named));
    }
    Ok(finish(platform, read, own, options))
}

fn finish(platform: Platform, read: Read, own: usize, options: &Options) -> Imported {
    let Read { flows, records, mut findings, .. } = read;
    let only_records = flows.is_empty();
    let mut components = Components::new(platform, records, &options.connectors, &mut findings);
    let mut instances = Instances::default();
    let mut names = BTreeSet::new();
    let mut templates = Vec::new();
    let (mut has_webhook, mut has_timer) = (false, false);
    for flow in flows {
        if flow.nodes.len() > MAX_STEPS {
            let message = format!("the flow has {} nodes, more than {MAX_STEPS}", flow.nodes.len());
            findings.add(FindingCode::TooManySteps, &flow.place, message);
            continue;
        }
        if flow.edges.len() > MAX_EDGES {
            let message = format!("the flow has {} edges, more than {MAX_EDGES}", flow.edges.len());
            findings.add(FindingCode::TooManySteps, &flow.place, message);
            continue;
        }
        let mut import = build::Import {
            platform,
            components: &mut components,
            instances: &mut instances,
            names: &mut names,
            findings: &mut findings,
        };
        if let Some(built) = import.flow(flow) {
            has_webhook |= built.has_webhook;
            has_timer |= built.has_timer;
            templates.push(built.file);
        }
    }
    if only_records {
        for known in components.recorded().take(own) {
            instances.of_component(known);
        }
    }
    let mut files: Vec<OutFile> = components.all().filter_map(descriptor).collect();
    if has_webhook {
        files.push(webhook::file());
    }
    files.extend(instances.files(&components));
    files.extend(templates);
    let own = [("rest", has_webhook), ("timer", has_timer)];
    let own = own.into_iter().filter(|(_, is_used)| *is_used).map(|(name, _)| name);
    let images = images(&components, own, &mut findings);
    Imported { files, images, findings: findings.finish() }
}

/// What the connector's descriptor will be, so that flows can be validated before the image is adopted.
fn descriptor(known: &crate::component::Known) -> Option<OutFile> {
    let descriptor = known.descriptor.as_ref()?;
    let text = serde_json::to_string_pretty(descriptor).expect("plain JSON") + "\n";
    Some(OutFile { path: format!("components/{}/component.json", known.connector), text })
}

fn images<'c>(
    components: &'c Components<'_>,
    own: impl Iterator<Item = &'c str>,
    findings: &mut Findings,
) -> Vec<Image> {
    let mut images: BTreeMap<&str, Image> = own.map(|name| (name, installed(name))).collect();
    for known in components.all() {
        let connector = known.connector.clone();
        if images.contains_key(connector.as_str()) {
            continue;
        }
        if known.image.is_none() && is_ours(&connector) {
            images.insert(&known.connector, installed(&connector));
            continue;
        }
        if known.image.is_none() {
            findings.add(FindingCode::NoImage, "", format!("`{connector}` needs an image"));
        }
        let image = argument(known.image.as_deref().unwrap_or("IMAGE"));
        let command = format!("sluice component adopt {image} --name {connector}");
        images.insert(&known.connector, Image { connector, image: known.image.clone(), command });
    }
    images.into_values().collect()
}

/// A component that comes with Sluice.
fn installed(name: &str) -> Image {
    let image = format!("sluice/{name}:{}", env!("CARGO_PKG_VERSION"));
    let command = format!("sluice connector install {image}");
    Image { connector: name.to_owned(), image: Some(image), command }
}

/// A word of a command as a shell takes it.
pub(crate) fn argument(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@+".contains(letter);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Finds the documents in what is around them.
fn documents(platform: Platform, value: &Value, place: &str, read: &mut Read) -> Result<(), ImportError> {
    if let Value::Array(items) = value {
        for (number, item) in items.iter().enumerate() {
            documents(platform, item, &format!("{place}/{number}"), read)?;
        }
        return Ok(());
    }
    let holds =
        ["graph", "attributes", "nodes", "recipe", "triggers", "actions", "distribution", "flow_templates"];
    let is_document = holds.into_iter().any(|key| value.get(key).is_some());
    let envelope =
        ENVELOPES.into_iter().find(|key| value.get(key).is_some_and(|v| v.is_object() || v.is_array()));
    if let (false, Some(key)) = (is_document, envelope) {
        if let Some(mut around) = Object::of(value, place, "the document", &mut read.findings) {
            around.take(key);
            around.facts(&BESIDE, &mut read.findings);
            around.finish(&mut read.findings);
        }
        return documents(platform, &value[key], &format!("{place}/{}", token(key)), read);
    }
    read.documents += 1;
    if read.documents > MAX_FLOWS {
        return Err(ImportError::TooMany);
    }
    match platform {
        Platform::Elasticio => elasticio::document(value, place, read),
        Platform::Oih => oih::document(value, place, read),
    }
    if read.flows.len() > MAX_FLOWS { Err(ImportError::TooMany) } else { Ok(()) }
}

/// The other platform, if the nodes of the document are of it.
fn other(platform: Platform, value: &Value) -> Option<Platform> {
    let found = node_of(value)?;
    let is = |key: &str| found.get(key).is_some();
    match platform {
        Platform::Elasticio if is("componentId") && !is("command") => Some(Platform::Oih),
        Platform::Oih if is("command") && !is("componentId") => Some(Platform::Elasticio),
        Platform::Elasticio | Platform::Oih => None,
    }
}

/// Some node of the document.
fn node_of(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(items) => items.iter().find_map(node_of),
        Value::Object(members) => {
            let node = members.get("nodes").and_then(|nodes| nodes.get(0)).filter(|node| node.is_object());
            node.or_else(|| members.values().find_map(node_of))
        }
        _ => None,
    }
}
