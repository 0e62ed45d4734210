//! Whether the instances that a deployer binds are the ones that the template asks for.

use sluice_declarative::SIGNING_SECRET;
use sluice_domain::{Alias, InstanceName};

use super::Demand;
use crate::check::{Context, secret_faults, setting_faults};
use crate::near::{quote, suggest};
use crate::{Code, InstanceFacts, Report};

pub(super) fn check(demand: &Demand<'_>, context: &Context<'_>, report: &mut Report) {
    let asked = &demand.doc.template.instances;
    for alias in demand.instances.keys().filter(|alias| !asked.contains_key(*alias)) {
        let message = format!("the template asks for no instance called `{alias}`");
        let help = suggest(alias.as_str(), "aliases", asked.keys().map(Alias::as_str));
        report.push(context.at(Code::UnknownAlias, "/instances", message).help(help));
    }
    for (alias, binding) in asked {
        let pointer = format!("/instances/{alias}");
        let connector = context.catalogue.choose(binding.connector.as_str(), binding.version.as_ref());
        let Some(name) = demand.instances.get(alias) else {
            let used = context.steps().any(|(_, step)| step.uses.source == *alias);
            if used && connector.is_some_and(|connector| connector.descriptor.needs_instance()) {
                let message =
                    format!("no instance of `{}` is bound to the alias `{alias}`", binding.connector);
                report.push(context.at(Code::UnboundInstance, &pointer, message));
            }
            continue;
        };
        let Some(facts) = context.catalogue.instances.get(name) else {
            let message = format!("there is no instance `{name}`, which is bound to `{alias}`");
            let fitting = context.catalogue.instances.iter();
            let fitting = fitting.filter(|(_, facts)| facts.connector == binding.connector);
            let help = suggest(name.as_str(), "instances", fitting.map(|(name, _)| name.as_str()));
            report.push(context.at(Code::UnknownInstance, &pointer, message).help(help));
            continue;
        };
        if facts.connector != binding.connector {
            let message = format!(
                "the instance `{name}` belongs to `{}`, but `{alias}` asks for `{}`",
                facts.connector, binding.connector
            );
            report.push(context.at(Code::OtherConnector, &pointer, message));
            continue;
        }
        let Some(connector) = connector else { continue };
        signing_secret(context, alias, (name, facts), report);
        scopes(context, alias, (name, facts), report);
        let secrets: Vec<&str> = facts.secret_fields.iter().map(String::as_str).collect();
        let settings =
            setting_faults(connector, &facts.settings, "").into_iter().map(|fault| (Code::Settings, fault));
        let secrets = secret_faults(connector, &secrets, "").into_iter().map(|fault| (Code::Secrets, fault));
        for (code, fault) in settings.chain(secrets) {
            let message = format!("the instance {}: {}", quote(name.as_str()), fault.message);
            report.push(context.at(code, &pointer, message));
        }
    }
}

/// An instance must have been granted what the functions need. One that nobody has authorised yet may be granted it.
fn scopes(
    context: &Context<'_>,
    alias: &Alias,
    (name, facts): (&InstanceName, &InstanceFacts),
    report: &mut Report,
) {
    let Some(granted) = &facts.granted else { return };
    for (index, step) in context.steps().filter(|(_, step)| step.uses.source == *alias) {
        let manifest = context.resolved[index].and_then(|resolved| resolved.connector.manifest());
        let needed = manifest.map(|manifest| manifest.scopes(&step.uses.function)).unwrap_or_default();
        let missing: Vec<String> =
            needed.iter().filter(|scope| !granted.contains(*scope)).map(|scope| quote(scope)).collect();
        if !missing.is_empty() {
            let message = format!(
                "the instance {} was not granted {}, which `{}` needs",
                quote(name.as_str()),
                missing.join(", "),
                step.id
            );
            let help =
                format!("authorise it again with `sluice instance authorize {name}`, and agree to all of it");
            report.push(context.at_step(Code::Scopes, index, "/use", message).help(help));
        }
    }
}

/// A webhook that checks signatures must have something to check them with. Where the connector's schema demands it, it is
/// reported already.
fn signing_secret(
    context: &Context<'_>,
    alias: &Alias,
    (name, facts): (&InstanceName, &InstanceFacts),
    report: &mut Report,
) {
    let mut steps = context.steps().filter(|(_, step)| step.uses.source == *alias);
    let signed = steps.any(|(index, step)| {
        context.resolved[index].is_some_and(|found| {
            let schema = found.connector.descriptor.secrets.as_ref();
            let required = schema.and_then(|schema| schema.get("required")).and_then(|list| list.as_array());
            let demanded = required.is_some_and(|list| list.iter().any(|field| field == SIGNING_SECRET));
            found.is_signed(&step.uses.function) && !demanded
        })
    });
    if signed && !facts.secret_fields.contains(SIGNING_SECRET) {
        let message = format!(
            "the instance {} lacks the secret `{SIGNING_SECRET}`, which requests to the webhook are checked with",
            quote(name.as_str())
        );
        report.push(context.at(Code::Secrets, &format!("/instances/{alias}"), message));
    }
}
