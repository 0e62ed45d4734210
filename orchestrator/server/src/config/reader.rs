//! Reading keys from a file and the environment, collecting all faults. Knows no key by name but those that every process
//! has.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use config::{Config, File, FileFormat, Map, Value, ValueKind};
use sluice_domain::{Cpus, Limits, Memory};

use super::keys::Key;

/// What was read so far, and what is wrong with it.
pub(super) struct Reader {
    keys: &'static [Key],
    /// What the environment's names begin with.
    prefix: &'static str,
    values: BTreeMap<String, String>,
    pub(super) faults: Vec<String>,
}

impl Reader {
    /// Reads a file, if there is one, and the environment's variables that begin with `prefix`. Refuses other keys.
    pub(super) fn new(
        keys: &'static [Key],
        prefix: &'static str,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut reader = Self { keys, prefix, values: BTreeMap::new(), faults: Vec::new() };
        reader.take_file(file);
        reader.take_environment(environment);
        reader.refuse_unknown();
        reader
    }

    pub(super) fn fault(&mut self, key: &str, what: impl Display) {
        self.faults.push(format!("  {key}: {what}"));
    }

    fn take_file(&mut self, file: Option<&Path>) {
        let Some(path) = file else { return };
        let source = File::from(path).format(FileFormat::Toml);
        match Config::builder()
            .add_source(source)
            .build()
            .and_then(Config::try_deserialize::<Map<String, Value>>)
        {
            Ok(table) => self.take_table("", table),
            Err(error) => self.fault(&path.display().to_string(), error),
        }
    }

    fn take_table(&mut self, prefix: &str, table: Map<String, Value>) {
        for (key, value) in table {
            let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            match value.kind {
                ValueKind::Table(inner) => self.take_table(&name, inner),
                ValueKind::Array(_) => self.fault(&name, "a list is not expected here"),
                ValueKind::Nil => {}
                _ => {
                    self.values.insert(name, value.to_string());
                }
            }
        }
    }

    fn take_environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in environment {
            let Some(rest) = name.strip_prefix(self.prefix) else { continue };
            let key = rest.to_lowercase().replace("__", ".");
            let known = self.keys.iter().any(|known| known.name == key);
            match key.strip_suffix("_file") {
                Some(base) if !known => match std::fs::read_to_string(&value) {
                    Ok(text) => {
                        self.values.insert(base.to_owned(), text.trim_end().to_owned());
                    }
                    Err(error) => self.fault(&name, format!("cannot read {value}: {error}")),
                },
                _ => {
                    self.values.insert(key, value);
                }
            }
        }
    }

    fn refuse_unknown(&mut self) {
        let unknown: Vec<String> = self
            .values
            .keys()
            .filter(|name| !self.keys.iter().any(|key| key.name == *name))
            .cloned()
            .collect();
        for name in unknown {
            self.fault(&name, "there is no such key");
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let default = self.keys.iter().find(|key| key.name == name).and_then(|key| key.default);
        let given = self.values.get(name).map(String::as_str).filter(|text| !text.is_empty());
        given.or(default).map(str::to_owned)
    }

    /// A key that may stay unset.
    pub(super) fn optional<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(name, format!("`{text}`: {error}"));
                None
            }
        }
    }

    /// A key that has a default.
    pub(super) fn number<T: FromStr + PartialOrd + Display + Copy>(
        &mut self,
        name: &str,
        least: T,
        most: T,
    ) -> Option<T>
    where
        T::Err: Display,
    {
        let value: T = self.optional(name)?;
        if value < least || value > most {
            self.fault(name, format!("{value} is not between {least} and {most}"));
            return None;
        }
        Some(value)
    }

    /// The name of an installation.
    pub(super) fn installation(&mut self) -> Option<String> {
        let name = self.text("installation")?;
        let fits = (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            self.fault("installation", "1 to 32 characters of a-z 0-9 -");
            return None;
        }
        Some(name)
    }

    /// What a container may have.
    pub(super) fn limits(&mut self) -> Option<Limits> {
        let memory = self.optional::<Memory>("limits.memory");
        let cpus = self.optional::<f64>("limits.cpus").and_then(|cores| match Cpus::try_from(cores) {
            Ok(cpus) => Some(cpus),
            Err(error) => {
                self.fault("limits.cpus", error);
                None
            }
        });
        Some(Limits { memory: Some(memory?), cpus: Some(cpus?) })
    }

    /// Whether logs are JSON.
    pub(super) fn log_format(&mut self) -> Option<bool> {
        match self.text("log.format")?.as_str() {
            "json" => Some(true),
            "text" => Some(false),
            other => {
                self.fault("log.format", format!("`{other}` is neither json nor text"));
                None
            }
        }
    }
}
