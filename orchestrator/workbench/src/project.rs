//! New projects: files that build, run and pass their tests at once.

use std::path::{Path, PathBuf};

use sluice_protocol::ComponentName;

/// The files of a component in Rust, by their path.
const RUST: [(&str, &str); 10] = [
    ("component.json", include_str!("../templates/rust/component.json")),
    ("Cargo.toml", include_str!("../templates/rust/Cargo.toml.txt")),
    ("Dockerfile", include_str!("../templates/rust/Dockerfile")),
    ("README.md", include_str!("../templates/rust/README.md")),
    ("acceptance.yaml", include_str!("../templates/rust/acceptance.yaml")),
    (".cargo/config.toml", include_str!("../templates/rust/.cargo/config.toml")),
    (".gitignore", include_str!("../templates/rust/gitignore")),
    ("src/main.rs", include_str!("../templates/rust/src/main.rs.txt")),
    ("src/greet.rs", include_str!("../templates/rust/src/greet.rs.txt")),
    ("src/count.rs", include_str!("../templates/rust/src/count.rs.txt")),
];

/// The files of a declarative connector.
const DECLARATIVE: [(&str, &str); 3] = [
    ("connector.yaml", include_str!("../templates/declarative/connector.yaml")),
    ("acceptance.yaml", include_str!("../templates/declarative/acceptance.yaml")),
    ("README.md", include_str!("../templates/declarative/README.md")),
];

/// The acceptance file of a connector that was imported.
const IMPORTED: &str = include_str!("../templates/declarative/imported.yaml");

/// Where the SDK comes from: it is not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// The folder `component-sdk` of a checkout of Sluice.
    Path(PathBuf),
    /// A git repository.
    Git(String),
}

impl Sdk {
    /// The SDK of the checkout of Sluice that a folder is in, if it is in one.
    #[must_use]
    pub fn around(folder: &Path) -> Option<Self> {
        let folder = folder.canonicalize().ok()?;
        let here = |folder: &&Path| is_sdk(&folder.join("component-sdk"));
        folder.ancestors().find(here).map(|root| Self::Path(root.join("component-sdk")))
    }

    /// Reads what somebody wrote: a URL of git, the root of a checkout, or its folder `component-sdk`.
    ///
    /// # Errors
    /// When it is a folder without the SDK, or nothing of all that.
    pub fn parse(text: &str) -> Result<Self, ProjectError> {
        let git = text.ends_with(".git")
            || ["http://", "https://", "ssh://", "git@"].iter().any(|it| text.starts_with(it));
        let path = Path::new(text);
        let inner = path.join("component-sdk");
        let found =
            [path, &inner].into_iter().find(|path| is_sdk(path)).and_then(|path| path.canonicalize().ok());
        match found {
            Some(path) => Ok(Self::Path(path)),
            None if git && !text.chars().any(|letter| letter.is_control() || letter == '"') => {
                Ok(Self::Git(text.to_owned()))
            }
            None => Err(ProjectError::NoSdk(text.to_owned())),
        }
    }

    /// What a Cargo.toml says of it.
    fn dependency(&self) -> String {
        match self {
            // As JSON writes a text, so does TOML.
            Self::Path(path) => format!("{{ path = {} }}", serde_json::json!(path.display().to_string())),
            Self::Git(url) => format!("{{ git = {} }}", serde_json::json!(url)),
        }
    }
}

fn is_sdk(folder: &Path) -> bool {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    manifest.lines().any(|line| line.trim() == "name = \"sluice-sdk\"")
}

/// Why a project cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no SDK where one was said to be.
    #[error("`{0}` is neither a checkout of Sluice nor the URL of a git repository")]
    NoSdk(String),
    /// Files are there already that would be written over.
    #[error("{} is there already", .0.join(", "))]
    Exists(Vec<String>),
    /// A file cannot be written.
    #[error("{path} cannot be written")]
    Write {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The files of a new project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Their paths within the folder, and their texts.
    pub files: Vec<(PathBuf, String)>,
}

impl Project {
    /// A component in Rust.
    #[must_use]
    pub fn rust(name: &ComponentName, sdk: &Sdk) -> Self {
        Self::of(&RUST, name, Some(sdk))
    }

    /// A declarative connector.
    #[must_use]
    pub fn declarative(name: &ComponentName) -> Self {
        Self::of(&DECLARATIVE, name, None)
    }

