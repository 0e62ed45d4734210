//! Recognising images of other platforms, and reading what they say of themselves.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::descriptor::describe;
use crate::{Adoption, FamilyName};

/// The label of an image that elastic.io's builder makes: its `component.json` and what was found out about it.
pub(crate) const ELASTICIO_LABEL: &str = "elastic.io.component";
/// Most bytes of a `component.json`: 1 MiB.
const COMPONENT_BYTES: usize = 1024 * 1024;

/// What is known of an image.
#[derive(Debug, Clone, Default)]
pub struct ImageFacts {
    /// Its name, without tag: what the component is called when nothing else says so.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its entry point and its command.
    pub entrypoint: Vec<String>,
    /// The same.
    pub command: Vec<String>,
    /// The folder in which it starts.
    pub directory: String,
    /// Texts of files in that folder by their path: `component.json`, `package.json`, the `package.json` of the libraries,
    /// the schemas that `component.json` names and, where there is one, one of [`VERIFY`](crate::VERIFY).
    pub files: BTreeMap<String, String>,
}

/// What was understood of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovered {
    /// How its process is driven.
    pub adoption: Adoption,
    /// The descriptor, as JSON.
    pub descriptor: Value,
    /// What its author asks for in memory, in MiB.
    pub memory: Option<u64>,
    /// What is not taken over, or taken over in another way: a sentence each.
    pub notes: Vec<String>,
}

/// Why an image is not a component of a known family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// Neither a label nor a file names a component.
    #[error(
        "it has neither a label `{ELASTICIO_LABEL}` nor a component.json in the folder in which it starts"
    )]
    NoComponent,
    /// The component's file cannot be read.
    #[error("its component.json cannot be read: {0}")]
    Unreadable(String),
    /// The library of no known family is installed.
    #[error("neither elasticio-sailor-nodejs nor @openintegrationhub/ferryman is installed in it")]
    NoFamily,
    /// It runs on another machine than Node.js.
    #[error("it is written in {0}; only components on Node.js can be run")]
    Language(String),
    /// There is nothing that a flow could use.
    #[error("its component.json has neither triggers nor actions")]
    Empty,
}

/// The part of a `package.json` that counts.
#[derive(Debug, Default, Deserialize)]
struct Package {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    dependencies: BTreeMap<String, Value>,
}

/// Reads what an image says of itself. `name` is what the component is to be called, where somebody says so.
///
/// # Errors
/// See [`DiscoveryError`].
pub fn discover(facts: &ImageFacts, name: Option<&str>) -> Result<Discovered, DiscoveryError> {
    let label = facts.labels.get(ELASTICIO_LABEL);
    let text = label.or_else(|| facts.files.get("component.json")).ok_or(DiscoveryError::NoComponent)?;
    if text.len() > COMPONENT_BYTES {
        return Err(DiscoveryError::Unreadable(format!("it has more than {COMPONENT_BYTES} bytes")));
    }
    let component: Value =
        serde_json::from_str(text).map_err(|error| DiscoveryError::Unreadable(error.to_string()))?;
    if let Some(language) = component["language"].as_str().filter(|language| *language != "nodejs") {
        return Err(DiscoveryError::Language(language.chars().take(40).collect()));
    }
    let package: Package = package(facts, "package.json");
    let (family, version) = family(facts, &package, &component).ok_or(DiscoveryError::NoFamily)?;
    let mut notes = Vec::new();
    let image = facts.image.rsplit('/').next().unwrap_or_default();
    let name = [name.unwrap_or_default(), package.name.rsplit('/').next().unwrap_or_default(), image]
        .into_iter()
        .find(|name| !name.is_empty())
        .map_or_else(|| "component".to_owned(), component_name);
    let own_version = component["version"].as_str().unwrap_or(&package.version);
    let own_version = own_version.parse().unwrap_or_else(|_| semver::Version::new(0, 0, 1));
    let library = family.family(version.as_ref());
    let described = describe((&name, &own_version), (&component, &*library), &facts.files, &mut notes)?;
    if !library.questions() && described.functions.values().any(|one| one.dynamic || !one.options.is_empty())
    {
        notes.push(
            "what its functions would tell of themselves cannot be asked: its library does not answer"
                .to_owned(),
        );
    }
    let empty = Map::new();
    let variables = component["envVars"].as_object().unwrap_or(&empty).keys().cloned().collect();
    let memory = memory(&component);
    let adoption = Adoption {
        family,
        command: command(facts, family, version.as_ref()),
        version,
        directory: facts.directory.clone(),
        functions: described.functions,
        variables,
        parsed: described.parsed,
    };
    Ok(Discovered { adoption, descriptor: described.descriptor, memory, notes })
}

