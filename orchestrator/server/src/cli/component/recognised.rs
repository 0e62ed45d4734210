//! What an inspection shows of a component of another platform.

use serde::Serialize;
use serde_json::Value;
use sluice_families::{
    Details, DiscoveryError, FamilyName, FieldDetails, ImageFacts, Metadata, details, discover,
};
use sluice_protocol::Descriptor;

use crate::cli::Done;
use crate::failure::{Code, Failure};
use crate::output::{Out, Table};

/// A component of another platform, and what our descriptor of it will be.
#[derive(Debug, Serialize)]
pub(super) struct Recognised {
    target: String,
    family: String,
    platform: &'static str,
    /// The version of the family's library.
    library: Option<String>,
    component: Details,
    /// Its functions by our names.
    functions: Vec<(String, String)>,
    command: Vec<String>,
    /// What is not taken over, or in another way.
    notes: Vec<String>,
    descriptor: Value,
}

impl Recognised {
    /// What is known of a component; nothing when it is of no known family.
    pub(super) fn of(target: &str, facts: &ImageFacts) -> Result<Option<Self>, Failure> {
        let refused =
            |why: String| Failure::new(Code::Adoption, format!("{target} cannot be adopted: {why}"));
        let found = match discover(facts, None) {
            Ok(found) => found,
            Err(DiscoveryError::NoComponent | DiscoveryError::NoFamily) => return Ok(None),
            Err(error) => return Err(refused(error.to_string())),
        };
        Descriptor::from_json(&found.descriptor.to_string())
            .map_err(|error| refused(sluice_engine::chain(&error)))?;
        let adoption = found.adoption;
        Ok(Some(Self {
            target: target.to_owned(),
            family: adoption.family.to_string(),
            platform: match adoption.family {
                FamilyName::Sailor => "elastic.io",
                FamilyName::Ferryman => "the Open Integration Hub",
            },
            library: adoption.version.as_ref().map(ToString::to_string),
            component: details(facts).unwrap_or_default(),
            functions: adoption
                .functions
                .iter()
                .map(|(ours, foreign)| (foreign.name.clone(), ours.to_string()))
                .collect(),
            command: adoption.command,
            notes: found.notes,
            descriptor: found.descriptor,
        }))
    }

    /// Prints it.
    pub(super) fn show(&self, out: &Out) -> Done {
        let names = || vec![self.descriptor["name"].as_str().unwrap_or_default().to_owned()];
        out.show(self, names, || self.text())?;
        Ok(None)
    }

    fn text(&self) -> String {
        let version = self.library.as_deref().unwrap_or("of an unknown version");
        let mut text = format!(
            "{} is a component of {} ({} {version}): {}\n",
            self.target, self.platform, self.family, self.component.title
        );
        let mut table = Table::new(&["function", "kind", "here", "fields", "in", "out"]);
        for one in &self.component.functions {
            let ours = self.functions.iter().find(|(name, _)| *name == one.name);
            let dynamic = if one.dynamic_metadata { ", dynamic" } else { "" };
            let deprecated = if one.deprecated { " (deprecated)" } else { "" };
            table.row([
                format!("{}{deprecated}", one.name),
                one.kind.to_owned(),
                ours.map(|(_, ours)| ours.clone()).unwrap_or_default(),
                fields(&one.fields),
                format!("{}{dynamic}", schema(&one.metadata_in)),
                format!("{}{dynamic}", schema(&one.metadata_out)),
            ]);
        }
        text += &format!("\n{}\n", table.text(""));
        let memory = self.component.required_ram_mb.map(|mib| format!("{mib} MiB"));
        let credentials = match (fields(&self.component.credentials), self.component.oauth) {
            (fields, true) => format!("{fields} and an OAuth client").trim().to_owned(),
            (fields, false) => fields,
        };
        let lines = [
            ("credentials", Some(credentials)),
            ("environment", Some(self.component.env_vars.join(", "))),
            ("memory", memory),
            ("started by", Some(self.command.join(" "))),
        ];
        for (what, told) in lines {
            let told = told.filter(|told| !told.is_empty()).unwrap_or_else(|| "nothing said".to_owned());
            text += &format!("\n{what}: {told}");
        }
        for note in &self.notes {
            text += &format!("\nNote: {note}.");
        }
        let descriptor = serde_json::to_string_pretty(&self.descriptor).unwrap_or_default();
        format!("{text}\n\nOur descriptor of it will be\n{descriptor}")
    }
}

fn fields(fields: &[FieldDetails]) -> String {
    let one = |field: &FieldDetails| {
        let required = if field.required { "*" } else { "" };
        let model = field.model.as_ref().map_or_else(String::new, |model| format!(" [{model}]"));
        format!("{}{required}{model}", field.name)
    };
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn schema(place: &Metadata) -> String {
    match place {
        Metadata::None => "none".to_owned(),
        Metadata::Inline => "inline".to_owned(),
        Metadata::File(path) => path.clone(),
        Metadata::Missing(path) => format!("{path} (missing)"),
    }
}
