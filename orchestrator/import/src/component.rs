//! Components that nodes name: what they are called here, and what their records say of them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Value, json};
use sluice_families::{FunctionKind, ImageFacts, component_name, discover, function_name};
use sluice_protocol::Descriptor;

use crate::Platform;
use crate::finding::{FindingCode, Findings};
use crate::model::{Component, Node};
use crate::object::{Object, shown};

/// Components that come with Sluice.
const OURS: [&str; 5] = ["timer", "http", "log", "rabbitmq", "rest"];
/// Other names that no component of another platform takes by chance.
const RESERVED: [&str; 2] = ["sluice", crate::webhook::CONNECTOR];

/// A record of a component in a document, or beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) place: String,
    /// What nodes call it.
    names: BTreeSet<String>,
    name: Option<String>,
    image: Option<String>,
    /// Its `component.json`.
    file: Value,
}

/// A component as flows use it here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// What the connector is called.
    pub(crate) connector: String,
    pub(crate) image: Option<String>,
    /// Its functions by their names there.
    functions: BTreeMap<String, (String, FunctionKind)>,
    /// What the connector's descriptor will be, where its record is there.
    pub(crate) descriptor: Option<Value>,
    needs_instance: bool,
}

/// All components of an import.
#[derive(Debug)]
pub(crate) struct Components<'o> {
    platform: Platform,
    connectors: &'o BTreeMap<String, String>,
    known: Vec<(BTreeSet<String>, Rc<Known>)>,
    /// Those that were asked for without a record.
    guessed: BTreeMap<Component, Rc<Known>>,
    taken: BTreeSet<String>,
}

impl Record {
    /// A `component.json`.
    pub(crate) fn of_file(value: &Value, place: &str) -> Self {
        let named = ["name", "repo_name", "title"].into_iter();
        let name = named.filter_map(|key| value[key].as_str()).find(|name| !name.trim().is_empty());
        Self {
            place: place.to_owned(),
            names: name.map(str::to_owned).into_iter().collect(),
            name: name.map(str::to_owned),
            image: None,
            file: value.clone(),
        }
    }

    /// A component of the Open Integration Hub.
    pub(crate) fn of_oih(value: &Value, place: &str, findings: &mut Findings) -> Option<Self> {
        let mut object = Object::of(value, place, "the component", findings)?;
        let ids = ["id", "_id"].into_iter().filter_map(|key| object.text(key, findings));
        let mut names: BTreeSet<String> = ids.collect();
        let name = object.text("name", findings);
        names.extend(name.clone());
        let mut image = None;
        if let Some(value) = object.take("distribution")
            && let Some(mut told) =
                Object::of(&value, &object.at("distribution"), "the distribution", findings)
        {
            image = told.text("image", findings);
            told.take("type");
            if told.take("registrySecretId").is_some() {
                let message = "its registry asks for a login: give it to the container engine";
                findings.add(FindingCode::Component, &told.place, message);
            }
            told.finish(findings);
        }
        let mut file = object.take("descriptor").unwrap_or_else(|| json!({}));
        for key in ["title", "description", "actions", "triggers", "credentials"] {
            let told = object.take(key);
            if let (Value::Object(file), Some(told)) = (&mut file, told)
                && file.get(key).is_none_or(crate::object::is_empty)
            {
                file.insert(key.to_owned(), told);
            }
        }
        if object.take("resources").is_some() {
            let message = "its resources: give its steps `limits` where they need more than 256 MiB";
            findings.add(FindingCode::Component, &object.at("resources"), message);
        }
        if let Some(Value::Object(flags)) = object.take("specialFlags")
            && flags.get("privilegedComponent") == Some(&Value::Bool(true))
        {
            let message = "the component may choose the next steps";
            findings.add(FindingCode::LogicGateway, &object.at("specialFlags"), message);
        }
        let facts = [
            "access",
            "isGlobal",
            "active",
            "owners",
            "tenant",
            "createdAt",
            "updatedAt",
            "logo",
            "applicationUid",
            "rating",
            "artifactId",
            "version",
            "repository",
            "maintainer",
            "type",
        ];
        object.facts(&facts, findings);
        object.finish(findings);
        Some(Self { place: place.to_owned(), names, name, image, file })
    }

    /// The same under a name that is known from elsewhere, such as the folder it lies in.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.names.insert(name.to_owned());
        self.name.get_or_insert_with(|| name.to_owned());
        self
    }
}

/// Whether a connector is one of those that come with Sluice.
pub(crate) fn is_ours(connector: &str) -> bool {
    OURS.contains(&connector)
}

impl<'o> Components<'o> {
    pub(crate) fn new(
        platform: Platform,
        records: Vec<Record>,
        connectors: &'o BTreeMap<String, String>,
        findings: &mut Findings,
    ) -> Self {
        let mut all = Self {
            platform,
            connectors,
            known: Vec::new(),
            guessed: BTreeMap::new(),
            taken: BTreeSet::new(),
        };
        for record in records {
            let renamed = record.names.iter().find_map(|name| connectors.get(name));
            let name = renamed.or(record.name.as_ref()).map_or("component", String::as_str);
            let base = all.base(name, renamed.is_some());
            let connector = crate::names::free(&base, &mut all.taken);
            let known = all.understood(&record, connector, findings);
            all.known.push((record.names, Rc::new(known)));
        }
        all
    }

