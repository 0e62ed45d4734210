//! Steps.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sluice_domain::{
    After, Alias, Delay, ErrorRoute, Gate, Isolation, Limits, RetryPolicy, Schedule, Step, StepId, Use,
};
use sluice_protocol::{FunctionName, Port};

use super::fields::{Fields, Reader};
use super::policy;
use crate::Code;
use crate::document::{Kind, Node};
use crate::near::quote;

const FIELDS: [&str; 14] = [
    "id",
    "use",
    "config",
    "after",
    "when",
    "split",
    "input",
    "schedule",
    "retry",
    "timeout",
    "concurrency",
    "isolation",
    "limits",
    "on_error",
];

const ISOLATION: [(&str, Isolation); 3] =
    [("shared", Isolation::Shared), ("flow", Isolation::Flow), ("step", Isolation::Step)];

/// The step above, which a step without `after` follows.
pub(crate) enum Above {
    /// It is the first one.
    Nothing,
    /// This one.
    Step(StepId),
    /// One whose id could not be read.
    Unknown,
}

/// How a step runs.
struct Running {
    schedule: Option<Schedule>,
    retry: RetryPolicy,
    timeout: Delay,
    concurrency: u32,
    isolation: Isolation,
    limits: Limits,
    on_error: ErrorRoute,
}

/// Reads a step: its id, if it has a good one, and the step, if it is good enough to be checked.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, above: &Above) -> (Option<StepId>, Option<Step>) {
    let Some(fields) = reader.fields(node, "a step", &FIELDS) else { return (None, None) };
    let id = reader.required_parse::<StepId>(&fields, "id", Code::Name);
    let uses = reader.required(&fields, "use").and_then(|node| self::uses(reader, node));
    let config = fields.get("config").and_then(|node| {
        reader.mapping(node, "`config`")?;
        Some(node.to_value())
    });
    let after = match fields.get("after") {
        Some(node) => self::after(reader, node),
        None => match above {
            Above::Nothing => Some(Vec::new()),
            Above::Step(step) => Some(vec![After { step: step.clone(), port: Port::default() }]),
            Above::Unknown => None,
        },
    };
    let gate = gate(reader, &fields);
    let running = running(reader, &fields);
    let step = match (id.clone(), uses, after) {
        (Some(id), Some(uses), Some(after)) => Some(Step {
            id,
            uses,
            config: config.unwrap_or_else(|| Value::Object(Map::new())),
            after,
            gate,
            schedule: running.schedule,
            retry: running.retry,
            timeout: running.timeout,
            concurrency: running.concurrency,
            isolation: running.isolation,
            limits: running.limits,
            on_error: running.on_error,
        }),
        _ => None,
    };
    (id, step)
}

fn uses(reader: &mut Reader<'_>, node: &Node) -> Option<Use> {
    let text = reader.text(node, "`use`")?;
    let parsed = text.split_once('/').and_then(|(source, function)| {
        Some(Use { source: source.parse::<Alias>().ok()?, function: function.parse::<FunctionName>().ok()? })
    });
    if parsed.is_none() {
        let message = format!("{} names no function", quote(text));
        let help = "write `<alias or connector>/<trigger or action>`, for example `log/write`";
        reader.fault_with_help(Code::Value, node.mark, message, help);
    }
    parsed
}

/// Which steps a step follows: one, or a list of them, or none.
fn after(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<After>> {
    let items: &[Node] = match &node.kind {
        Kind::List(items) => items,
        Kind::Text(_) => std::slice::from_ref(node),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Map(_) | Kind::Broken => {
            reader.wrong_type(node, "`after`", "a step id or a list of them");
            return None;
        }
    };
    let mut seen = BTreeSet::new();
    let mut list = Vec::with_capacity(items.len());
    let mut whole = true;
    for item in items {
        let Some(after) = edge(reader, item) else {
            whole = false;
            continue;
        };
        if seen.insert(after.clone()) {
            list.push(after);
        } else {
            let message = format!("`after` names `{}.{}` twice", after.step, after.port);
            reader.fault(Code::DuplicateEdge, item.mark, message);
        }
    }
    whole.then_some(list)
}

fn edge(reader: &mut Reader<'_>, node: &Node) -> Option<After> {
    let text = reader.text(node, "`after`")?;
    let (step, port) = match text.split_once('.') {
        Some((step, port)) => (step, port.parse::<Port>()),
        None => (text, Ok(Port::default())),
    };
    let fault = match (step.parse::<StepId>(), port) {
        (Ok(step), Ok(port)) => return Some(After { step, port }),
        (Err(error), _) => error.to_string(),
        (Ok(_), Err(error)) => error.to_string(),
    };
    reader.fault(Code::Name, node.mark, fault);
    None
}

fn gate(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Gate {
    let mut expression = |key: &str| {
        let node = fields.get(key)?;
        if let Kind::Text(text) = &node.kind {
            return Some(text.clone());
        }
        reader.wrong_type(node, &format!("`{key}`"), "a JSONata expression in a text");
        None
    };
    let (when, split) = (expression("when"), expression("split"));
    Gate { when, split, input: fields.get("input").map(Node::to_value) }
}

fn running(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Running {
    let timeout = fields.get("timeout").and_then(|node| policy::timeout(reader, node));
    let concurrency =
        fields.get("concurrency").and_then(|node| reader.whole(node, "`concurrency`", (1, 256)));
    let isolation = fields.get("isolation").and_then(|node| reader.choice(node, "`isolation`", &ISOLATION));
    Running {
        schedule: fields.get("schedule").and_then(|node| policy::schedule(reader, node)),
        retry: fields.get("retry").map(|node| policy::retry(reader, node)).unwrap_or_default(),
        timeout: timeout.unwrap_or_else(|| Delay::seconds(60)),
        concurrency: concurrency.unwrap_or(1),
        isolation: isolation.unwrap_or_default(),
        limits: fields.get("limits").map(|node| policy::limits(reader, node)).unwrap_or_default(),
        on_error: fields.get("on_error").and_then(|node| policy::on_error(reader, node)).unwrap_or_default(),
    }
}