/// What its author asks for in memory, in MiB.
pub(crate) fn memory(component: &Value) -> Option<u64> {
    component["required_ram_mb"].as_u64().or_else(|| component["requiredRamMb"].as_u64())
}

fn package(facts: &ImageFacts, path: &str) -> Package {
    facts.files.get(path).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The family whose library is installed, and its version: as installed, as the label says, or as asked for.
fn family(
    facts: &ImageFacts,
    package: &Package,
    component: &Value,
) -> Option<(FamilyName, Option<semver::Version>)> {
    let installed = |family: FamilyName| {
        let text = facts.files.get(&format!("node_modules/{}/package.json", family.package()))?;
        let package: Package = serde_json::from_str(text).ok()?;
        Some((family, package.version.parse().ok()))
    };
    let asked = |family: FamilyName| {
        let wanted = package.dependencies.get(family.package())?.as_str().unwrap_or_default();
        Some((family, wanted.trim_start_matches(['^', '~', '=', 'v']).parse().ok()))
    };
    let told = component["sailor_version"].as_str().map(|version| (FamilyName::Sailor, version.parse().ok()));
    let found = FamilyName::ALL.into_iter().find_map(installed).or(told);
    found.or_else(|| FamilyName::ALL.into_iter().find_map(asked))
}

/// The command of the process. An image that starts the library itself keeps its own; what its init process would do,
/// ours does.
fn command(facts: &ImageFacts, family: FamilyName, version: Option<&semver::Version>) -> Vec<String> {
    let own: Vec<&String> = facts.entrypoint.iter().chain(&facts.command).collect();
    let starts = |word: &&String| word.ends_with("run.js") || word.ends_with("runGlobal.js");
    let node = |word: &&String| word.rsplit('/').next() == Some("node");
    match (own.iter().position(node), own.iter().any(starts)) {
        (Some(at), true) => own[at..].iter().map(|word| (**word).clone()).collect(),
        _ => family.family(version).command(),
    }
}

/// A name as components have it: lower case, digits and hyphens.
#[must_use]
pub fn component_name(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_start_matches(|first: char| !first.is_ascii_lowercase()).trim_end_matches('-');
    if name.is_empty() { "component".to_owned() } else { name.chars().take(64).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_protocol::Descriptor;

    use super::*;

    fn facts() -> ImageFacts {
        let component = json!({
            "title": "Splitter",
            "description": "Splits",
            "credentials": { "fields": {
                "user": { "viewClass": "TextFieldView", "required": true, "label": "User" },
                "password": { "viewClass": "PasswordFieldView", "required": true },
                "auth": { "viewClass": "HTTPAuthView" },
            } },
            "triggers": { "getMore": { "main": "./lib/t.js", "type": "polling", "title": "Get more" } },
            "actions": {
                "splitOnJsonata": {
                    "main": "./lib/a.js", "title": "Split",
                    "fields": { "how": { "viewClass": "TextFieldView", "required": true } },
                    "metadata": { "in": "./lib/schemas/in.json", "out": {} },
                },
                "reassemble": { "main": "./lib/r.js", "dynamicMetadata": true },
            },
        });
        let files = [
            ("component.json", component.to_string()),
            ("package.json", r#"{"name":"@x/Splitter_Component","version":"1.4.2"}"#.to_owned()),
            ("node_modules/elasticio-sailor-nodejs/package.json", r#"{"version":"2.7.8"}"#.to_owned()),
            ("lib/schemas/in.json", r#"{"type":"object"}"#.to_owned()),
        ];
        ImageFacts {
            image: "acme/splitter".to_owned(),
            directory: "/app".to_owned(),
            files: files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect(),
            ..ImageFacts::default()
        }
    }

    #[test]
    fn an_image_is_understood() {
        let found = discover(&facts(), None).unwrap();
        assert_eq!(
            (found.adoption.family, found.adoption.version),
            (FamilyName::Sailor, Some(semver::Version::new(2, 7, 8)))
        );
        assert_eq!(found.adoption.command[0], "node");
        assert_eq!(found.adoption.parsed, ["auth"]);
        let descriptor = Descriptor::from_json(&found.descriptor.to_string()).unwrap();
        assert_eq!(
            (descriptor.name.as_str(), descriptor.version.to_string()),
            ("splitter-component", "1.4.2".to_owned())
        );
        let names: Vec<&str> = descriptor.actions.keys().map(FunctionNameText::text).collect();
        assert_eq!(names, ["get_meta_model", "reassemble", "shutdown", "split_on_jsonata"]);
        assert_eq!(descriptor.settings.unwrap()["required"], json!(["user"]));
        assert_eq!(descriptor.secrets.unwrap()["required"], json!(["password"]));
        let split = descriptor.actions.values().nth(3).unwrap();
        assert_eq!(split.input, Some(json!({ "type": "object" })));
        assert_eq!((found.notes.len(), descriptor.test), (0, None), "{:?}", found.notes);
    }

    trait FunctionNameText {
        fn text(&self) -> &str;
    }

    impl FunctionNameText for sluice_protocol::FunctionName {
        fn text(&self) -> &str {
            self.as_str()
        }
    }

    #[test]
    fn an_image_that_starts_the_library_itself_keeps_its_command() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let own = ImageFacts {
            entrypoint: words("/sbin/tini -v -e 143 -- /usr/bin/node --max-old-space-size=100 run.js"),
            ..facts()
        };
        assert_eq!(
            discover(&own, None).unwrap().adoption.command,
            words("/usr/bin/node --max-old-space-size=100 run.js")
        );
        let none = ImageFacts { entrypoint: words("/sbin/tini -v -e 143 --"), ..facts() };
        let command = discover(&none, None).unwrap().adoption.command;
        assert_eq!(command, words("node ./node_modules/elasticio-sailor-nodejs/run.js"));
    }

    #[test]
    fn what_is_no_component_is_refused_with_a_reason() {
        let refused = |facts: &ImageFacts| discover(facts, None).unwrap_err();
        assert_eq!(refused(&ImageFacts::default()), DiscoveryError::NoComponent);
        let mut other = facts();
        other.files.remove("node_modules/elasticio-sailor-nodejs/package.json");
        assert_eq!(refused(&other), DiscoveryError::NoFamily);
        other
            .labels
            .insert(ELASTICIO_LABEL.to_owned(), r#"{"language":"java","actions":{"a":{}}}"#.to_owned());
        assert_eq!(refused(&other), DiscoveryError::Language("java".to_owned()));
        other.labels.insert(ELASTICIO_LABEL.to_owned(), r#"{"sailor_version":"2.6.24"}"#.to_owned());
        assert_eq!(refused(&other), DiscoveryError::Empty);
        other.labels.insert(ELASTICIO_LABEL.to_owned(), "{".to_owned());
        assert!(matches!(refused(&other), DiscoveryError::Unreadable(_)));
    }
}