    /// A name for a connector. Only who chooses it himself may take one of ours.
    fn base(&self, name: &str, is_chosen: bool) -> String {
        let name = component_name(name);
        match (is_ours(&name) || RESERVED.contains(&name.as_str())) && !is_chosen {
            true => format!("{}-{name}", self.platform.word()),
            false => name,
        }
    }

    fn understood(&self, record: &Record, connector: String, findings: &mut Findings) -> Known {
        let mut known = Known { connector, image: record.image.clone(), ..Known::default() };
        if ["triggers", "actions"].into_iter().all(|key| crate::object::is_empty(&record.file[key])) {
            return known;
        }
        let package = json!({ "dependencies": { self.platform.family().package(): "" } });
        let files = [("component.json", record.file.to_string()), ("package.json", package.to_string())];
        let facts = ImageFacts {
            files: files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect(),
            ..ImageFacts::default()
        };
        let refused = |why: String, findings: &mut Findings| {
            let message = format!("`{}` cannot be adopted: {}", known.connector, shown(&why));
            findings.add(FindingCode::NotAdoptable, &record.place, message);
        };
        let found = match discover(&facts, Some(&known.connector)) {
            Ok(found) => found,
            Err(error) => {
                refused(error.to_string(), findings);
                return known;
            }
        };
        for note in found.notes {
            // Files that the record names are not here; the image has them.
            if !note.starts_with("the schema ") {
                findings.add(FindingCode::Component, &record.place, format!("`{}`: {note}", known.connector));
            }
        }
        match Descriptor::from_json(&found.descriptor.to_string()) {
            Ok(descriptor) => known.needs_instance = descriptor.needs_instance(),
            Err(error) => {
                refused(error.to_string(), findings);
                return known;
            }
        }
        let functions = found.adoption.functions.into_iter();
        known.functions =
            functions.map(|(ours, foreign)| (foreign.name, (ours.to_string(), foreign.kind))).collect();
        known.descriptor = Some(found.descriptor);
        known
    }

    /// The component that a node names.
    pub(crate) fn of(&mut self, component: &Component, place: &str, findings: &mut Findings) -> Rc<Known> {
        let called = [component.id.as_deref(), component.name.as_deref()];
        let called = || called.into_iter().flatten();
        if let Some(at) = self.known.iter().position(|(names, _)| called().any(|name| names.contains(name))) {
            return Rc::clone(&self.known[at].1);
        }
        if !self.guessed.contains_key(component) {
            let renamed = called().find_map(|name| self.connectors.get(name));
            let name = renamed.or(component.name.as_ref());
            let base = match (name, &component.id) {
                (Some(name), _) => self.base(name, renamed.is_some()),
                (None, id) => {
                    let id = id.as_deref().unwrap_or_default();
                    let message = format!("the component `{}` has no name here", shown(id));
                    findings.add(FindingCode::ById, place, message);
                    let end: String = id.chars().rev().take(8).collect();
                    component_name(&format!("component-{}", end.chars().rev().collect::<String>()))
                }
            };
            // One component may be called by its name alone, and by its id and name.
            let connector = match self.guessed.values().any(|known| known.connector == base) {
                true => base,
                false => crate::names::free(&base, &mut self.taken),
            };
            self.guessed.insert(component.clone(), Rc::new(Known { connector, ..Known::default() }));
        }
        Rc::clone(&self.guessed[component])
    }

    /// All components, by the names of their connectors.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Known> {
        self.recorded().chain(self.guessed.values().map(Rc::as_ref))
    }

    /// The components whose records the document has.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().map(|(_, known)| known.as_ref())
    }
}

impl Known {
    /// What a function is called here, and what it is, where that is known.
    pub(crate) fn function(
        &self,
        node: &Node,
        is_entry: bool,
        findings: &mut Findings,
    ) -> (String, Option<FunctionKind>) {
        if let Some((ours, kind)) = self.functions.get(&node.function) {
            return (ours.clone(), Some(*kind));
        }
        if !self.functions.is_empty() {
            let message = format!("`{}` has no function `{}`", self.connector, shown(&node.function));
            findings.add(FindingCode::NoFunction, &node.place, message);
        }
        let kind = if is_entry { FunctionKind::Polling } else { FunctionKind::Action };
        (function_name(&node.function, kind).to_string(), None)
    }

    /// Whether no step can use it without an instance.
    pub(crate) fn needs_instance(&self) -> bool {
        self.needs_instance
    }

    /// Whether its credentials have fields.
    pub(crate) fn has_credentials(&self) -> bool {
        let Some(descriptor) = &self.descriptor else { return false };
        let fields = descriptor["settings"]["properties"].as_object().map_or(0, serde_json::Map::len);
        fields > 1 || descriptor.get("secrets").is_some()
    }
}
