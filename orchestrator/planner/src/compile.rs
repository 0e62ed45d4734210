//! From a template, parameters and instances to a flow that is ready to run.

mod bindings;
mod carries;
mod config;
mod parameters;

use std::collections::BTreeMap;

use serde_json::Value;
use sluice_declarative::{CALL, COMPONENT, POLL};
use sluice_domain::compiled::{Carry, CompiledFlow, CompiledStep};
use sluice_domain::topology::LaneName;
use sluice_domain::{
    Alias, Connector, DeploymentSpec, FlowId, FlowName, FlowVersion, InstanceName, PinnedImage, Scope, Step,
    StepId, Template,
};
use sluice_protocol::gateway::Role;
use sluice_protocol::{FunctionName, Port};

use crate::check::{Context, check_context};
use crate::resolve::{Function, Resolved};
use crate::{Catalogue, Report, TemplateDoc};

/// What is to be compiled.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// The template.
    pub doc: &'a TemplateDoc,
    /// The flow that it becomes.
    pub flow: FlowId,
    /// The flow's name.
    pub name: FlowName,
    /// The version of the flow that this will be.
    pub version: FlowVersion,
    /// The parameters, as given.
    pub params: Value,
    /// Which instance stands for which alias.
    pub instances: BTreeMap<Alias, InstanceName>,
}

/// Compiles a flow. The report includes that of [`check_template`](crate::check_template); the flow is there only when
/// the report has no errors, and the template could be read whole.
#[must_use]
pub fn compile(demand: &Demand<'_>, catalogue: &Catalogue) -> (Option<CompiledFlow>, Report) {
    let context = Context::new(demand.doc, catalogue);
    let mut report = check_context(&context);
    let sound = !report.has_errors();
    let params = parameters::resolve(demand, &mut report);
    bindings::check(demand, &context, &mut report);
    // Configs depend on parameters; faulty ones would only give faults that follow from others.
    let configs = match params.as_ref().filter(|_| sound) {
        Some(params) => config::evaluate(demand, &context, params, &mut report),
        None => Vec::new(),
    };
    let report = report.sorted();
    let flow = match params {
        Some(params) if !report.has_errors() && !context.unsure() => {
            Some(assemble(demand, &context, params, configs))
        }
        _ => None,
    };
    (flow, report)
}

fn assemble(demand: &Demand<'_>, context: &Context<'_>, params: Value, configs: Vec<Value>) -> CompiledFlow {
    let template = &demand.doc.template;
    let mut carries = carries::of(context);
    let mut next = next(template);
    let steps = context
        .steps()
        .zip(configs)
        .filter_map(|((index, step), config)| {
            let mut compiled =
                self::step(demand, context.catalogue, (step, context.resolved[index]?), config)?;
            compiled.next = next.remove(&step.id).unwrap_or_default();
            compiled.carries = carries.remove(&step.id).unwrap_or_else(Carry::nothing);
            Some((step.id.clone(), Box::new(compiled)))
        })
        .collect();
    CompiledFlow {
        id: demand.flow,
        name: demand.name.clone(),
        version: demand.version,
        template: template.name.clone(),
        template_version: template.version.clone(),
        params,
        steps,
    }
}

/// A step without its edges.
fn step(
    demand: &Demand<'_>,
    catalogue: &Catalogue,
    (step, resolved): (&Step, Resolved<'_>),
    config: Value,
) -> Option<CompiledStep> {
    let scope = Scope::of(step.isolation, (demand.flow, &demand.name), &step.id);
    let (runner, pinned) = runner(resolved.connector, catalogue)?;
    let deployment = DeploymentSpec::new(runner, pinned, scope, step.limits);
    let (function, config) = callee(resolved.connector, &step.uses.function, resolved.function, config)?;
    let is_alias = demand.doc.template.instances.contains_key(&step.uses.source);
    Some(CompiledStep {
        function,
        role: resolved.role(),
        lane: LaneName::of_step(deployment.id, demand.flow, &step.id),
        deployment,
        instance: demand.instances.get(&step.uses.source).filter(|_| is_alias).cloned(),
        config,
        gate: step.gate.clone(),
        next: BTreeMap::new(),
        carries: Carry::nothing(),
        schedule: step.schedule.clone(),
        retry: step.retry.clone(),
        timeout: step.timeout,
        concurrency: step.concurrency,
        on_error: step.on_error.clone(),
        closes_with: resolved.function.closes_with().cloned(),
    })
}

/// What runs a connector: itself, or `rest` for a declarative one.
pub(crate) fn runner<'c>(
    connector: &'c Connector,
    catalogue: &'c Catalogue,
) -> Option<(&'c Connector, &'c PinnedImage)> {
    let runner = match connector.manifest() {
        None => connector,
        Some(_) => catalogue.choose(COMPONENT, None)?,
    };
    Some((runner, runner.image()?))
}

/// The function and config by which the component that runs a connector executes one of its functions.
pub(crate) fn callee(
    connector: &Connector,
    name: &FunctionName,
    function: Function<'_>,
    config: Value,
) -> Option<(FunctionName, Value)> {
    let Some(manifest) = connector.manifest() else { return Some((name.clone(), config)) };
    if function.role() == Role::Webhook {
        let call = manifest.webhook_call(name, config)?;
        return Some((name.clone(), serde_json::to_value(call).ok()?));
    }
    let call = manifest.call(name, config)?;
    let runs = if function.is_trigger() { POLL } else { CALL };
    Some((runs.parse().ok()?, serde_json::to_value(call).ok()?))
}

/// The function and config by which `rest` executes a script of a declarative connector in the place of an action.
pub(crate) fn script_callee(connector: &Connector, script: &FunctionName) -> Option<(FunctionName, Value)> {
    let call = connector.manifest()?.script_call(script)?;
    Some((CALL.parse().ok()?, serde_json::to_value(call).ok()?))
}

/// Where each step's outputs go, by port, in the order of the template.
fn next(template: &Template) -> BTreeMap<StepId, BTreeMap<Port, Vec<StepId>>> {
    let mut next: BTreeMap<StepId, BTreeMap<Port, Vec<StepId>>> = BTreeMap::new();
    for step in &template.steps {
        for after in &step.after {
            let ports = next.entry(after.step.clone()).or_default();
            ports.entry(after.port.clone()).or_default().push(step.id.clone());
        }
    }
    next
}

#[cfg(test)]
mod tests;
