//! Action `act`: does what it is told, however bad.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sluice_sdk::{Action, Context, Error, Output, Outputs};

use crate::dial::Dial;
use crate::reach::{self, Reach};

pub(crate) struct Act;

/// What to do. The input may say it, else the config does.
#[derive(Clone, Deserialize)]
pub(crate) struct Order {
    #[serde(flatten)]
    deed: Deed,
    /// Misbehave only while the attempt is at most this.
    times: Option<u32>,
}

#[derive(Clone, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Deed {
    Ok,
    Slow {
        ms: u64,
    },
    Error {
        #[serde(default)]
        retryable: bool,
        code: Option<String>,
        retry_after: Option<u64>,
    },
    Rebound,
    Exit {
        code: i32,
    },
    Abort,
    Hang,
    Spin,
    Panic,
    Flood {
        count: u64,
        #[serde(default)]
        bytes: usize,
        #[serde(default)]
        stream: bool,
    },
    Oom {
        mib: usize,
    },
    /// Connects by itself, past the proxy, or asks the proxy with a password of its own.
    Dial(Dial),
    /// Tries to reach another container, past everything.
    Reach(Reach),
    /// Listens for what others send, on a port and the one above it.
    Listen {
        port: u16,
    },
    /// Says who was heard there.
    Heard,
}

/// What a step does where its input does not say it.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Usual(Option<Order>);

impl TryFrom<Value> for Usual {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let order = value.get("do").is_some().then(|| serde_json::from_value(value));
        order.transpose().map(Self)
    }
}

impl Action for Act {
    type Config = Usual;
    type Input = Box<RawValue>;

    async fn run(&self, cx: &Context, config: &Usual, input: Box<RawValue>) -> Result<Outputs, Error> {
        let own = own(&input)?;
        match own.as_ref().or(config.0.as_ref()) {
            Some(order) if order.times.is_none_or(|times| cx.attempt() <= times) => {
                carry_out(order.deed.clone(), cx, input).await
            }
            _ => Ok(Output::raw(input).into()),
        }
    }
}

/// The order that an input is itself.
fn own(input: &RawValue) -> Result<Option<Order>, Error> {
    if !input.get().contains("\"do\"") {
        return Ok(None);
    }
    let usual: Usual = serde_json::from_str(input.get()).map_err(|error| Error::fatal("bad_input", error))?;
    Ok(usual.0)
}

async fn carry_out(deed: Deed, cx: &Context, input: Box<RawValue>) -> Result<Outputs, Error> {
    match deed {
        Deed::Ok => Ok(Output::raw(input).into()),
        Deed::Slow { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(Output::raw(input).into())
        }
        Deed::Error { retryable, code, retry_after } => Err(failure(retryable, code.as_deref(), retry_after)),
        Deed::Rebound => Err(Error::rebound("later", "asked for it again")),
        Deed::Exit { code } => std::process::exit(code),
        Deed::Abort => std::process::abort(),
        Deed::Hang => loop {
            std::thread::park();
        },
        Deed::Spin => loop {
            std::hint::spin_loop();
        },
        Deed::Panic => panic!("as asked"),
        Deed::Flood { count, bytes, stream } => flood(cx, count, bytes, stream).await,
        Deed::Dial(dial) => Ok(Outputs::one(dial.carry_out(cx).await)),
        Deed::Reach(reach) => {
            let found = tokio::task::spawn_blocking(move || reach.carry_out()).await;
            Ok(Outputs::one(found.map_err(|error| Error::fatal("not_tried", error))?))
        }
        Deed::Listen { port } => {
            reach::listen(port).map_err(|error| Error::fatal("not_listening", error))?;
            Ok(Outputs::one(json!({ "port": port })))
        }
        Deed::Heard => Ok(Outputs::one(reach::heard())),
        Deed::Oom { mib } => {
            std::mem::forget(vec![1u8; mib * 1024 * 1024]);
            Ok(Outputs::one(input))
        }
    }
}

fn failure(retryable: bool, code: Option<&str>, retry_after: Option<u64>) -> Error {
    let code = code.unwrap_or("as_asked");
    let error = if retryable {
        Error::retryable(code, "failed as asked")
    } else {
        Error::fatal(code, "failed as asked")
    };
    match retry_after {
        Some(seconds) => error.retry_after(Duration::from_secs(seconds)),
        None => error,
    }
}

async fn flood(cx: &Context, count: u64, bytes: usize, stream: bool) -> Result<Outputs, Error> {
    let filler = "x".repeat(bytes);
    let output = |n: u64| Output::new(json!({ "n": n, "filler": filler }));
    if !stream {
        return Ok((0..count).map(output).collect());
    }
    for n in 0..count {
        cx.emit(output(n)).await?;
    }
    Ok(Outputs::none())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_sdk::testing::Harness;

    #[tokio::test]
    async fn without_an_order_it_passes_the_input_on() {
        let outputs =
            Harness::new(crate::component()).action("act", json!({}), json!({ "a": 1 })).await.unwrap();
        assert_eq!(outputs[0].body.get(), r#"{"a":1}"#);
    }

    #[tokio::test]
    async fn it_fails_only_as_many_times_as_asked() {
        let order = json!({ "do": "error", "retryable": true, "times": 1 });
        let error =
            Harness::new(crate::component()).action("act", order.clone(), json!({})).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), ("as_asked", true));
        assert!(Harness::new(crate::component()).attempt(2).action("act", order, json!({})).await.is_ok());
    }

    #[tokio::test]
    async fn a_flood_has_as_many_outputs_as_asked() {
        for stream in [true, false] {
            let order = json!({ "do": "flood", "count": 1500, "bytes": 10, "stream": stream });
            let outputs = Harness::new(crate::component()).action("act", json!({}), order).await.unwrap();
            assert_eq!(outputs.len(), 1500);
        }
    }
}
