//! Instances.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::Reader;
use super::flow::bindings;
use crate::Code;
use crate::document::{Kind, Node};
use crate::documents::{InstanceDoc, SecretSource};
use crate::near::quote;

const FIELDS: [&str; 7] = ["sluice", "kind", "name", "connector", "settings", "secrets", "instances"];

/// Reads an instance.
pub(crate) fn read(reader: &mut Reader<'_>, root: &Node) -> Option<InstanceDoc> {
    let fields = reader.fields(root, "an instance", &FIELDS)?;
    let name = reader.required_name(&fields, "name");
    let connector = reader.required_parse(&fields, "connector", Code::Name);
    let settings = fields.get("settings").map(|node| settings(reader, node)).unwrap_or_default();
    let secrets = fields.get("secrets").map(|node| secrets(reader, node)).unwrap_or_default();
    let instances = fields.get("instances").map(|node| bindings(reader, node)).unwrap_or_default();
    Some(InstanceDoc {
        name: name?,
        connector: connector?,
        settings,
        secrets,
        instances,
        places: root.places(),
        file: reader.file.to_owned(),
    })
}

fn settings(reader: &mut Reader<'_>, node: &Node) -> Map<String, Value> {
    match reader.mapping(node, "`settings`").map(|_| node.to_value()) {
        Some(Value::Object(settings)) => settings,
        _ => Map::new(),
    }
}

fn secrets(reader: &mut Reader<'_>, node: &Node) -> BTreeMap<String, SecretSource> {
    let members = reader.mapping(node, "`secrets`").unwrap_or_default();
    members
        .iter()
        .filter_map(|member| Some((member.key.clone(), secret(reader, &member.key, &member.value)?)))
        .collect()
}

/// Where a secret comes from. Its value never gets into a message.
fn secret(reader: &mut Reader<'_>, name: &str, node: &Node) -> Option<SecretSource> {
    if let Kind::Text(_) | Kind::Number(_) | Kind::Bool(_) = node.kind {
        let message = format!("the secret {} stands in the file as plain text", quote(name));
        reader.fault(Code::PlainSecret, node.mark, message);
        return None;
    }
    let fields = reader.fields(node, "a secret", &["env", "file"])?;
    match (fields.get("env"), fields.get("file")) {
        (Some(env), None) => {
            let text = reader.text(env, "`env`")?;
            let fits = !text.is_empty() && text.len() <= 255 && !text.contains(['=', '\0']);
            if !fits {
                let message = format!("{} is no name of an environment variable", quote(text));
                reader.fault(Code::Value, env.mark, message);
            }
            fits.then(|| SecretSource::Env(text.to_owned()))
        }
        (None, Some(file)) => {
            let text = reader.text(file, "`file`")?;
            let fits = !text.is_empty() && text.len() <= 4096 && !text.contains('\0');
            if !fits {
                reader.fault(Code::Value, file.mark, format!("{} is no path of a file", quote(text)));
            }
            fits.then(|| SecretSource::File(text.to_owned()))
        }
        (Some(_), Some(file)) => {
            reader.fault_with_help(
                Code::Value,
                file.mark,
                "a secret comes from `env` or from `file`, not from both",
                "remove one of them",
            );
            None
        }
        (None, None) => {
            reader.fault(Code::MissingField, node.mark, "a secret needs `env` or `file`");
            None
        }
    }
}
