//! Steps and aliases that name a connector that is not installed, or not in a version that will do.

use super::Context;
use crate::near::suggest;
use crate::{Code, Report};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let template = &context.doc.template;
    let installed = context.catalogue.names();
    for (alias, binding) in &template.instances {
        let name = binding.connector.as_str();
        let pointer = format!("/instances/{alias}");
        if !installed.contains(name) {
            let message = format!("no connector `{name}` is installed, which the alias `{alias}` asks for");
            let help = suggest(name, "installed connectors", installed.iter().copied());
            let pointer = format!("{pointer}/connector");
            report.push(context.at(Code::UnknownConnector, &pointer, message).help(help));
        } else if let Some(version) = &binding.version
            && context.catalogue.choose(name, Some(version)).is_none()
        {
            let message = format!("no installed version of `{name}` fits `{version}`");
            let versions: Vec<String> =
                context.catalogue.versions(name).map(|connector| connector.version().to_string()).collect();
            let help = format!(
                "installed: {}; install a version that fits, or widen the range",
                versions.join(", ")
            );
            let pointer = format!("{pointer}/version");
            report.push(context.at(Code::ConnectorVersion, &pointer, message).help(help));
        }
    }
    if context.unsure() && template.instances.is_empty() {
        return;
    }
    let aliases: Vec<&str> = template.instances.keys().map(sluice_domain::Alias::as_str).collect();
    for (index, step) in context.steps() {
        let source = step.uses.source.as_str();
        if !aliases.contains(&source) && !installed.contains(source) {
            let message =
                format!("`{source}` is neither an alias of this template nor an installed connector");
            let known = aliases.iter().copied().chain(installed.iter().copied());
            let help = suggest(source, "aliases and connectors", known);
            report.push(context.at_step(Code::UnknownConnector, index, "/use", message).help(help));
        }
    }
}
