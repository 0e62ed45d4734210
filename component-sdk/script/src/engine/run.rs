//! What happens around a call: its time, its calls of the host, its lines of the log.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rquickjs::prelude::{Opt, Rest};
use rquickjs::{Coerced, Ctx, Error, Exception, Function, Object, Promise, Value as Js};
use serde_json::Value;

use crate::clock::Clock;
use crate::host::{Host, HostError};
use crate::limits::Limits;
use crate::value::{deeper_than, mend_surrogates};

/// Longest line of the log, in bytes.
const LINE: usize = 1024;

/// A limit that ends a call, whatever the script makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Time,
    Calls,
}

/// A call under way.
pub(crate) struct Run {
    host: Arc<dyn Host>,
    pub(crate) clock: Arc<Clock>,
    limits: Limits,
    fault: Mutex<Option<Fault>>,
    calls: AtomicUsize,
    lines: AtomicUsize,
}

impl Run {
    pub(crate) fn new(host: Arc<dyn Host>, clock: Arc<Clock>, limits: Limits) -> Self {
        let (calls, lines) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { host, clock, limits, fault: Mutex::new(None), calls, lines }
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, fault: Fault) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }

    /// Whether the engine has to stop now.
    pub(crate) fn must_stop(&self) -> bool {
        if self.clock.computed() > self.limits.time {
            self.note(Fault::Time);
        }
        self.fault().is_some()
    }

    /// Does what waits until the promise is settled.
    pub(crate) fn settle<'js>(&self, ctx: &Ctx<'js>, promise: &Promise<'js>) -> Result<Js<'js>, Error> {
        loop {
            if let Some(result) = promise.result() {
                return result;
            }
            if self.must_stop() {
                return Err(Exception::throw_internal(ctx, "interrupted"));
            }
            if !ctx.execute_pending_job() {
                return Err(Exception::throw_type(ctx, "the promise that the script gave is never settled"));
            }
        }
    }

    fn invoke<'js>(&self, ctx: &Ctx<'js>, action: &str, input: Js<'js>) -> Result<Js<'js>, Error> {
        if self.calls.fetch_add(1, Ordering::Relaxed) >= self.limits.host_calls {
            self.note(Fault::Calls);
            return Err(Exception::throw_range(ctx, "too many calls of other actions"));
        }
        let json =
            ctx.json_stringify(input)?.map_or_else(|| Ok("null".to_owned()), |json| json.to_string())?;
        let input = (json.len() <= self.limits.input_bytes)
            .then(|| serde_json::from_str::<Value>(&mend_surrogates(&json)).ok())
            .flatten()
            .filter(|input| !deeper_than(input, self.limits.depth))
            .ok_or_else(|| Exception::throw_range(ctx, "the input of the action is too large"))?;
        self.clock.pause();
        let answer = self.host.invoke(action, input);
        self.clock.run();
        let answer = answer.map_err(|error| thrown(ctx, &error))?.to_string();
        if answer.len() > self.limits.input_bytes {
            return Err(Exception::throw_range(ctx, "the result of the action is too large"));
        }
        ctx.json_parse(answer)
    }

    fn log(&self, words: &[String]) {
        if self.lines.fetch_add(1, Ordering::Relaxed) < self.limits.log_lines {
            let mut line = words.join(" ").replace(|c: char| c.is_control(), " ");
            let end = (0..=LINE.min(line.len())).rev().find(|end| line.is_char_boundary(*end));
            line.truncate(end.unwrap_or_default());
            self.host.log(&line);
        }
    }
}

fn thrown(ctx: &Ctx<'_>, error: &HostError) -> Error {
    match Exception::from_message(ctx.clone(), &error.message) {
        Ok(exception) => match exception.as_object().set("code", error.code.as_str()) {
            Ok(()) => exception.throw(),
            Err(error) => error,
        },
        Err(error) => error,
    }
}

/// Puts `invoke` and `console` into the global object.
pub(crate) fn install<'js>(ctx: &Ctx<'js>, run: &Arc<Run>) -> Result<(), Error> {
    let asked = Arc::clone(run);
    let invoke = move |ctx: Ctx<'js>, action: String, input: Opt<Js<'js>>| {
        let input = input.0.unwrap_or_else(|| Js::new_undefined(ctx.clone()));
        asked.invoke(&ctx, &action, input)
    };
    ctx.globals().set("invoke", Function::new(ctx.clone(), invoke)?)?;
    let console = Object::new(ctx.clone())?;
    for level in ["log", "debug", "info", "warn", "error"] {
        let told = Arc::clone(run);
        let log = move |ctx: Ctx<'js>, values: Rest<Js<'js>>| {
            let words: Result<Vec<String>, Error> =
                values.0.into_iter().map(|value| word(&ctx, value)).collect();
            words.map(|words| told.log(&words))
        };
        console.set(level, Function::new(ctx.clone(), log)?)?;
    }
    ctx.globals().set("console", console)
}

/// A value in words: a text as it is, lists and objects as JSON.
fn word<'js>(ctx: &Ctx<'js>, value: Js<'js>) -> Result<String, Error> {
    if value.is_object() && !value.is_error() && !value.is_function() {
        return ctx.json_stringify(value)?.map_or_else(|| Ok(String::new()), |json| json.to_string());
    }
    value.get::<Coerced<String>>().map(|text| text.0)
}
