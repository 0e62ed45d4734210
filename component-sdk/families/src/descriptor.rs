//! The descriptor of an adopted component, made of its `component.json`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sluice_protocol::FunctionName;

use crate::discovery::DiscoveryError;
use crate::{Family, Foreign, FunctionKind, fields, lookups, schemas};

/// The setting of an instance that names hosts which the component may reach.
pub const ALLOWED_HOSTS: &str = "allowed_hosts";

/// The field of a step's config that makes messages carry along what earlier steps emitted.
pub const CARRY: &str = "_passthrough";

/// What a `component.json` says, in our words.
pub(crate) struct Described {
    /// The descriptor.
    pub(crate) descriptor: Value,
    /// The functions by our names.
    pub(crate) functions: BTreeMap<FunctionName, Foreign>,
    /// Secrets whose text is JSON.
    pub(crate) parsed: Vec<String>,
}

/// Reads a `component.json` for a library, which may answer questions and know hooks; `files` are the schemas that it names
/// by their path.
pub(crate) fn describe(
    (name, version): (&str, &semver::Version),
    (component, family): (&Value, &dyn Family),
    files: &BTreeMap<String, String>,
    notes: &mut Vec<String>,
) -> Result<Described, DiscoveryError> {
    let mut functions = BTreeMap::new();
    let mut taken = BTreeSet::new();
    let mut described = |kind: FunctionKind, notes: &mut Vec<String>| {
        let section = if kind == FunctionKind::Polling { "triggers" } else { "actions" };
        let mut all = Map::new();
        for (foreign, entry) in component[section].as_object().into_iter().flatten() {
            if fields::is_true(&entry["deprecated"]) {
                notes.push(format!("{section}.{foreign} is deprecated"));
            }
            let ours = ours(foreign, kind, &mut taken);
            let form = fields::form(component, entry);
            all.insert(ours.to_string(), function(foreign, entry, (kind, &form), files, notes));
            functions.insert(ours, foreign_of(foreign, entry, (kind, &form)));
        }
        all
    };
    let mut triggers = described(FunctionKind::Polling, notes);
    let mut actions = described(FunctionKind::Action, notes);
    if triggers.is_empty() && actions.is_empty() {
        return Err(DiscoveryError::Empty);
    }
    let test = if family.questions() {
        lookups::add(&mut actions, &mut functions, lookups::verifies(files), |name, kind| {
            ours(name, kind, &mut taken)
        })
    } else {
        None
    };
    if family.hooks() {
        lookups::add_closing((&mut triggers, &mut actions), &mut functions, |name, kind| {
            ours(name, kind, &mut taken)
        });
    }
    let empty = Map::new();
    let credentials = component["credentials"]["fields"].as_object().unwrap_or(&empty);
    let (secret, plain): (Vec<_>, Vec<_>) =
        credentials.iter().partition(|(_, field)| fields::is_secret(field));
    let parsed = secret
        .iter()
        .filter(|(_, field)| fields::is_object(field))
        .map(|(name, _)| (*name).clone())
        .collect();
    if !component["credentials"]["oauth2"].is_null() || !component["credentials"]["oauth"].is_null() {
        notes.push(
            "its OAuth 2.0 client is not taken over: bind an instance of a connector of yours that has one"
                .to_owned(),
        );
    }
    let title = component["title"].as_str().filter(|title| !title.is_empty()).unwrap_or(name);
    let mut descriptor = json!({
        "name": name,
        "version": version.to_string(),
        "title": title,
        "description": component["description"].as_str().unwrap_or_default(),
        "triggers": triggers,
        "actions": actions,
    });
    if let Some(test) = test {
        descriptor["test"] = test.to_string().into();
    }
    // Where it may go is what people write in its instances: nothing in its files says so.
    let mut ways: Vec<String> = plain
        .iter()
        .filter(|(name, _)| {
            ["url", "uri", "host", "endpoint"].iter().any(|word| name.to_lowercase().contains(word))
        })
        .map(|(name, _)| format!("/{}", name.replace('~', "~0").replace('/', "~1")))
        .collect();
    ways.push(format!("/{ALLOWED_HOSTS}"));
    let mut settings =
        fields::schema(plain.into_iter(), false).unwrap_or_else(|| json!({ "type": "object" }));
    settings["properties"][ALLOWED_HOSTS] = json!({
        "type": "array",
        "items": { "type": "string" },
        "maxItems": 64,
        "title": "Hosts that the component may reach",
        "description": "As `api.example.com:443` or `*.example.com`.",
    });
    descriptor["settings"] = settings;
    descriptor["egress"] = json!({ "settings": ways });
    if let Some(schema) = fields::schema(secret.into_iter(), true) {
        descriptor["secrets"] = schema;
    }
    Ok(Described { descriptor, functions, parsed })
}

fn function(
    name: &str,
    entry: &Value,
    (kind, form): (FunctionKind, &Map<String, Value>),
    files: &BTreeMap<String, String>,
    notes: &mut Vec<String>,
) -> Value {
    let text = |field: &str| entry[field].as_str().filter(|text| !text.trim().is_empty());
    let mut function = json!({
        "title": text("title").unwrap_or(name),
        "description": text("description").or_else(|| entry["help"]["description"].as_str()).unwrap_or_default(),
    });
    if kind == FunctionKind::Polling {
        function["kind"] = "polling".into();
    } else {
        function["ports"] = json!(["out", "reply"]);
    }
    let mut config = fields::schema(form.iter(), false).unwrap_or_else(|| json!({ "type": "object" }));
    config["properties"][CARRY] = json!({
        "type": "boolean",
        "title": "Carry along what earlier steps emitted",
        "description": "As the platform of the component does when a flow asks for it. Mappings here need it not.",
    });
    function["config"] = config;
    if let Some(input) =
        metadata(name, &entry["metadata"]["in"], files, notes).filter(|_| kind == FunctionKind::Action)
    {
        function["input"] = input;
    }
    if let Some(output) = metadata(name, &entry["metadata"]["out"], files, notes) {
        function["output"] = output;
    }
    function
}

