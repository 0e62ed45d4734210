//! Flows as people read them.

use sluice_http::dto;

use super::said::said;
use crate::failure::Failure;
use crate::output::{Out, Table, age, pairs};

pub(super) fn list(out: &Out, flows: &[dto::Flow]) -> Result<(), Failure> {
    out.show(
        flows,
        || flows.iter().map(|one| one.flow.name.clone()).collect(),
        || {
            let mut table =
                Table::new(&["name", "status", "template", "version", "waiting", "done", "dead", "changed"]);
            for one in flows {
                let waiting: u64 = one.steps.iter().filter_map(|step| step.waiting).map(u64::from).sum();
                let done: u64 = one.steps.iter().map(|step| step.counters.succeeded).sum();
                let dead: u64 = one.steps.iter().map(|step| step.counters.dead).sum();
                table.row([
                    one.flow.name.clone(),
                    one.status.clone(),
                    one.flow.template.clone(),
                    one.flow.version.to_string(),
                    waiting.to_string(),
                    done.to_string(),
                    dead.to_string(),
                    age(one.flow.updated_at),
                ]);
            }
            table.text("There is no flow. `sluice apply -f FILE` makes one.")
        },
    )
}

pub(super) fn get(out: &Out, one: &dto::Flow) -> Result<(), Failure> {
    out.show(
        one,
        || vec![one.flow.name.clone()],
        || {
            let status = match one.reasons.as_slice() {
                [] => one.status.clone(),
                reasons => format!("{}: {}", one.status, reasons.join("; ")),
            };
            let bound: Vec<String> =
                one.flow.instances.iter().map(|(alias, name)| format!("{alias}={name}")).collect();
            let head = pairs(&[
                ("name", one.flow.name.clone()),
                ("id", one.flow.id.clone()),
                ("status", status),
                ("wanted", one.flow.intent.clone()),
                ("template", one.flow.template.clone()),
                ("version", one.flow.version.to_string()),
                ("params", serde_json::to_string(&one.flow.params).unwrap_or_default()),
                ("instances", bound.join(" ")),
                ("changed", one.flow.updated_at.to_rfc3339()),
            ]);
            format!("{head}\n{}\n{}", one.graph, counters(one))
        },
    )
}

fn counters(one: &dto::Flow) -> String {
    let titles = [
        "step",
        "waiting",
        "received",
        "succeeded",
        "emitted",
        "failed",
        "retried",
        "dead",
        "filtered",
        "mean",
    ];
    let mut table = Table::new(&titles);
    for step in &one.steps {
        let count = &step.counters;
        let mean = count.micros.checked_div(count.succeeded + count.failed).map(duration).unwrap_or_default();
        table.row([
            step.id.clone(),
            step.waiting.map(|waiting| waiting.to_string()).unwrap_or_default(),
            count.received.to_string(),
            count.succeeded.to_string(),
            count.emitted.to_string(),
            count.failed.to_string(),
            count.retried.to_string(),
            count.dead.to_string(),
            count.filtered.to_string(),
            mean,
        ]);
    }
    table.text("")
}

/// A time in microseconds, as people read it.
pub(in crate::cli) fn duration(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros}us"),
        1000..1_000_000 => format!("{}ms", micros / 1000),
        _ => format!("{}.{}s", micros / 1_000_000, micros / 100_000 % 10),
    }
}

pub(super) fn log_line(line: &dto::LogLine) -> String {
    let at = line.at.map(|at| at.format("%H:%M:%S%.3f ").to_string()).unwrap_or_default();
    format!("{at}{}  {}", line.component, said(&line.text))
}

pub(super) fn run_line(run: &dto::StepRun) -> String {
    let at = run.at.format("%H:%M:%S%.3f");
    let error =
        run.error.as_ref().map(|error| format!("  {}: {}", error.code, error.message)).unwrap_or_default();
    let attempt = if run.attempt > 1 { format!(" (attempt {})", run.attempt) } else { String::new() };
    format!("{at} {}  {} {}{attempt} {}{error}", run.execution, run.step, run.status, duration(run.micros))
}
