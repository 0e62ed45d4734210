//! The three kinds of functions, and how the SDK holds them without their types.
//!
//! A function is *bound* to a config once per assignment: the config is parsed then, not for every message. What
//! remains is a closure over JSON that the runner calls.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{Context, Emitter, Error, Outputs};

/// A function that processes inputs. Implement `run` as an `async fn`.
pub trait Action: Send + Sync + 'static {
    /// The step's config.
    type Config: DeserializeOwned + Send + Sync + 'static;
    /// One input; `serde_json::Value` takes anything, `Box<RawValue>` anything to the letter.
    type Input: DeserializeOwned + Send + 'static;

    /// Processes one input. Runs are concurrent up to the step's concurrency; a run that exceeds the step's timeout is
    /// dropped where it awaits.
    fn run(
        &self,
        cx: &Context,
        config: &Self::Config,
        input: Self::Input,
    ) -> impl Future<Output = Result<Outputs, Error>> + Send;
}

/// A trigger that is asked on a schedule. Implement `poll` as an `async fn`.
pub trait PollingTrigger: Send + Sync + 'static {
    /// The step's config.
    type Config: DeserializeOwned + Send + Sync + 'static;

    /// Looks for what is new since `state`, the cursor that the last poll returned.
    fn poll(
        &self,
        cx: &Context,
        config: &Self::Config,
        state: Option<Value>,
    ) -> impl Future<Output = Result<Polled, Error>> + Send;
}

/// A trigger that runs all the time and pushes. Implement `listen` as an `async fn`.
pub trait ListenerTrigger: Send + Sync + 'static {
    /// The step's config.
    type Config: DeserializeOwned + Send + Sync + 'static;

    /// Listens until [`Context::cancelled`]; when it returns or fails before that, it is started again after a while.
    fn listen(
        &self,
        cx: &Context,
        config: &Self::Config,
        emitter: Emitter,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// What a poll found.
#[derive(Debug, Clone, Default)]
pub struct Polled {
    pub(crate) outputs: Outputs,
    pub(crate) state: Option<Value>,
}

impl Polled {
    /// These messages; the cursor stays as it was.
    #[must_use]
    pub fn new(outputs: impl Into<Outputs>) -> Self {
        Self { outputs: outputs.into(), state: None }
    }

    /// The cursor that the next poll gets. It is stored once the messages are.
    #[must_use]
    pub fn state(mut self, state: impl Into<Value>) -> Self {
        self.state = Some(state.into());
        self
    }
}

/// What came out of one run.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    pub(crate) outputs: Outputs,
    pub(crate) state: Option<Value>,
}

/// An input as the runner hands it over.
#[derive(Debug)]
pub(crate) struct RawInput {
    pub(crate) body: Box<RawValue>,
    pub(crate) state: Option<Value>,
}

/// A function that runs once per input, bound to its config.
pub(crate) type Call =
    Arc<dyn Fn(Context, RawInput) -> BoxFuture<'static, Result<Finished, Error>> + Send + Sync>;
/// A listener, bound to its config.
pub(crate) type Listen = Arc<dyn Fn(Context, Emitter) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

type Bind<T> = Arc<dyn Fn(&Value) -> Result<T, Error> + Send + Sync>;

/// A function without its types.
#[derive(Clone)]
pub(crate) enum Function {
    Action(Bind<Call>),
    Polling(Bind<Call>),
    Listener(Bind<Listen>),
}

impl Function {
    pub(crate) fn action<A: Action>(action: A) -> Self {
        let action = Arc::new(action);
        Self::Action(Arc::new(move |config| {
            let (action, config) = (Arc::clone(&action), Arc::new(read_config::<A::Config>(config)?));
            Ok(Arc::new(move |cx, input: RawInput| {
                let (action, config) = (Arc::clone(&action), Arc::clone(&config));
                Box::pin(async move {
                    let input = read_input(input.body)?;
                    let outputs = action.run(&cx, &config, input).await?;
                    Ok(Finished { outputs, state: None })
                })
            }))
        }))
    }

    pub(crate) fn polling<P: PollingTrigger>(trigger: P) -> Self {
        let trigger = Arc::new(trigger);
        Self::Polling(Arc::new(move |config| {
            let (trigger, config) = (Arc::clone(&trigger), Arc::new(read_config::<P::Config>(config)?));
            Ok(Arc::new(move |cx, input: RawInput| {
                let (trigger, config) = (Arc::clone(&trigger), Arc::clone(&config));
                Box::pin(async move {
                    let Polled { outputs, state } = trigger.poll(&cx, &config, input.state).await?;
                    Ok(Finished { outputs, state })
                })
            }))
        }))
    }

    pub(crate) fn listener<L: ListenerTrigger>(trigger: L) -> Self {
        let trigger = Arc::new(trigger);
        Self::Listener(Arc::new(move |config| {
            let (trigger, config) = (Arc::clone(&trigger), Arc::new(read_config::<L::Config>(config)?));
            Ok(Arc::new(move |cx, emitter| {
                let (trigger, config) = (Arc::clone(&trigger), Arc::clone(&config));
                Box::pin(async move { trigger.listen(&cx, &config, emitter).await })
            }))
        }))
    }
}

/// A step without config has `null` for one; functions see an empty object then.
fn read_config<T: DeserializeOwned>(config: &Value) -> Result<T, Error> {
    let config = if config.is_null() { Value::Object(serde_json::Map::new()) } else { config.clone() };
    serde_json::from_value(config)
        .map_err(|error| Error::fatal("bad_config", format_args!("the step's config does not fit: {error}")))
}

fn read_input<T: DeserializeOwned + 'static>(body: Box<RawValue>) -> Result<T, Error> {
    // What a function takes to the letter is handed over instead of being read once more.
    let mut whole = Some(body);
    if let Some(input) = (&mut whole as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take) {
        return Ok(input);
    }
    let body = whole.expect("it was not taken");
    serde_json::from_str(body.get())
        .map_err(|error| Error::fatal("bad_input", format_args!("the input does not fit: {error}")))
}