/// What is needed to drive a function.
fn foreign_of(name: &str, entry: &Value, (kind, form): (FunctionKind, &Map<String, Value>)) -> Foreign {
    let dynamic = fields::is_dynamic(entry);
    let options = form
        .iter()
        .filter_map(|(field, form)| form["model"].as_str().map(|method| (field.clone(), method.to_owned())));
    Foreign { name: name.to_owned(), kind, options: options.collect(), dynamic }
}

/// A schema that stands here, or in a file that is named here.
fn metadata(
    name: &str,
    place: &Value,
    files: &BTreeMap<String, String>,
    notes: &mut Vec<String>,
) -> Option<Value> {
    match place {
        Value::Object(schema) if !schema.is_empty() => Some(schemas::mended(place)),
        Value::String(path) => {
            let path = path.trim_start_matches("./");
            let schema: Option<Value> = files.get(path).and_then(|text| serde_json::from_str(text).ok());
            if schema.is_none() {
                notes.push(format!("the schema {path} of {name} cannot be read"));
            }
            schema.map(|schema| schemas::mended(&schema))
        }
        _ => None,
    }
}

/// Our name for a function of theirs, as far as no other function of its component has the same.
#[must_use]
pub fn function_name(name: &str, kind: FunctionKind) -> FunctionName {
    ours(name, kind, &mut BTreeSet::new())
}

/// Our name for a function of theirs: `getObjects` and `get-objects` become `get_objects`.
fn ours(name: &str, kind: FunctionKind, taken: &mut BTreeSet<String>) -> FunctionName {
    let mut ours = String::new();
    let mut before = '_';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            ours.push('_');
        }
        before = letter;
        let fits = letter.is_ascii_alphanumeric();
        if fits {
            ours.push(letter.to_ascii_lowercase());
        } else if !ours.is_empty() && !ours.ends_with('_') {
            ours.push('_');
        }
    }
    let mut ours: String = ours.trim_end_matches('_').chars().take(56).collect();
    if !ours.starts_with(|first: char| first.is_ascii_lowercase()) {
        ours.insert_str(0, if kind == FunctionKind::Polling { "trigger_" } else { "action_" });
    }
    if !taken.insert(ours.clone()) {
        let base = ours.clone();
        let mut number = 2;
        while !taken.insert(ours.clone()) {
            ours = format!("{base}_{number}");
            number += 1;
        }
    }
    ours.parse().expect("letters, digits and underscores that begin with a letter")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FamilyName;

    #[test]
    fn fields_beside_the_functions_belong_to_each_of_them() {
        let component = json!({
            "fields": { "code": { "required": true, "label": "Code" }, "mode": { "label": "Mode" } },
            "actions": { "run": { "fields": { "mode": { "required": true, "label": "How" } } } },
            "triggers": { "start": {} },
        });
        let version = semver::Version::new(1, 0, 0);
        let describe = |family: FamilyName, of: &str| {
            let library = family.family(Some(&of.parse().unwrap()));
            let (files, mut notes) = (BTreeMap::new(), Vec::new());
            describe(("code", &version), (&component, &*library), &files, &mut notes).unwrap()
        };
        let described = describe(FamilyName::Ferryman, "2.4.7");
        let config = |path: &str| described.descriptor.pointer(path).unwrap().clone();
        assert_eq!(config("/triggers/start/config/required"), json!(["code"]));
        assert_eq!(config("/actions/run/config/required"), json!(["code", "mode"]));
        assert_eq!(config("/actions/run/config/properties/mode/title"), "How");
        assert_eq!(config("/actions/run/config/properties/_passthrough/type"), "boolean");
        // Libraries that know hooks can shut a trigger down.
        let closes = |family, of| {
            let described = describe(family, of);
            let text = described.descriptor.to_string();
            let read = sluice_protocol::Descriptor::from_json(&text).unwrap();
            read.triggers.values().next().unwrap().closes_with.clone().map(|action| action.to_string())
        };
        assert_eq!(closes(FamilyName::Sailor, "2.7.8").as_deref(), Some("shutdown"));
        assert_eq!(closes(FamilyName::Sailor, "1.3.0"), None);
        assert_eq!(closes(FamilyName::Ferryman, "2.4.7"), None);
    }

    #[test]
    fn names_are_said_in_our_way() {
        let mut taken = BTreeSet::new();
        let mut check = |name: &str, expect: &str| {
            assert_eq!(ours(name, FunctionKind::Action, &mut taken).as_str(), expect, "{name}");
        };
        check("getObjects", "get_objects");
        check("get-objects", "get_objects_2");
        check("upsertHTTPCall", "upsert_httpcall");
        check("2fa", "action_2fa");
        check("__x__", "x");
        check("Ä", "action_");
    }

    proptest! {
        #[test]
        fn any_names_become_names_of_ours_and_stay_apart(names in prop::collection::btree_set(".{0,80}", 1..30)) {
            let mut taken = BTreeSet::new();
            let ours: BTreeSet<_> =
                names.iter().map(|name| ours(name, FunctionKind::Polling, &mut taken)).collect();
            prop_assert_eq!(ours.len(), names.len());
        }
    }
}
