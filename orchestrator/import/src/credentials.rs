//! Credentials of nodes as instances of ours, without what is in them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::component::{Components, Known};
use crate::finding::{FindingCode, Findings};
use crate::import::OutFile;
use crate::model::{Credentials, Node};
use crate::names;
use crate::object::shown;
use crate::text;

/// What stands where a person has to write something.
const PLACEHOLDER: &str = "CHANGE_ME";

/// The instances that flows need, for all flows of an import.
#[derive(Debug, Default)]
pub(crate) struct Instances {
    /// By connector and the id of the credentials: the instance's name.
    names: BTreeMap<(String, String), String>,
    taken: BTreeSet<String>,
}

/// The instances that one template asks for.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    by_need: BTreeMap<(String, String), String>,
    taken: BTreeSet<String>,
    /// The alias of each instance: its connector and the instance that stands for it.
    pub(crate) all: BTreeMap<String, (String, String)>,
}

impl Instances {
    /// An instance for a component alone, if its credentials have fields.
    pub(crate) fn of_component(&mut self, known: &Known) {
        if known.has_credentials() {
            self.name(&known.connector, "", &known.connector);
        }
    }

    fn name(&mut self, connector: &str, credentials: &str, label: &str) -> String {
        let key = (connector.to_owned(), credentials.to_owned());
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let name = names::free(label, &mut self.taken);
        self.names.insert(key, name.clone());
        name
    }

    /// A file for each.
    pub(crate) fn files(&self, components: &Components<'_>) -> Vec<OutFile> {
        let all = self.names.iter().map(|((connector, credentials), name)| {
            let known = components.all().find(|known| known.connector == *connector);
            file(name, connector, credentials, known)
        });
        all.collect()
    }
}

impl Aliases {
    /// Names that steps use without an instance, and that no alias may take.
    pub(crate) fn without(bare: impl Iterator<Item = String>) -> Self {
        Self { taken: bare.collect(), ..Self::default() }
    }

    /// The alias by which a step uses a connector with credentials.
    pub(crate) fn alias(
        &mut self,
        known: &Known,
        node: &Node,
        instances: &mut Instances,
        findings: &mut Findings,
    ) -> String {
        let credentials = node.credentials.clone().unwrap_or(Credentials { id: String::new(), name: None });
        let key = (known.connector.clone(), credentials.id.clone());
        if let Some(alias) = self.by_need.get(&key) {
            return alias.clone();
        }
        let label = label(&credentials).unwrap_or_else(|| known.connector.clone());
        let instance = instances.name(&known.connector, &credentials.id, &label);
        let alias = names::free(&label, &mut self.taken);
        let of = match credentials.name.as_deref().unwrap_or(&credentials.id) {
            "" => String::new(),
            named => format!(" stands for `{}` and", shown(named)),
        };
        let message = format!("the instance `{instance}` of `{}`{of} has to be filled in", known.connector);
        findings.add(FindingCode::Bind, &node.place, message);
        self.all.insert(alias.clone(), (known.connector.clone(), instance));
        self.by_need.insert(key, alias.clone());
        alias
    }
}

/// A name for credentials: their own, or an id that people chose.
fn label(credentials: &Credentials) -> Option<String> {
    let is_number =
        |id: &str| id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let id = Some(credentials.id.as_str()).filter(|id| !is_number(id) && !id.contains('{'));
    credentials.name.as_deref().or(id).and_then(names::name)
}

/// The file of an instance, with what a person has to fill in.
fn file(name: &str, connector: &str, credentials: &str, known: Option<&Known>) -> OutFile {
    let mut comment =
        String::from("Fill this in before you apply it. Secrets are read from the environment then.\n");
    if !credentials.is_empty() {
        comment.push_str(&format!("There these credentials have the id {}.\n", shown(credentials)));
    }
    let descriptor = known.and_then(|known| known.descriptor.as_ref());
    let mut instance = json!({ "sluice": 1, "kind": "instance", "name": name, "connector": connector });
    match descriptor {
        Some(descriptor) => fill(name, descriptor, &mut instance, &mut comment),
        None => comment.push_str(&format!(
            "Its fields are not known here: `sluice connector get {connector}` shows them, once the image is adopted.\n\
             settings: {{ allowed_hosts: [\"api.example.com:443\"] }}\n\
             secrets: {{ password: {{ env: {} }} }}\n",
            names::variable(&[name, "password"])
        )),
    }
    OutFile { path: format!("{name}.instance.yaml"), text: text::write(&comment, &instance) }
}

fn fill(name: &str, descriptor: &Value, instance: &mut Value, comment: &mut String) {
    let (settings, more) = chosen(&descriptor["settings"], |_, schema| placeholder(schema));
    let (secrets, other) =
        chosen(&descriptor["secrets"], |field, _| json!({ "env": names::variable(&[name, field]) }));
    if !settings.is_empty() {
        instance["settings"] = settings.into();
    }
    if !secrets.is_empty() {
        instance["secrets"] = secrets.into();
    }
    for (what, names) in [("settings", more), ("secrets", other)] {
        if !names.is_empty() {
            comment.push_str(&format!("It may have these {what} too: {}.\n", names.join(", ")));
        }
    }
}

/// The fields of a schema that are required, or all where none is; and the names of the others.
fn chosen(schema: &Value, value: impl Fn(&str, &Value) -> Value) -> (Map<String, Value>, Vec<String>) {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let required: BTreeSet<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let own = |name: &str| name != sluice_families::ALLOWED_HOSTS;
    let wanted = |name: &str| own(name) && (required.is_empty() || required.contains(name));
    let made = properties.iter().filter(|(name, _)| wanted(name));
    let made = made.map(|(name, schema)| (name.clone(), value(name, schema))).collect();
    let rest = properties.keys().filter(|name| !wanted(name)).map(|name| shown(name)).collect();
    (made, rest)
}

/// A value of a setting that fits its schema, and that nobody takes for a real one where that can be.
fn placeholder(schema: &Value) -> Value {
    if let Some(default) = schema.get("default") {
        return default.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if schema["type"] == "boolean" { Value::Bool(false) } else { Value::from(PLACEHOLDER) }
}
