//! What starts a flow.

use serde_json::{Value, json};
use sluice_domain::{Schedule, Timing};
use sluice_families::FunctionKind;

use crate::Platform;
use crate::finding::{FindingCode, Findings};
use crate::model::{Flow, Node};
use crate::object::shown;

/// How often elastic.io asks polling triggers of flows that do not say so.
const DEFAULT_CRON: &str = "*/10 * * * *";

/// What starts a flow.
#[derive(Debug, PartialEq)]
pub(crate) enum Start {
    /// Its first node, when that polls on this schedule.
    Own(Option<Value>),
    /// A timer in front of it.
    Timer(Value),
    /// A webhook in front of it.
    Webhook,
    /// A webhook in its place.
    Called,
}

/// Decides what starts a flow. `kind` is what its first node is, where that is known.
pub(crate) fn start(
    platform: Platform,
    flow: &Flow,
    first: &Node,
    kind: Option<FunctionKind>,
    findings: &mut Findings,
) -> Start {
    let place = format!("{}/cron", flow.place);
    if is_webhook(platform, first) {
        if flow.cron.is_some() {
            findings.add(FindingCode::Setting, &place, "a flow with a webhook has no schedule");
        }
        let message = format!("`{}` is a webhook of Sluice now, without signatures", shown(&first.id));
        findings.add(FindingCode::Webhook, &first.place, message);
        return Start::Called;
    }
    let is_action = kind == Some(FunctionKind::Action);
    let Some(cron) = &flow.cron else {
        return match platform {
            Platform::Elasticio if is_action => nothing(flow, findings),
            Platform::Elasticio => {
                let message = format!(
                    "the flow says no schedule; the platform asks every ten minutes, `{DEFAULT_CRON}`"
                );
                findings.add(FindingCode::GuessedSchedule, &first.place, message);
                Start::Own(Some(json!({ "cron": DEFAULT_CRON })))
            }
            Platform::Oih if is_action => {
                let message =
                    "the flow has no schedule, so it was called by its webhook; there is one in front now";
                findings.add(FindingCode::Webhook, &first.place, message);
                Start::Webhook
            }
            Platform::Oih => nothing(flow, findings),
        };
    };
    let schedule =
        Schedule { timing: Timing::Cron { cron: cron.trim().to_owned(), timezone: None }, jitter: None };
    if let Err(error) = schedule.check() {
        findings.add(FindingCode::WrongCron, &place, shown(&error.to_string()));
        return Start::Own(None);
    }
    let schedule = json!({ "cron": cron.trim() });
    if is_action {
        let message = format!("`{}` is an action; `timer/tick` starts it", shown(&first.id));
        findings.add(FindingCode::TimerBefore, &first.place, message);
        return Start::Timer(schedule);
    }
    Start::Own(Some(schedule))
}

fn nothing(flow: &Flow, findings: &mut Findings) -> Start {
    let message = "the flow has no schedule: it was started by a webhook, or by hand";
    findings.add(FindingCode::NothingStarts, &flow.place, message);
    Start::Own(None)
}

/// Whether a node is the webhook of elastic.io.
fn is_webhook(platform: Platform, node: &Node) -> bool {
    let named = node.component.name.as_deref().unwrap_or_default();
    platform == Platform::Elasticio
        && matches!(named, "webhook" | "webhook-component")
        && node.function.starts_with("receive")
}
