//! What a component of another platform says of itself, for people who want to know it before they adopt it.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::ImageFacts;
use crate::discovery::ELASTICIO_LABEL;
use crate::fields::{form, is_dynamic, is_true};

/// What a `component.json` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Details {
    /// Its title.
    pub title: String,
    /// Its triggers and actions, in the order of the file.
    pub functions: Vec<FunctionDetails>,
    /// The fields of its credentials.
    pub credentials: Vec<FieldDetails>,
    /// Whether its credentials have an OAuth client.
    pub oauth: bool,
    /// The environment variables that it asks for.
    pub env_vars: Vec<String>,
    /// The memory that it asks for, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_ram_mb: Option<u64>,
}

/// A trigger or an action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionDetails {
    /// Its name there.
    pub name: String,
    /// `trigger` or `action`.
    pub kind: &'static str,
    /// Its title.
    pub title: String,
    /// Whether its author says not to use it any more.
    pub deprecated: bool,
    /// Its fields.
    pub fields: Vec<FieldDetails>,
    /// Where the schema of its input is.
    pub metadata_in: Metadata,
    /// Where the schema of its output is.
    pub metadata_out: Metadata,
    /// Whether it makes its schemas when it is asked.
    pub dynamic_metadata: bool,
}

/// Where a schema is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metadata {
    /// There is none.
    None,
    /// In the `component.json`.
    Inline,
    /// In a file that can be read.
    File(String),
    /// In a file that is missing, or no JSON.
    Missing(String),
}

/// A field that people fill in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDetails {
    /// Its name.
    pub name: String,
    /// How it is shown, such as `TextFieldView`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// Whether it has to be filled in.
    pub required: bool,
    /// What can be chosen: a list, or the method that is asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Reads what a component says of itself; nothing when there is no readable `component.json`.
#[must_use]
pub fn details(facts: &ImageFacts) -> Option<Details> {
    let text = facts.labels.get(ELASTICIO_LABEL).or_else(|| facts.files.get("component.json"))?;
    let component: Value = serde_json::from_str(text).ok()?;
    let credentials = &component["credentials"];
    let functions =
        [("triggers", "trigger"), ("actions", "action")].into_iter().flat_map(|(section, kind)| {
            let all = component[section].as_object().into_iter().flatten();
            let told =
                |(name, entry): (&String, _)| function((name, kind), entry, &form(&component, entry), facts);
            all.map(told).collect::<Vec<_>>()
        });
    let empty = Map::new();
    Some(Details {
        title: component["title"].as_str().unwrap_or_default().to_owned(),
        functions: functions.collect(),
        credentials: fields(credentials["fields"].as_object().unwrap_or(&empty)),
        oauth: !credentials["oauth2"].is_null() || !credentials["oauth"].is_null(),
        env_vars: component["envVars"].as_object().unwrap_or(&empty).keys().cloned().collect(),
        required_ram_mb: crate::discovery::memory(&component),
    })
}

fn function(
    (name, kind): (&str, &'static str),
    entry: &Value,
    form: &Map<String, Value>,
    facts: &ImageFacts,
) -> FunctionDetails {
    FunctionDetails {
        name: name.to_owned(),
        kind,
        title: entry["title"].as_str().unwrap_or_default().to_owned(),
        deprecated: is_true(&entry["deprecated"]),
        fields: fields(form),
        metadata_in: metadata(&entry["metadata"]["in"], facts),
        metadata_out: metadata(&entry["metadata"]["out"], facts),
        dynamic_metadata: is_dynamic(entry),
    }
}

fn metadata(place: &Value, facts: &ImageFacts) -> Metadata {
    match place {
        Value::Object(schema) if !schema.is_empty() => Metadata::Inline,
        Value::String(path) => {
            let file = facts.files.get(path.trim_start_matches("./"));
            let read = file.is_some_and(|text| serde_json::from_str::<Value>(text).is_ok());
            if read { Metadata::File(path.clone()) } else { Metadata::Missing(path.clone()) }
        }
        _ => Metadata::None,
    }
}

fn fields(form: &Map<String, Value>) -> Vec<FieldDetails> {
    form.iter()
        .map(|(name, field)| FieldDetails {
            name: name.clone(),
            view: field["viewClass"].as_str().map(str::to_owned),
            required: is_true(&field["required"]),
            model: match &field["model"] {
                Value::String(method) => Some(format!("{method}()")),
                Value::Object(choices) => Some(choices.keys().cloned().collect::<Vec<_>>().join(", ")),
                _ => None,
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_a_component_says_is_told() {
        let component = json!({
            "title": "Shop", "envVars": { "SHOP_KEY": {} }, "required_ram_mb": 512,
            "credentials": { "fields": { "url": { "viewClass": "TextFieldView", "required": true } }, "oauth2": {} },
            "triggers": { "poll": { "title": "Poll", "metadata": { "out": "./lib/out.json" }, "dynamicMetadata": true } },
            "actions": { "put": {
                "deprecated": true, "metadata": { "in": { "type": "object" }, "out": "./lib/none.json" },
                "fields": {
                    "list": { "viewClass": "SelectView", "model": "getLists", "required": "true" },
                    "how": { "model": { "a": "A", "b": "B" } },
                },
            } },
        });
        let files = [("component.json", component.to_string()), ("lib/out.json", "{}".to_owned())];
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
        let told = details(&ImageFacts { files, ..ImageFacts::default() }).unwrap();
        assert_eq!(
            (told.oauth, told.required_ram_mb, told.env_vars),
            (true, Some(512), vec!["SHOP_KEY".to_owned()])
        );
        assert!(told.credentials[0].required);
        let [poll, put] = told.functions.as_slice() else { panic!("{:?}", told.functions) };
        assert_eq!((poll.kind, poll.dynamic_metadata), ("trigger", true));
        assert_eq!(poll.metadata_out, Metadata::File("./lib/out.json".to_owned()));
        assert_eq!(put.metadata_in, Metadata::Inline);
        assert_eq!(put.metadata_out, Metadata::Missing("./lib/none.json".to_owned()));
        let models: Vec<_> = put.fields.iter().map(|field| field.model.as_deref()).collect();
        assert_eq!((put.deprecated, models), (true, vec![Some("getLists()"), Some("a, b")]));
        assert_eq!(details(&ImageFacts::default()), None);
    }
}