    /// A declarative connector whose file is there already.
    #[must_use]
    pub fn imported(name: &ComponentName, connector: String) -> Self {
        let mut project = Self::declarative(name);
        for (path, text) in &mut project.files {
            if path == Path::new("connector.yaml") {
                text.clone_from(&connector);
            } else if path == Path::new("acceptance.yaml") {
                IMPORTED.clone_into(text);
            }
        }
        project
    }

    fn of(files: &[(&str, &str)], name: &ComponentName, sdk: Option<&Sdk>) -> Self {
        let sdk = sdk.map(Sdk::dependency).unwrap_or_default();
        let filled = |text: &str| {
            let text = text.replace("{{name}}", name.as_str()).replace("{{title}}", &title(name));
            text.replace("{{sdk}}", &sdk)
        };
        Self { files: files.iter().map(|(path, text)| (PathBuf::from(path), filled(text))).collect() }
    }

    /// Writes the files to a folder, which is made if need be. Nothing is written when one of them is there already.
    ///
    /// # Errors
    /// When a file is there already, or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ProjectError> {
        let there = self
            .files
            .iter()
            .map(|(path, _)| folder.join(path))
            .filter(|path| path.symlink_metadata().is_ok());
        let there: Vec<String> = there.map(|path| path.display().to_string()).collect();
        if !there.is_empty() {
            return Err(ProjectError::Exists(there));
        }
        for (path, text) in &self.files {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(folder);
            let file = std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::File::create_new(&path))
                .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
            file.map_err(|source| ProjectError::Write { path: path.display().to_string(), source })?;
        }
        Ok(())
    }
}

/// A title for people: `my-crm` becomes `My crm`.
fn title(name: &ComponentName) -> String {
    let words = name.as_str().replace('-', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Acceptance, folder};

    fn name() -> ComponentName {
        "my-crm".parse().unwrap()
    }

    #[test]
    fn a_project_in_rust_is_a_usable_component_with_an_acceptance_file_that_fits() {
        let at = tempfile::tempdir().unwrap();
        let sdk = Sdk::around(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        Project::rust(&name(), &sdk).write(at.path()).unwrap();
        let (descriptor, found) = folder(at.path());
        assert!(found.is_empty(), "{found:?}");
        let descriptor = descriptor.unwrap();
        assert_eq!((descriptor.name.as_str(), descriptor.title.as_str()), ("my-crm", "My crm"));
        let manifest = std::fs::read_to_string(at.path().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("component-sdk\" }") && !manifest.contains("{{"), "{manifest}");
        let text = std::fs::read_to_string(at.path().join("acceptance.yaml")).unwrap();
        let value = sluice_value(&text);
        Acceptance::from_value(&value, &descriptor).unwrap();
    }

    #[test]
    fn a_declarative_project_has_a_valid_connector_and_an_acceptance_file_that_fits() {
        let project = Project::declarative(&name());
        let text = |file: &str| {
            let found = project.files.iter().find(|(path, _)| path == Path::new(file));
            found.map(|(_, text)| text.clone()).unwrap()
        };
        let file =
            sluice_planner::SourceFile { name: "connector.yaml".to_owned(), text: text("connector.yaml") };
        let (documents, report) = sluice_planner::read(&[file]);
        assert!(report.is_empty(), "{report}");
        let descriptor = documents.connectors[0].manifest.descriptor();
        Acceptance::from_value(&sluice_value(&text("acceptance.yaml")), &descriptor).unwrap();
        let imported = Project::imported(&name(), "x".to_owned());
        assert!(imported.files.contains(&(PathBuf::from("connector.yaml"), "x".to_owned())));
        Acceptance::from_value(&sluice_value(IMPORTED), &descriptor).unwrap();
    }

    #[test]
    fn nothing_is_written_over() {
        let at = tempfile::tempdir().unwrap();
        std::fs::write(at.path().join("README.md"), "mine").unwrap();
        let refused = Project::declarative(&name()).write(at.path()).unwrap_err();
        assert!(refused.to_string().contains("README.md"), "{refused}");
        assert_eq!(std::fs::read_dir(at.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_sdk_is_found_in_a_checkout_or_named_by_a_url() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.to_str().unwrap();
        assert_eq!(Sdk::parse(root).unwrap(), Sdk::around(Path::new(root)).unwrap());
        assert_eq!(
            Sdk::parse("https://git.example/sluice.git").unwrap().dependency(),
            "{ git = \"https://git.example/sluice.git\" }"
        );
        for text in ["/nowhere", "https://x\"y", ""] {
            assert!(Sdk::parse(text).is_err(), "{text}");
        }
    }

    /// Reads YAML as the command does.
    fn sluice_value(text: &str) -> serde_json::Value {
        serde_saphyr::from_str(text).unwrap()
    }
}
