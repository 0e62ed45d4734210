//! What templates see of a manifest.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sluice_protocol::{self as protocol, Descriptor, FunctionName};

use crate::{Auth, Manifest, SIGNING_SECRET, Trigger};

impl Manifest {
    /// The descriptor: the same functions as any component has, with references to datatypes resolved into `$defs`.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        let schema = |schema: &Option<Value>| schema.as_ref().map(|schema| self.with_datatypes(schema));
        let actions: BTreeMap<FunctionName, protocol::Action> = self
            .actions
            .iter()
            .map(|(name, action)| {
                let action = protocol::Action {
                    title: action.title.clone(),
                    description: action.description.clone(),
                    config: schema(&action.config),
                    input: schema(&action.input),
                    output: schema(&action.output),
                    ports: Vec::new(),
                };
                (name.clone(), action)
            })
            .collect();
        let triggers = self
            .triggers
            .iter()
            .map(|(name, trigger)| {
                let trigger = protocol::Trigger {
                    title: trigger.title().to_owned(),
                    description: trigger.description().to_owned(),
                    kind: match trigger {
                        Trigger::Polling(_) => protocol::TriggerKind::Polling,
                        Trigger::Webhook(_) => protocol::TriggerKind::Webhook,
                    },
                    config: schema(trigger.config()),
                    output: schema(trigger.output()),
                    ports: Vec::new(),
                    closes_with: None,
                };
                (name.clone(), trigger)
            })
            .collect();
        Descriptor {
            name: self.name.clone(),
            version: self.version.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            settings: schema(&self.variables),
            secrets: self.secrets(),
            test: self.test.as_ref().and_then(|name| name.parse().ok()),
            // What its calls may reach follows from each of them.
            egress: None,
            triggers,
            actions,
        }
    }

    /// The schema of the secrets of an instance: what the way of authorisation needs, and the secret that webhooks are
    /// signed with. That one may be left out where a flow may use the connector without webhooks.
    fn secrets(&self) -> Option<Value> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.auth.each().iter().flat_map(Auth::needs) {
            // The id of a client may go two ways.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let optional: &[&str] = if self.auth.is_public() { &["client_secret"] } else { &[] };
        let secret = json!({ "type": "string", "minLength": 1 });
        let mut properties: Map<String, Value> =
            names.iter().chain(optional).map(|name| ((*name).to_owned(), secret.clone())).collect();
        let mut required = names;
        if self.is_signed() {
            properties.insert(SIGNING_SECRET.to_owned(), secret);
            if self.actions.is_empty() && self.triggers.values().all(|one| matches!(one, Trigger::Webhook(_)))
            {
                required.push(SIGNING_SECRET);
            }
        }
        if properties.is_empty() {
            return None;
        }
        Some(json!({
            "type": "object", "required": required, "properties": properties, "additionalProperties": false,
        }))
    }

    /// Whether a webhook of it checks signatures.
    fn is_signed(&self) -> bool {
        let signed =
            |trigger: &Trigger| matches!(trigger, Trigger::Webhook(webhook) if webhook.needs_secret());
        self.triggers.values().any(signed)
    }

    /// Every schema of the file on its own, with its place as a JSON Pointer.
    #[must_use]
    pub fn schemas(&self) -> Vec<(String, Value)> {
        let mut all: Vec<(String, &Option<Value>)> = vec![("/variables".to_owned(), &self.variables)];
        for (name, action) in &self.actions {
            let fields = [("config", &action.config), ("input", &action.input), ("output", &action.output)];
            all.extend(fields.map(|(field, schema)| (format!("/actions/{name}/{field}"), schema)));
        }
        for (name, trigger) in &self.triggers {
            let fields = [("config", trigger.config()), ("output", trigger.output())];
            all.extend(fields.map(|(field, schema)| (format!("/triggers/{name}/{field}"), schema)));
        }
        all.into_iter()
            .filter_map(|(place, schema)| Some((place, self.with_datatypes(schema.as_ref()?))))
            .collect()
    }

    /// A schema of the file on its own: `#/datatypes/NAME` becomes `#/$defs/NAME`, and the datatypes come along.
    fn with_datatypes(&self, schema: &Value) -> Value {
        let mut schema = schema.clone();
        let mut waiting = Vec::new();
        point_to_defs(&mut schema, &mut waiting);
        let mut reached: BTreeMap<String, Value> = BTreeMap::new();
        while let Some(name) = waiting.pop() {
            if reached.contains_key(&name) {
                continue;
            }
            // Whoever checks the file says that a datatype is missing; its schema says nothing then.
            let mut datatype = self.datatypes.get(&name).cloned().unwrap_or(Value::Bool(true));
            point_to_defs(&mut datatype, &mut waiting);
            reached.insert(name, datatype);
        }
        if let (false, Some(members)) = (reached.is_empty(), schema.as_object_mut()) {
            let defs = members.entry("$defs").or_insert_with(|| Value::Object(Map::new()));
            if let Some(defs) = defs.as_object_mut() {
                for (name, datatype) in reached {
                    defs.entry(name).or_insert(datatype);
                }
            }
        }
        schema
    }
}

/// Rewrites references to datatypes, and adds the names of those to `found`.
fn point_to_defs(value: &mut Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if let (true, Value::String(reference)) = (key == "$ref", &mut *member) {
                    if let Some(name) = reference.strip_prefix("#/datatypes/") {
                        found.push(name.to_owned());
                        *reference = format!("#/$defs/{name}");
                    }
                } else {
                    point_to_defs(member, found);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point_to_defs(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
