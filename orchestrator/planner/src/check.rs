//! The checks: what is wrong with documents that can be read. One file each, named for what it finds.

mod condition;
mod config;
mod config_expression;
mod connector_runner;
mod context;
mod cycle;
mod dangling_edge;
mod duplicate_step;
mod error_route;
mod impossible_path;
mod instance_needed;
mod mapping;
mod no_trigger;
mod parameter_schema;
mod reads_step;
mod respond;
mod retry_delays;
mod schedule;
mod secrets;
mod self_loop;
mod settings;
mod trigger_after;
mod trigger_gate;
mod undeclared_parameter;
mod unknown_connector;
mod unknown_function;
mod unknown_port;
mod unreachable;
mod unused_alias;
mod uses;

use std::collections::BTreeSet;

use crate::{Catalogue, Code, Diagnostic, InstanceDoc, Report, TemplateDoc};
pub(crate) use config::misfits;
pub(crate) use context::Context;
pub(crate) use secrets::faults as secret_faults;
pub(crate) use settings::faults as setting_faults;
pub(crate) use uses::unbound;

type Check = fn(&Context<'_>, &mut Report);

/// In the order in which their findings read best at one place.
const CHECKS: [Check; 26] = [
    parameter_schema::check,
    duplicate_step::check,
    unknown_connector::check,
    unknown_function::check,
    connector_runner::check,
    instance_needed::check,
    unused_alias::check,
    no_trigger::check,
    trigger_after::check,
    trigger_gate::check,
    schedule::check,
    dangling_edge::check,
    unknown_port::check,
    self_loop::check,
    cycle::check,
    unreachable::check,
    error_route::check,
    retry_delays::check,
    respond::check,
    config::check,
    config_expression::check,
    mapping::check,
    condition::check,
    reads_step::check,
    undeclared_parameter::check,
    impossible_path::check,
];

/// Finds everything that is wrong with a template and can be known without parameters and instances.
#[must_use]
pub fn check_template(doc: &TemplateDoc, catalogue: &Catalogue) -> Report {
    check_context(&Context::new(doc, catalogue))
}

/// Runs the checks on a template that is already looked through.
pub(crate) fn check_context(context: &Context<'_>) -> Report {
    let mut report = Report::default();
    for check in CHECKS {
        check(context, &mut report);
    }
    report.sorted()
}

/// Finds what of an instance does not fit its connector, by the version of it that is in use.
#[must_use]
pub fn check_instance(doc: &InstanceDoc, catalogue: &Catalogue) -> Report {
    let mut report = Report::default();
    let Some(connector) = catalogue.choose(doc.connector.as_str(), None) else {
        let message = format!("no connector `{}` is installed", doc.connector);
        let help = crate::near::suggest(doc.connector.as_str(), "connectors", catalogue.names());
        let mark = doc.places.at("/connector");
        report.push(Diagnostic::new(Code::UnknownConnector, &doc.file, mark, message).help(help));
        return report;
    };
    let mut add = |code, faults: Vec<crate::schema::Violation>| {
        for fault in faults.into_iter().filter(|fault| !doc.places.is_broken(&fault.pointer)) {
            let mark = doc.places.at(&fault.pointer);
            report.push(Diagnostic::new(code, &doc.file, mark, fault.message));
        }
    };
    add(Code::Settings, setting_faults(connector, &doc.settings, "/settings"));
    // A secret whose source could not be read is not missing as well.
    let mut names: BTreeSet<String> = doc.places.members("/secrets").into_iter().collect();
    names.extend(doc.secrets.keys().cloned());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    add(Code::Secrets, secret_faults(connector, &names, "/secrets"));
    add(Code::PlainSecret, secrets::in_settings(connector, &doc.settings));
    add(Code::Uses, uses::faults(connector, &doc.instances, catalogue));
    add(Code::UsesCircle, uses::circles(&doc.name, catalogue));
    report.sorted()
}

#[cfg(test)]
mod tests;
