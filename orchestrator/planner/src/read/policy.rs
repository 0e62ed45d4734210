//! How a step runs: schedule, retries, timeout, limits and error route.

use std::time::Duration;

use sluice_domain::{Backoff, Cpus, Delay, ErrorClass, ErrorRoute, Limits, RetryPolicy, Schedule, Timing};

use super::fields::Reader;
use crate::Code;
use crate::document::{Kind, Node};
use crate::near::quote;

const BACKOFF: [(&str, Backoff); 3] =
    [("fixed", Backoff::Fixed), ("linear", Backoff::Linear), ("exponential", Backoff::Exponential)];

const CLASSES: [(&str, ErrorClass); 3] =
    [("transient", ErrorClass::Transient), ("timeout", ErrorClass::Timeout), ("any", ErrorClass::Any)];

/// A timeout: 100ms to 1h.
pub(crate) fn timeout(reader: &mut Reader<'_>, node: &Node) -> Option<Delay> {
    let timeout: Delay = reader.parse(node, "`timeout`", Code::Value)?;
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    if range.contains(&timeout.get()) {
        return Some(timeout);
    }
    reader.fault(Code::Value, node.mark, format!("`timeout` must be from 100ms to 1h, not {timeout}"));
    None
}

/// `{ every }` or `{ cron, timezone }`, and `jitter`.
pub(crate) fn schedule(reader: &mut Reader<'_>, node: &Node) -> Option<Schedule> {
    let fields = reader.fields(node, "a schedule", &["every", "cron", "timezone", "jitter"])?;
    let jitter = match fields.get("jitter") {
        Some(node) => Some(reader.parse(node, "`jitter`", Code::Value)?),
        None => None,
    };
    let timing = match (fields.get("every"), fields.get("cron")) {
        (Some(every), None) => {
            if let Some(zone) = fields.get("timezone") {
                let message = "`timezone` goes with `cron`, not with `every`";
                reader.fault_with_help(Code::Value, zone.mark, message, "remove it");
            }
            Timing::Every { every: reader.parse(every, "`every`", Code::Value)? }
        }
        (None, Some(cron)) => {
            let cron = reader.text(cron, "`cron`")?.to_owned();
            let timezone = match fields.get("timezone") {
                Some(node) => Some(reader.text(node, "`timezone`")?.to_owned()),
                None => None,
            };
            Timing::Cron { cron, timezone }
        }
        (Some(_), Some(cron)) => {
            let message = "a schedule has `every` or `cron`, not both";
            reader.fault_with_help(Code::Value, cron.mark, message, "remove one of them");
            return None;
        }
        (None, None) => {
            reader.fault(Code::MissingField, node.mark, "a schedule needs `every` or `cron`");
            return None;
        }
    };
    let schedule = Schedule { timing, jitter };
    if let Err(error) = schedule.check() {
        let help =
            "a cron line has five fields: minute, hour, day, month, weekday; for example `0 7 * * MON-FRI`";
        reader.fault_with_help(Code::Value, node.mark, super::fields::clean(&error.to_string()), help);
        return None;
    }
    Some(schedule)
}

/// A retry policy; what is absent or wrong keeps its default.
pub(crate) fn retry(reader: &mut Reader<'_>, node: &Node) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    let Some(fields) =
        reader.fields(node, "a retry policy", &["attempts", "backoff", "initial", "max", "on"])
    else {
        return policy;
    };
    if let Some(attempts) = fields.get("attempts").and_then(|node| reader.whole(node, "`attempts`", (1, 100)))
    {
        policy.attempts = attempts;
    }
    if let Some(backoff) = fields.get("backoff").and_then(|node| reader.choice(node, "`backoff`", &BACKOFF)) {
        policy.backoff = backoff;
    }
    let initial = fields.get("initial").and_then(|node| reader.parse(node, "`initial`", Code::Value));
    let max = fields.get("max").and_then(|node| reader.parse(node, "`max`", Code::Value));
    policy.initial = initial.unwrap_or(policy.initial);
    // Whoever writes only a long first delay does not mean it to be cut by a default.
    policy.max = max.unwrap_or_else(|| policy.max.max(policy.initial));
    if let Some(node) = fields.get("on") {
        policy.on = classes(reader, node);
    }
    policy
}

fn classes(reader: &mut Reader<'_>, node: &Node) -> Vec<ErrorClass> {
    let items: &[Node] = match &node.kind {
        Kind::List(items) => items,
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) | Kind::Broken => {
            std::slice::from_ref(node)
        }
    };
    let mut classes: Vec<ErrorClass> =
        items.iter().filter_map(|item| reader.choice(item, "`on`", &CLASSES)).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// Limits of memory and processors.
pub(crate) fn limits(reader: &mut Reader<'_>, node: &Node) -> Limits {
    let Some(fields) = reader.fields(node, "limits", &["memory", "cpus"]) else { return Limits::default() };
    Limits {
        memory: fields.get("memory").and_then(|node| reader.parse(node, "`memory`", Code::Value)),
        cpus: fields.get("cpus").and_then(|node| cpus(reader, node)),
    }
}

fn cpus(reader: &mut Reader<'_>, node: &Node) -> Option<Cpus> {
    let Kind::Number(number) = &node.kind else {
        reader.wrong_type(node, "`cpus`", "a number");
        return None;
    };
    match Cpus::try_from(number.as_f64().unwrap_or(f64::NAN)) {
        Ok(cpus) => Some(cpus),
        Err(error) => {
            reader.fault(Code::Value, node.mark, error.to_string());
            None
        }
    }
}

/// `continue` or `{ to: step }`.
pub(crate) fn on_error(reader: &mut Reader<'_>, node: &Node) -> Option<ErrorRoute> {
    const HELP: &str = "write `continue` or `{ to: <step> }`, or nothing for a dead letter";
    match &node.kind {
        Kind::Text(text) if text == "continue" => Some(ErrorRoute::Continue),
        Kind::Text(text) => {
            let message = format!("`on_error` cannot be {}", quote(text));
            reader.fault_with_help(Code::Value, node.mark, message, HELP);
            None
        }
        Kind::Map(_) => {
            let fields = reader.fields(node, "an error route", &["to"])?;
            reader.required_parse(&fields, "to", Code::Name).map(ErrorRoute::To)
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Broken => {
            reader.wrong_type(node, "`on_error`", "`continue` or a mapping");
            None
        }
    }
}
