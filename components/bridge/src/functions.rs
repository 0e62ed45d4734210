//! The functions of an adopted component, as the SDK knows functions.

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;
use sluice_families::{Adoption, Foreign, FunctionKind};
use sluice_sdk::{Action, Component, Context, Error, Outputs, Polled, PollingTrigger};

use crate::pool::Pool;
use crate::run;

/// The component that an image was made into. Names and descriptor live as long as the process: they are leaked.
pub(crate) fn component(descriptor: String, adoption: Adoption) -> Component {
    let functions = adoption.functions.clone();
    let pool = Pool::new(adoption);
    let mut component = Component::new(descriptor.leak());
    for (name, foreign) in functions {
        let name: &'static str = name.as_str().to_owned().leak();
        let function = Function { pool: Arc::clone(&pool), foreign: foreign.clone() };
        component = match foreign.kind {
            FunctionKind::Polling => component.polling(name, function),
            FunctionKind::Action => component.action(name, function),
        };
    }
    component
}

struct Function {
    pool: Arc<Pool>,
    foreign: Foreign,
}

impl Action for Function {
    type Config = Value;
    type Input = Box<RawValue>;

    async fn run(&self, cx: &Context, config: &Value, input: Box<RawValue>) -> Result<Outputs, Error> {
        let child = self.pool.child(cx, &self.foreign, config, None).await?;
        run::run(cx, &child, Some(&input)).await?;
        Ok(Outputs::none())
    }
}

impl PollingTrigger for Function {
    type Config = Value;

    async fn poll(&self, cx: &Context, config: &Value, state: Option<Value>) -> Result<Polled, Error> {
        let child = self.pool.child(cx, &self.foreign, config, state.clone()).await?;
        run::run(cx, &child, None).await?;
        let snapshot = child.snapshot();
        let polled = Polled::new(Outputs::none());
        Ok(if state.as_ref() == Some(&snapshot) { polled } else { polled.state(snapshot) })
    }
}
