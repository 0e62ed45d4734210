//! The functions of an adopted component, as the SDK knows functions.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sluice_families::{Adoption, Errand, Foreign, FunctionKind};
use sluice_sdk::{Action, Component, Context, Error, Outputs, Polled, PollingTrigger};

use crate::hooks::{self, Opened, Shutdown};
use crate::pool::{Pool, Remembered};
use crate::run;

/// The component that an image was made into. Names and descriptor live as long as the process: they are leaked.
pub(crate) fn component(descriptor: String, adoption: Adoption) -> Component {
    let functions = adoption.functions.clone();
    let pool = Pool::new(adoption);
    let mut component = Component::new(descriptor.leak());
    for (name, foreign) in functions {
        let name: &'static str = name.as_str().to_owned().leak();
        let pool = Arc::clone(&pool);
        component = match foreign.kind {
            FunctionKind::Polling => component.polling(name, Function { pool, foreign }),
            FunctionKind::Action => component.action(name, Function { pool, foreign }),
            FunctionKind::Verify | FunctionKind::Schema | FunctionKind::Options => {
                component.action(name, Lookup { pool, foreign })
            }
            FunctionKind::Shutdown => component.action(name, Shutdown(pool)),
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
        let remembered = Remembered { keeps: true, ..Remembered::default() };
        let child = self.pool.child(cx, &self.foreign, config, remembered).await?;
        let end = run::run(cx, &child, Some(&input)).await;
        // What it wants to be remembered counts, however the run ended.
        child.keep_snapshot(cx).await?;
        end.map(|()| Outputs::none())
    }
}

impl PollingTrigger for Function {
    type Config = Value;

    async fn poll(&self, cx: &Context, config: &Value, state: Option<Value>) -> Result<Polled, Error> {
        let (snapshot, opened) = hooks::split(state.clone())?;
        let hooked = hooks::has_hooks(cx, config)?;
        let opened = hooks::still_open(&self.pool, cx, (&self.foreign, config), opened).await?;
        let startup = opened.map(|opened| opened.returned);
        let remembered = Remembered { snapshot, startup, hooked, ..Remembered::default() };
        let child = self.pool.child(cx, &self.foreign, config, remembered).await?;
        run::run(cx, &child, None).await?;
        let opened = child.startup().map(|returned| Opened { returned, config: config.clone() });
        let cursor = hooks::joined(child.snapshot(), opened);
        let polled = Polled::new(Outputs::none());
        Ok(if state.as_ref() == Some(&cursor) { polled } else { polled.state(cursor) })
    }
}

/// Something that is asked of the component.
struct Lookup {
    pool: Arc<Pool>,
    foreign: Foreign,
}

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    #[serde(default)]
    function: String,
    #[serde(default)]
    field: String,
    #[serde(default)]
    config: Map<String, Value>,
}

impl Action for Lookup {
    type Config = Value;
    type Input = Option<Question>;

    async fn run(&self, cx: &Context, _: &Value, question: Option<Question>) -> Result<Outputs, Error> {
        let Question { function, field, config } = question.unwrap_or_else(|| Question {
            function: String::new(),
            field: String::new(),
            config: Map::new(),
        });
        let of = self.pool.function(&function);
        let unknown = |what: &str| {
            Error::fatal("bad_input", format_args!("there is no {what} of that name to ask for"))
        };
        let errand = match self.foreign.kind {
            FunctionKind::Schema => Errand::Schema { function: &of.ok_or_else(|| unknown("function"))?.name },
            FunctionKind::Options => {
                let of = of.ok_or_else(|| unknown("function"))?;
                let method = of.options.get(&field).ok_or_else(|| unknown("field"))?;
                Errand::Options { function: &of.name, method }
            }
            FunctionKind::Verify | FunctionKind::Polling | FunctionKind::Action | FunctionKind::Shutdown => {
                Errand::Verify
            }
        };
        let with = (&Value::Object(config), Remembered::default());
        let step = self.pool.step(cx, &self.foreign, with.0);
        let told = self.pool.errand(cx, step, with, errand).await?.unwrap_or_default();
        let reason = |told: &Value, field: &str| {
            told[field].as_str().unwrap_or("the component gave no reason").to_owned()
        };
        if told["status"] != "success" {
            return Err(Error::fatal("component_error", reason(&told["data"], "message")));
        }
        let data = &told["data"];
        if errand == Errand::Verify && data["verified"] == json!(false) {
            return Err(Error::fatal("credentials_refused", reason(data, "reason")));
        }
        Ok(Outputs::one(data))
    }
}
