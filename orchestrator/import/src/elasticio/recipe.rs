//! Recipes of elastic.io: flows for others, with what they have to give.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::finding::FindingCode;
use crate::import::Read;
use crate::object::{Object, shown};

/// Reads the flows of a recipe.
pub(super) fn recipe(value: &Value, place: &str, read: &mut Read) {
    let Some(mut recipe) = Object::of(value, place, "the recipe", &mut read.findings) else { return };
    let variables = variables(&mut recipe, read);
    let (title, description) = info(&mut recipe, read);
    let mut any = false;
    for key in ["flow_templates", "flow_config"] {
        let at = recipe.at(key);
        let flows = match recipe.take(key) {
            None => Vec::new(),
            Some(Value::Array(flows)) => {
                flows.into_iter().enumerate().map(|(number, flow)| (format!("{at}/{number}"), flow)).collect()
            }
            Some(one) => vec![(at, one)],
        };
        let several = flows.len() > 1;
        for (at, flow) in flows {
            let Some(object) = Object::of(&flow, &at, "the flow template", &mut read.findings) else {
                continue;
            };
            let mut flow = super::flow(object, variables.clone(), &mut read.findings);
            let own = flow.title.take();
            flow.title = match (several, own) {
                (true, Some(own)) => Some(own),
                (_, own) => title.clone().or(own),
            };
            flow.description = flow.description.or_else(|| description.clone());
            read.flows.push(flow);
            any = true;
        }
    }
    if !any {
        read.findings.add(FindingCode::NotKnown, place, "the recipe has no flow templates");
    }
    recipe.facts(&super::FACTS, &mut read.findings);
    recipe.finish(&mut read.findings);
}

/// Title and description.
fn info(recipe: &mut Object, read: &mut Read) -> (Option<String>, Option<String>) {
    let place = recipe.at("info");
    let Some(value) = recipe.take("info") else {
        return (recipe.text("title", &mut read.findings), recipe.text("description", &mut read.findings));
    };
    let Some(mut info) = Object::of(&value, &place, "the info", &mut read.findings) else {
        return (None, None);
    };
    let title = info.text("title", &mut read.findings);
    let long = info.text("description", &mut read.findings);
    let short = info.text("short_description", &mut read.findings);
    info.facts(&["author", "logo", "image"], &mut read.findings);
    info.finish(&mut read.findings);
    let description = match (short, long) {
        (Some(short), Some(long)) if short != long => Some(format!("{short}\n\n{long}")),
        (short, long) => long.or(short),
    };
    (title, description)
}

/// The variables that flows read. Declared credentials are those that nodes name.
fn variables(recipe: &mut Object, read: &mut Read) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let mut variables = BTreeMap::new();
    let place = recipe.at("declarations");
    let Some(value) = recipe.take("declarations") else { return variables };
    let findings = &mut read.findings;
    let Some(mut declared) = Object::of(&value, &place, "the declarations", findings) else {
        return variables;
    };
    for (number, variable) in declared.list("variables", findings).iter().enumerate() {
        let at = format!("{place}/variables/{number}");
        let Some(mut variable) = Object::of(variable, &at, "the variable", findings) else { continue };
        let title = variable.text("title", findings);
        let help = help(&mut variable, findings);
        if let Some(id) = variable.text("id", findings) {
            variables.insert(id, (title, help));
        }
        variable.finish(findings);
    }
    for (number, one) in declared.list("credentials", findings).iter().enumerate() {
        let at = format!("{place}/credentials/{number}");
        let Some(mut one) = Object::of(one, &at, "the credentials", findings) else { continue };
        let id = one.text("id", findings).unwrap_or_default();
        one.take("title");
        if let Some(help) = help(&mut one, findings) {
            let message = format!("`{}`: {}", shown(&id), shown(&help));
            findings.add(FindingCode::Facts, &at, message);
        }
        one.finish(findings);
    }
    declared.finish(findings);
    variables
}

fn help(object: &mut Object, findings: &mut crate::finding::Findings) -> Option<String> {
    let place = object.at("help");
    let value = object.take("help")?;
    if let Value::String(text) = value {
        return Some(text);
    }
    let mut help = Object::of(&value, &place, "the help", findings)?;
    let text = help.text("description", findings);
    help.take("link");
    help.finish(findings);
    text
}
