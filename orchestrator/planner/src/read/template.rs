//! Templates.

use std::collections::BTreeMap;

use serde_json::Value;
use sluice_domain::{Alias, Binding, Template};

use super::fields::Reader;
use super::step::{self, Above};
use crate::document::{Document, Kind, Node};
use crate::documents::{Gaps, TemplateDoc};
use crate::{Code, near};

const FIELDS: [&str; 9] =
    ["sluice", "kind", "name", "version", "title", "description", "parameters", "instances", "steps"];

/// Most steps of a template.
const STEPS: usize = 500;

/// Reads a template. Without a name and a version it cannot be told from others, and is not returned.
pub(crate) fn read(reader: &mut Reader<'_>, document: &Document) -> Option<TemplateDoc> {
    let fields = reader.fields(&document.root, "a template", &FIELDS)?;
    let name = reader.required_name(&fields, "name");
    let version = reader.required(&fields, "version").and_then(|node| self::version(reader, node));
    let title = fields.get("title").and_then(|node| reader.text(node, "`title`")).map(str::to_owned);
    let description = fields.get("description").and_then(|node| reader.text(node, "`description`"));
    let description = description.unwrap_or_default().to_owned();
    let parameters = fields.get("parameters").and_then(|node| self::parameters(reader, node));
    let mut gaps = Gaps::default();
    let instances = fields.get("instances").map(|node| bindings(reader, node, &mut gaps)).unwrap_or_default();
    let steps = match reader.required(&fields, "steps") {
        Some(node) => self::steps(reader, node, &mut gaps),
        None => Vec::new(),
    };
    let name: sluice_domain::TemplateName = name?;
    let title = title.unwrap_or_else(|| name.to_string());
    Some(TemplateDoc {
        template: Template { name, version: version?, title, description, parameters, instances, steps },
        source: document.source.clone(),
        places: document.root.places(),
        file: reader.file.to_owned(),
        gaps,
    })
}

fn version(reader: &mut Reader<'_>, node: &Node) -> Option<semver::Version> {
    let text = reader.text(node, "`version`")?;
    match text.parse() {
        Ok(version) => Some(version),
        Err(error) => {
            let message = format!("{} is no semantic version: {error}", near::quote(text));
            reader.fault_with_help(Code::Value, node.mark, message, "write three numbers, for example 1.0.0");
            None
        }
    }
}

fn parameters(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    reader.mapping(node, "`parameters`")?;
    Some(node.to_value())
}

fn bindings(reader: &mut Reader<'_>, node: &Node, gaps: &mut Gaps) -> BTreeMap<Alias, Binding> {
    let mut bindings = BTreeMap::new();
    let Some(members) = reader.mapping(node, "`instances`") else {
        gaps.any = true;
        return bindings;
    };
    for member in members {
        let alias = match member.key.parse::<Alias>() {
            Ok(alias) => Some(alias),
            Err(error) => {
                reader.fault(Code::Name, member.mark, error.to_string());
                None
            }
        };
        match (alias, binding(reader, &member.value)) {
            (Some(alias), Some(binding)) => {
                bindings.insert(alias, binding);
            }
            _ => gaps.any = true,
        }
    }
    bindings
}

fn binding(reader: &mut Reader<'_>, node: &Node) -> Option<Binding> {
    let fields = reader.fields(node, "an instance that a template asks for", &["connector", "version"])?;
    let connector = reader.required_parse(&fields, "connector", Code::Name);
    let version = match fields.get("version") {
        None => None,
        Some(node) => {
            let text = reader.text(node, "`version`")?;
            match text.parse() {
                Ok(version) => Some(version),
                Err(error) => {
                    let message = format!("{} is no version range: {error}", near::quote(text));
                    reader.fault_with_help(Code::Value, node.mark, message, "write a range, for example ^1");
                    return None;
                }
            }
        }
    };
    Some(Binding { connector: connector?, version })
}

fn steps(reader: &mut Reader<'_>, node: &Node, gaps: &mut Gaps) -> Vec<sluice_domain::Step> {
    let Kind::List(items) = &node.kind else {
        reader.wrong_type(node, "`steps`", "a list");
        gaps.any = true;
        return Vec::new();
    };
    if items.is_empty() || items.len() > STEPS {
        let message = format!("the template has {} steps, not 1 to {STEPS}", items.len());
        reader.fault(Code::StepCount, node.mark, message);
        gaps.any = true;
        return Vec::new();
    }
    let mut steps = Vec::with_capacity(items.len());
    let mut above = Above::Nothing;
    for (position, item) in items.iter().enumerate() {
        let (id, step) = step::read(reader, item, &above);
        if let Some(step) = step {
            steps.push(step);
            gaps.positions.push(position);
        } else {
            gaps.any = true;
            gaps.steps.extend(id.as_ref().map(ToString::to_string));
        }
        above = id.map_or(Above::Unknown, Above::Step);
    }
    steps
}
