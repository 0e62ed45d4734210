//! Nodes of elastic.io.

use serde_json::{Map, Value};

use crate::finding::{FindingCode, Findings};
use crate::model::{Carries, Component, Credentials, Node};
use crate::object::{Object, shown};

/// What `nodes_config` says of nodes, by their ids.
pub(super) struct Config {
    place: String,
    nodes: Map<String, Value>,
}

impl Config {
    pub(super) fn of(value: Option<Value>, place: &str, findings: &mut Findings) -> Self {
        let nodes = match value {
            None => Map::new(),
            Some(Value::Object(nodes)) => nodes,
            Some(_) => {
                findings.add(FindingCode::WrongForm, place, "`nodes_config` is not an object");
                Map::new()
            }
        };
        Self { place: place.to_owned(), nodes }
    }

    /// Applies what is said of a node.
    fn apply(&mut self, node: &mut Node, findings: &mut Findings) {
        let Some(value) = self.nodes.shift_remove(&node.id).filter(|value| !value.is_null()) else { return };
        let place = format!("{}/{}", self.place, crate::object::token(&node.id));
        let Some(mut config) = Object::of(&value, &place, "the node's settings", findings) else { return };
        node.concurrency = config.take("prefetch").and_then(|value| value.as_u64());
        if let Some(value) = config.take("passthrough")
            && let Some(mut passthrough) =
                Object::of(&value, &config.at("passthrough"), "the passthrough", findings)
        {
            if passthrough.take("disabled") == Some(Value::Bool(true)) {
                node.carries = Carries::No;
                let message = format!("`{}` switches passthrough off", shown(&node.id));
                findings.add(FindingCode::CarriedOff, &passthrough.place, message);
            }
            passthrough.finish(findings);
        }
        let same = [
            ("replicas", "a step runs in one container, and `concurrency` is for all of it"),
            ("log_level", "components log at their own level"),
            ("disable_dynamic_flow_control", "every output is confirmed"),
            ("persistent_messages", "every message is persistent"),
            ("agent_id", "there are no agents"),
        ];
        for (key, why) in same {
            if config.take(key).is_some() {
                findings.add(FindingCode::Setting, &config.at(key), format!("`{key}`: {why}"));
            }
        }
        config.finish(findings);
    }

    /// Names what is said of nodes that are not there.
    pub(super) fn finish(self, findings: &mut Findings) {
        for id in self.nodes.keys() {
            let message = format!("there are settings of `{}`, which is no node", shown(id));
            findings.add(FindingCode::UnknownField, &self.place, message);
        }
    }
}

/// Reads a node; nothing when it says neither its id nor its function.
pub(super) fn node(value: &Value, place: &str, config: &mut Config, findings: &mut Findings) -> Option<Node> {
    let mut object = Object::of(value, place, "the node", findings)?;
    let id = object.text("id", findings);
    let (mut component, function) = command(&mut object, findings);
    self::component(&mut object, &mut component, findings);
    let credentials = credentials(&mut object, findings);
    let fields = match object.take("fields") {
        None => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(_) => {
            findings.add(FindingCode::WrongForm, &object.at("fields"), "`fields` is not an object");
            Map::new()
        }
    };
    // Which node is the first, edges say.
    object.take("first");
    let is_error_handler = object.take("error") == Some(Value::Bool(true));
    let service = object.text("service", findings);
    if object.take("vpn_agent_id").or_else(|| object.take("agent_id")).is_some() {
        findings.add(FindingCode::Network, place, "the node runs by way of an agent");
    }
    object.facts(
        &[
            "name",
            "description",
            "data_sample",
            "data_sample_id",
            "selected_data_samples",
            "dynamic_metadata",
            "dynamic_select_model",
            "dynamicMetadata",
            "is_hidden",
            "metadata",
            "position",
            "is_trigger",
        ],
        findings,
    );
    object.finish(findings);
    let (Some(id), Some(function)) = (id, function) else {
        findings.add(FindingCode::NodeUnreadable, place, "the node says no id, or no function");
        return None;
    };
    let named = component.name.as_deref().unwrap_or_default();
    let is_router = function == "route" && (service.as_deref() == Some("router") || named == "router");
    let mut node = Node {
        place: place.to_owned(),
        is_router,
        id,
        component,
        function,
        fields,
        credentials,
        is_error_handler,
        ..Node::default()
    };
    config.apply(&mut node, findings);
    Some(node)
}

