//! One engine for one call: built, locked, used and thrown away.

mod blame;
mod run;

use std::collections::BTreeMap;
use std::sync::Arc;

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::{Context, Ctx, Error, Function, Object, Runtime, Value as Js};
use serde_json::Value;

use crate::clock::Clock;
use crate::error::ScriptError;
use crate::helpers;
use crate::host::Host;
use crate::limits::Limits;
use crate::value::{deeper_than, mend_surrogates};
use run::{Fault, Run};

/// What the language offers. There is no `Proxy`, with which lists of any length can be pretended.
type Language = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

/// An engine that knows the scripts of a connector.
pub(crate) struct Engine<'s> {
    name: &'s str,
    sources: &'s BTreeMap<String, String>,
    limits: &'s Limits,
    run: Arc<Run>,
    // Dropped last: contexts keep it alive.
    context: Context,
}

impl<'s> Engine<'s> {
    /// An engine with all limits set, and without any code yet.
    pub(crate) fn start(
        name: &'s str,
        sources: &'s BTreeMap<String, String>,
        limits: &'s Limits,
        (host, clock): (Arc<dyn Host>, Arc<Clock>),
    ) -> Result<Self, ScriptError> {
        let full = |_| ScriptError::OutOfMemory { script: name.to_owned(), bytes: limits.memory };
        let runtime = Runtime::new().map_err(full)?;
        runtime.set_memory_limit(limits.memory);
        runtime.set_max_stack_size(limits.stack);
        let run = Arc::new(Run::new(host, clock, limits.clone()));
        let watched = Arc::clone(&run);
        runtime.set_interrupt_handler(Some(Box::new(move || watched.must_stop())));
        let context = Context::custom::<Language>(&runtime).map_err(full)?;
        Ok(Self { name, sources, limits, run, context })
    }

    /// Reads all scripts, and calls none.
    pub(crate) fn check(&self) -> Result<(), ScriptError> {
        self.run.clock.run();
        let checked = self.context.with(|ctx| self.load(&ctx).map(|_| ()));
        self.run.clock.pause();
        checked
    }

    /// Calls the script with these arguments.
    pub(crate) fn call(&self, args: Vec<Value>) -> Result<Value, ScriptError> {
        let args = Value::Array(args);
        if deeper_than(&args, self.limits.depth + 1) {
            return Err(self.too_large("the depth of its arguments", self.limits.depth, "levels"));
        }
        let args = args.to_string();
        if args.len() > self.limits.input_bytes {
            return Err(self.too_large("its input", self.limits.input_bytes, "bytes"));
        }
        let result = self.context.with(|ctx| {
            let scripts = self.load(&ctx)?;
            self.result(&ctx, &scripts, args).map_err(|error| self.blame(&ctx, &error))
        });
        // What a script caught must not make it a success.
        match self.run.fault() {
            Some(fault) => Err(self.of_fault(fault)),
            None => self.value(result?),
        }
    }

    /// The result as JSON; nothing for `undefined`.
    fn result<'js>(
        &self,
        ctx: &Ctx<'js>,
        scripts: &Object<'js>,
        args: String,
    ) -> Result<Option<String>, Error> {
        let function: Function<'js> = scripts.get(self.name)?;
        let args: Vec<Js<'js>> = ctx.json_parse(args)?.get()?;
        let mut result: Js<'js> = function.call((rquickjs::prelude::Rest(args),))?;
        if let Some(promise) = result.clone().into_promise() {
            result = self.run.settle(ctx, &promise)?;
        }
        let Some(json) = ctx.json_stringify(result)? else { return Ok(None) };
        json.to_string().map(Some)
    }

    fn value(&self, json: Option<String>) -> Result<Value, ScriptError> {
        let Some(json) = json else { return Ok(Value::Null) };
        if json.len() > self.limits.output_bytes {
            return Err(self.too_large("its result", self.limits.output_bytes, "bytes"));
        }
        let too_deep = || self.too_large("the depth of its result", self.limits.depth, "levels");
        // The engine writes JSON; what cannot be read is beyond the parser's own depth.
        let value: Value = serde_json::from_str(&mend_surrogates(&json)).map_err(|_| too_deep())?;
        if deeper_than(&value, self.limits.depth) { Err(too_deep()) } else { Ok(value) }
    }

    /// Locks the engine and evaluates every script; gives the object that holds their functions.
    fn load<'js>(&self, ctx: &Ctx<'js>) -> Result<Object<'js>, ScriptError> {
        let prepare = || {
            ctx.eval::<(), _>(include_str!("engine/lock.js"))?;
            helpers::install(ctx)?;
            run::install(ctx, &self.run)?;
            let scripts = Object::new(ctx.clone())?;
            scripts.set_prototype(None)?;
            ctx.globals().set("scripts", scripts.clone())?;
            Ok(scripts)
        };
        let scripts: Object<'js> = prepare().map_err(|error| self.blame(ctx, &error))?;
        for (name, code) in self.sources {
            let code = code.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
            let mut options = EvalOptions::default();
            options.filename = Some(name.clone());
            // On one line with its beginning, so that lines count from 1. The end may be a comment.
            let found = ctx.eval_with_options::<Js<'js>, _>(format!("({code}\n)"), options);
            let found = found.map_err(|error| self.misread(ctx, name, &error))?;
            let function = found.into_function().ok_or_else(|| ScriptError::Syntax {
                script: name.clone(),
                line: 1,
                message: "the code gives no function".to_owned(),
            })?;
            scripts.set(name.as_str(), function).map_err(|error| self.blame(ctx, &error))?;
        }
        Ok(scripts)
    }

    fn too_large(&self, what: &'static str, limit: usize, unit: &str) -> ScriptError {
        ScriptError::TooLarge { script: self.name.to_owned(), what, limit: format!("{limit} {unit}") }
    }

    fn of_fault(&self, fault: Fault) -> ScriptError {
        let script = self.name.to_owned();
        match fault {
            Fault::Time => {
                let millis = u64::try_from(self.limits.time.as_millis()).unwrap_or(u64::MAX);
                ScriptError::TimedOut { script, millis }
            }
            Fault::Calls => ScriptError::TooManyCalls { script, limit: self.limits.host_calls },
        }
    }
}
