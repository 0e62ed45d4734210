//! A `parameters` that is no JSON Schema of an object.

use serde_json::Value;

use super::Context;
use crate::{Code, Report, schema};

pub(crate) fn check(context: &Context<'_>, report: &mut Report) {
    let Some(parameters) = &context.doc.template.parameters else { return };
    for fault in schema::faults(parameters) {
        let pointer = format!("/parameters{}", fault.pointer);
        report.push(context.at(Code::ParameterSchema, &pointer, fault.message));
    }
    if parameters.get("type") != Some(&Value::String("object".to_owned())) {
        let message = "the parameters' schema must have `type: object`";
        report.push(context.at(Code::ParameterSchema, "/parameters/type", message));
    }
}