/// `team/component:function@version`, or the same as an object.
fn command(object: &mut Object, findings: &mut Findings) -> (Component, Option<String>) {
    let place = object.at("command");
    match object.take("command") {
        Some(Value::String(text)) => said(&text, &place, findings),
        Some(value @ Value::Object(_)) => {
            let Some(mut command) = Object::of(&value, &place, "the command", findings) else {
                return (Component::default(), None);
            };
            if let Some(version) = command.text("componentVersion", findings) {
                let message = format!("the version `{}` is not asked for", shown(&version));
                findings.add(FindingCode::Version, &place, message);
            }
            let function = command.text("actionOrTrigger", findings);
            command.finish(findings);
            (Component::default(), function)
        }
        Some(_) => {
            findings.add(FindingCode::WrongForm, &place, "`command` is neither a text nor an object");
            (Component::default(), None)
        }
        None => (Component::default(), None),
    }
}

/// Takes a command apart.
pub(super) fn said(text: &str, place: &str, findings: &mut Findings) -> (Component, Option<String>) {
    let (command, version) =
        text.split_once('@').map_or((text, None), |(command, version)| (command, Some(version)));
    if let Some(version) = version.filter(|version| *version != "latest") {
        let message = format!("the version `{}` is not asked for", shown(version));
        findings.add(FindingCode::Version, place, message);
    }
    let (component, function) = match command.rsplit_once(':') {
        Some((component, function)) => (component, Some(function.to_owned())),
        None => (command, None),
    };
    let name = component.rsplit('/').next().map(str::to_owned).filter(|name| !name.is_empty());
    (Component { id: None, name }, function.filter(|function| !function.is_empty()))
}

fn component(object: &mut Object, component: &mut Component, findings: &mut Findings) {
    let place = object.at("component_id");
    match object.take("component_id") {
        Some(Value::String(id)) => component.id = Some(id),
        Some(value @ Value::Object(_)) => {
            let Some(mut told) = Object::of(&value, &place, "the component", findings) else { return };
            component.id = told.text("componentId", findings);
            let name = told.text("componentName", findings);
            component.name = component.name.take().or(name);
            told.take("componentDevTeam");
            if let Some(version) = told.text("componentSemanticVersion", findings) {
                let message = format!("the version `{}` is not asked for", shown(&version));
                findings.add(FindingCode::Version, &place, message);
            }
            told.finish(findings);
        }
        Some(_) => {
            findings.add(FindingCode::WrongForm, &place, "`component_id` is neither a text nor an object")
        }
        None => {}
    }
}

/// `credentials_id` or `secret_id`: an id, or an object with an id and a name.
fn credentials(object: &mut Object, findings: &mut Findings) -> Option<Credentials> {
    let mut found = None;
    for key in ["secret_id", "credentials_id", "credential_id"] {
        let place = object.at(key);
        let one = match object.take(key) {
            Some(Value::String(id)) => Some(Credentials { id, name: None }),
            Some(value @ Value::Object(_)) => Object::of(&value, &place, "the credentials", findings)
                .and_then(|mut told| {
                    let ids = ["credentialId", "credential_id", "secretId", "secret_id"];
                    let id = ids.into_iter().find_map(|key| told.text(key, findings));
                    let name =
                        ["credentialName", "secretName"].into_iter().find_map(|key| told.text(key, findings));
                    told.finish(findings);
                    let id = id.or_else(|| name.clone())?;
                    Some(Credentials { id, name })
                }),
            Some(_) => {
                findings.add(
                    FindingCode::WrongForm,
                    &place,
                    format!("`{key}` is neither a text nor an object"),
                );
                None
            }
            None => None,
        };
        found = found.or(one);
    }
    found
}
