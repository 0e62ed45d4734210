//! Flows.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sluice_domain::{Alias, InstanceName, TemplateRef};

use super::fields::{Reader, clean};
use crate::Code;
use crate::document::Node;
use crate::documents::FlowDoc;

const FIELDS: [&str; 6] = ["sluice", "kind", "name", "template", "params", "instances"];

/// Reads a flow.
pub(crate) fn read(reader: &mut Reader<'_>, root: &Node) -> Option<FlowDoc> {
    let fields = reader.fields(root, "a flow", &FIELDS)?;
    let name = reader.required_name(&fields, "name");
    let template: Option<TemplateRef> = reader.required_parse(&fields, "template", Code::Name);
    let template = template
        .filter(|template| fields.get("template").is_some_and(|node| reader.is_bare(node, &template.name)));
    let params = fields
        .get("params")
        .and_then(|node| reader.mapping(node, "`params`").map(|_| node.to_value()))
        .unwrap_or_else(|| Value::Object(Map::new()));
    let instances = fields.get("instances").map(|node| bindings(reader, node)).unwrap_or_default();
    Some(FlowDoc {
        name: name?,
        template: template?,
        params,
        instances,
        places: root.places(),
        file: reader.file.to_owned(),
    })
}

/// Instances by alias.
pub(super) fn bindings(reader: &mut Reader<'_>, node: &Node) -> BTreeMap<Alias, InstanceName> {
    let mut bindings = BTreeMap::new();
    for member in reader.mapping(node, "`instances`").unwrap_or_default() {
        let instance = reader.own_name::<InstanceName>(&member.value, "an instance name");
        match (member.key.parse::<Alias>(), instance) {
            (Ok(alias), Some(instance)) => {
                bindings.insert(alias, instance);
            }
            (Ok(_), None) => {}
            (Err(error), _) => reader.fault(Code::Name, member.mark, clean(&error.to_string())),
        }
    }
    bindings
}
