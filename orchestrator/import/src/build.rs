//! A flow as a template.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sluice_families::FunctionKind;

use crate::Platform;
use crate::component::Components;
use crate::credentials::{Aliases, Instances};
use crate::finding::{FindingCode, Findings};
use crate::graph::{Graph, graph};
use crate::import::{OutFile, argument};
use crate::model::{Flow, Node};
use crate::names;
use crate::object::shown;
use crate::start::{Start, start};
use crate::steps::{Steps, Use, ids};
use crate::text;
use crate::webhook;

/// The id of a step that is put in front.
const FRONT: &str = "start";

/// What all flows of an import share.
pub(crate) struct Import<'i, 'o> {
    pub(crate) platform: Platform,
    pub(crate) components: &'i mut Components<'o>,
    pub(crate) instances: &'i mut Instances,
    /// The names of templates that are taken.
    pub(crate) names: &'i mut BTreeSet<String>,
    pub(crate) findings: &'i mut Findings,
}

/// A template that was made.
pub(crate) struct Built {
    pub(crate) file: OutFile,
    /// Whether it is called by a webhook.
    pub(crate) has_webhook: bool,
    /// Whether a timer starts it.
    pub(crate) has_timer: bool,
}

impl Import<'_, '_> {
    /// Makes the template of a flow; nothing when there is no node to begin with.
    pub(crate) fn flow(&mut self, flow: Flow) -> Option<Built> {
        let graph = graph(&flow, self.findings)?;
        let first = graph.nodes.first()?;
        let is_called =
            matches!(start(self.platform, &flow, first, None, &mut Findings::default()), Start::Called);
        let uses = self.uses(&graph, is_called);
        let begin = start(self.platform, &flow, first, uses[0].kind, self.findings);
        let ids = ids(&graph, FRONT, self.findings);
        let (sources, aliases) = self.sources(&graph, &uses, is_called);
        let mut steps = front(&begin);
        let mut made = Steps { graph: &graph, ids: &ids, uses, sources, variables: BTreeSet::new() };
        let at = steps.len();
        let reads = made.build(&mut steps, self.findings);
        if reads && begin == Start::Called {
            let message =
                "a component reads earlier steps by itself, and the webhook is none that it can see";
            self.findings.add(FindingCode::NotHere, &first.place, message);
        }
        finish_first(&begin, &mut steps[at]);
        if !graph.handlers.is_empty() {
            self.handlers(&graph);
        }
        let parameters = self.parameters(&flow, made.variables);
        let (name, title) = self.name(&flow);
        let mut template =
            json!({ "sluice": 1, "kind": "template", "name": name, "version": "1.0.0", "title": title });
        if let Some(description) = &flow.description {
            template["description"] = description.as_str().into();
        }
        if let Some(parameters) = parameters {
            template["parameters"] = parameters;
        }
        if !aliases.all.is_empty() {
            let all = aliases
                .all
                .iter()
                .map(|(alias, (connector, _))| (alias.clone(), json!({ "connector": connector })));
            template["instances"] = all.collect::<Map<_, _>>().into();
        }
        template["steps"] = steps.into();
        let has_webhook = matches!(begin, Start::Called | Start::Webhook);
        let command = command(&name, has_webhook, &aliases, &template["parameters"]["required"]);
        let text = text::write(&command, &template);
        let file = OutFile { path: format!("{name}.template.yaml"), text };
        Some(Built { file, has_webhook, has_timer: matches!(begin, Start::Timer(_)) })
    }

    /// What each node uses.
    fn uses(&mut self, graph: &Graph, is_called: bool) -> Vec<Use> {
        let mut uses = Vec::with_capacity(graph.nodes.len());
        for (number, node) in graph.nodes.iter().enumerate() {
            if is_called && number == 0 {
                uses.push(Use {
                    known: Default::default(),
                    function: webhook::TRIGGER.to_owned(),
                    kind: None,
                });
                continue;
            }
            let known = self.components.of(&node.component, &node.place, self.findings);
            let (function, kind) = known.function(node, number == 0, self.findings);
            if number > 0 && kind == Some(FunctionKind::Polling) {
                let message = format!("`{}` is a trigger, and stands behind another node", shown(&node.id));
                self.findings.add(FindingCode::NoFunction, &node.place, message);
            }
            self.look(node);
            uses.push(Use { known, function, kind });
        }
        uses
    }

    /// Names what a component does by itself and has no equal, as far as its name tells.
    fn look(&mut self, node: &Node) {
        let named = node.component.name.as_deref().unwrap_or_default().to_lowercase();
        let code = match named.as_str() {
            "request-reply" | "request-reply-component" => FindingCode::OnTheFly,
            "logic-gateway" | "logicgateway" | "logic-gateway-component" => FindingCode::LogicGateway,
            "sdf-adapter" | "data-hub" | "datahub" | "rds-component" => FindingCode::DataHub,
            _ => return,
        };
        let message = format!("`{}` uses the component `{}`", shown(&node.id), shown(&named));
        self.findings.add(code, &node.place, message);
    }

