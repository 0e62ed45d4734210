//! Steps of declarative connectors where the component that executes them is not installed.

use sluice_declarative::COMPONENT;

use super::Context;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    if context.catalogue.choose(COMPONENT, None).is_some() {
        return;
    }
    for (index, step) in context.steps() {
        let declarative = context.resolved[index].is_some_and(|found| found.connector.manifest().is_some());
        if declarative {
            let message = format!(
                "`{}` is a declarative connector, and the component `{COMPONENT}`, which executes those, is not installed",
                step.uses.source
            );
            report.push(context.at_step(Code::ConnectorRunner, index, "/use", message));
        }
    }
}