    /// What steps name as their source, and the aliases among that.
    fn sources(&mut self, graph: &Graph, uses: &[Use], is_called: bool) -> (Vec<String>, Aliases) {
        let nodes = || graph.nodes.iter().zip(uses).enumerate();
        let is_bare = |number: usize, node: &Node, used: &Use| {
            (is_called && number == 0) || (node.credentials.is_none() && !used.known.needs_instance())
        };
        let bare = nodes().filter(|(number, (node, used))| is_bare(*number, node, used));
        let mut aliases = Aliases::without(bare.map(|(_, (_, used))| used.known.connector.clone()));
        let mut sources = Vec::with_capacity(uses.len());
        for (number, (node, used)) in nodes() {
            sources.push(if is_called && number == 0 {
                if node.credentials.is_some() {
                    let message = "the webhook asked for credentials; whoever knows its URL may call it now";
                    self.findings.add(FindingCode::OpenWebhook, &node.place, message);
                }
                webhook::CONNECTOR.to_owned()
            } else if is_bare(number, node, used) {
                used.known.connector.clone()
            } else {
                aliases.alias(&used.known, node, self.instances, self.findings)
            });
        }
        (sources, aliases)
    }

    fn handlers(&mut self, graph: &Graph) {
        let handlers: BTreeSet<&String> = graph.handlers.values().collect();
        for node in graph.nodes.iter().filter(|node| handlers.contains(&node.id)) {
            let message = format!("`{}` is the target of `on_error`", shown(&node.id));
            self.findings.add(FindingCode::ErrorHandler, &node.place, message);
        }
    }

    /// The parameters that steps read, and those that are declared.
    fn parameters(&mut self, flow: &Flow, read: BTreeSet<String>) -> Option<Value> {
        let mut properties = Map::new();
        for (name, (title, description)) in &flow.variables {
            let mut property = json!({ "type": "string" });
            for (key, text) in [("title", title), ("description", description)] {
                if let Some(text) = text {
                    property[key] = text.as_str().into();
                }
            }
            properties.insert(name.clone(), property);
        }
        for name in &read {
            properties.entry(name.clone()).or_insert_with(|| json!({ "type": "string" }));
        }
        let required: Vec<Value> = read.into_iter().map(Value::from).collect();
        (!properties.is_empty()).then(|| {
            let mut schema = json!({ "type": "object" });
            if !required.is_empty() {
                schema["required"] = required.into();
            }
            schema["properties"] = properties.into();
            schema
        })
    }

    /// A name that no other template of the import has, and a title.
    fn name(&mut self, flow: &Flow) -> (String, String) {
        let title = flow.title.as_deref().unwrap_or("Imported flow").trim();
        let base = names::name(title).unwrap_or_else(|| "flow".to_owned());
        (names::free(&base, self.names), title.to_owned())
    }
}

/// The step before the first, where there is one.
fn front(begin: &Start) -> Vec<Value> {
    match begin {
        Start::Own(_) | Start::Called => Vec::new(),
        Start::Timer(schedule) => vec![json!({ "id": FRONT, "use": "timer/tick", "schedule": schedule })],
        Start::Webhook => {
            let uses = format!("{}/{}", webhook::CONNECTOR, webhook::TRIGGER);
            vec![json!({ "id": FRONT, "use": uses })]
        }
    }
}

/// What only the first step has.
fn finish_first(begin: &Start, step: &mut Value) {
    match begin {
        Start::Own(Some(schedule)) => step["schedule"] = schedule.clone(),
        // There the tick carries nothing.
        Start::Timer(_) if step.get("input").is_none() => step["input"] = json!({}),
        Start::Called => drop(step.as_object_mut().and_then(|step| step.shift_remove("config"))),
        Start::Own(None) | Start::Timer(_) | Start::Webhook => {}
    }
}

/// The command that deploys the template, in the folder of the import.
fn command(name: &str, has_webhook: bool, aliases: &Aliases, required: &Value) -> String {
    let mut command = "sluice apply".to_owned();
    if has_webhook {
        command.push_str(&format!(" -f {}", webhook::PATH));
    }
    command.push_str(&format!(" -f {name}.template.yaml"));
    for (alias, (_, instance)) in &aliases.all {
        command.push_str(&format!(" --instance {alias}={instance}"));
    }
    for parameter in required.as_array().into_iter().flatten().filter_map(Value::as_str) {
        command.push_str(&format!(" --set {}=VALUE", argument(parameter)));
    }
    command
}
