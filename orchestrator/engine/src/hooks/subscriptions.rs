//! Telling senders where to send: a webhook's `subscribe` is called when its flow runs, and `unsubscribe` when it stops,
//! goes, or has another URL.
//!
//! Level-triggered: what is wanted is compared with what the store knows, after every change and again later. A subscription
//! is noted before its sender is called, so that none is forgotten when the process dies meanwhile; then the sender may be
//! told twice. A new one is made before the old one of the same step ends, so that nothing falls between them.
//!
//! What polling triggers opened by themselves ends in the same way: see [`closing`](super::closing).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sluice_declarative::{Hook as Called, WebhookCall};
use sluice_domain::{FlowId, InstanceName, Intent, StepId};
use sluice_ports::store::Subscription;
use sluice_ports::{Fault, PortError, SealedSecret};
use sluice_protocol::FunctionName;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::closing::close_stopped;
use super::{open, steps};
use crate::core::Core;
use crate::gateway::hex;
use crate::{CommandError, Engine};

/// Senders that are called at a time.
const CALLS: usize = 8;
/// The first and the longest pause after a call that failed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(1800));
/// After so many failed calls a subscription that is not wanted any more is given up: some nine hours.
const ATTEMPTS: u32 = 28;
/// How often it is looked again without news.
const LOOK: Duration = Duration::from_secs(60);

/// Which subscription: the flow, the step and the fingerprint.
pub(super) type Key = (FlowId, StepId, String);

/// A subscription that should be.
struct Wanted {
    instance: InstanceName,
    subscribe: Called,
    unsubscribe: Option<Called>,
    config: Value,
    url: SecretString,
}

/// What was said and answered. It is stored sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) url: String,
    pub(super) secret: String,
    pub(super) config: Value,
    /// What `subscribe` gave, or a trigger opened by itself.
    #[serde(default)]
    pub(super) given: Value,
    /// That trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trigger: Option<FunctionName>,
}

/// What went wrong lately, by subscription.
#[derive(Debug, Default)]
pub(crate) struct Troubles(BTreeMap<Key, Trouble>);

#[derive(Debug)]
struct Trouble {
    attempts: u32,
    due: Instant,
    error: String,
}

impl Troubles {
    fn is_due(&self, key: &Key) -> bool {
        self.0.get(key).is_none_or(|trouble| trouble.due <= Instant::now())
    }

    fn next(&self) -> Option<Instant> {
        self.0.values().map(|trouble| trouble.due).min()
    }

    /// Notes a failed call, and says how many there were.
    fn note(&mut self, key: &Key, error: String) -> u32 {
        let attempts = self.0.get(key).map_or(0, |trouble| trouble.attempts) + 1;
        let pause = PAUSES.0.saturating_mul(1 << attempts.min(20)).min(PAUSES.1);
        self.0.insert(key.clone(), Trouble { attempts, due: Instant::now() + pause, error });
        attempts
    }

    /// What went wrong with a step lately.
    pub(crate) fn of(&self, flow: FlowId, step: &StepId) -> Option<&str> {
        let of_step = self.0.iter().find(|((of_flow, of_step, _), _)| *of_flow == flow && of_step == step);
        of_step.map(|(_, trouble)| trouble.error.as_str())
    }
}

/// Makes and ends subscriptions until `stop`.
pub(crate) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let mut changes = engine.core.table.changes();
    let mut closed = BTreeSet::new();
    loop {
        changes.mark_unchanged();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = settle(&engine, &mut closed) => if let Err(error) = done {
                warn!(error = crate::chain(&error), "cannot see to the subscriptions of webhooks");
            }
        }
        let next = engine.core.hooks.troubles().next().unwrap_or_else(|| Instant::now() + LOOK);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = changes.changed() => {}
            () = engine.core.hooks.changed.notified() => {}
            () = tokio::time::sleep_until(next.min(Instant::now() + LOOK)) => closed.clear(),
        }
    }
}

/// Does once what has to be done.
async fn settle(engine: &Engine, closed: &mut BTreeSet<FlowId>) -> Result<(), PortError> {
    let core = &engine.core;
    close_stopped(core, closed).await?;
    let wanted = wanted(core).await?;
    let kept = core.ports.store.subscriptions().await?;
    let kept: BTreeMap<Key, Subscription> =
        kept.into_iter().map(|one| ((one.flow, one.step.clone(), one.fingerprint.clone()), one)).collect();
    core.hooks.troubles().0.retain(|key, _| wanted.contains_key(key) || kept.contains_key(key));
    let is_due = |key: &Key| core.hooks.troubles().is_due(key);
    let mut calls: Vec<BoxFuture<'_, Option<Key>>> = Vec::new();
    for (key, one) in &wanted {
        let kept = kept.get(key);
        if !kept.is_some_and(|one| one.confirmed) && is_due(key) {
            calls.push(Box::pin(async move { subscribe(engine, key, one, kept).await.then(|| key.clone()) }));
        }
    }
    let calls = futures_util::stream::iter(calls).buffer_unordered(CALLS);
    let begun: BTreeSet<Key> = calls.filter_map(std::future::ready).collect().await;
    // An old one stays until the new one of the step is there.
    let replaced = |(flow, step, _): &Key| {
        wanted
            .keys()
            .filter(|(of_flow, of_step, _)| of_flow == flow && of_step == step)
            .all(|key| begun.contains(key) || kept.get(key).is_some_and(|one| one.confirmed))
    };
    let mut calls: Vec<BoxFuture<'_, ()>> = Vec::new();
    for (key, one) in &kept {
        if !wanted.contains_key(key) && replaced(key) && is_due(key) {
            calls.push(Box::pin(unsubscribe(engine, key, one)));
        }
    }
    futures_util::stream::iter(calls).buffer_unordered(CALLS).collect::<()>().await;
    Ok(())
}

/// What should be, by the flows that are to run.
async fn wanted(core: &Core) -> Result<BTreeMap<Key, Wanted>, PortError> {
    let (snapshot, now) = (core.snapshot(), core.ports.clock.now());
    let mut wanted = BTreeMap::new();
    for flow in snapshot.flows.values().filter(|flow| matches!(flow.intent, Intent::Run | Intent::Pause)) {
        let Some(live) = snapshot.current(flow.id) else { continue };
        let mut keys = None;
        for id in steps(live) {
            let Some(step) = live.compiled.steps.get(id) else { continue };
            let Ok(call) = serde_json::from_value::<WebhookCall>(step.config.clone()) else { continue };
            let (Some(subscribe), Some(instance)) = (call.webhook.subscribe, step.instance.clone()) else {
                continue;
            };
            let keys = match &keys {
                Some(keys) => keys,
                None => keys.insert(core.ports.store.hook_keys(flow.id).await?),
            };
            // The newest comes first; one that retires is on its way out.
            let newest =
                keys.iter().find(|key| key.step == *id && key.works(now) && key.retires_at.is_none());
            let Some(key) = newest else { continue };
            let url = open(core, key)?;
            let base = core.settings.public_url.trim_end_matches('/');
            let one = Wanted {
                instance,
                subscribe,
                unsubscribe: call.webhook.unsubscribe,
                config: call.config,
                url: format!("{base}/hooks/{}", url.expose_secret()).into(),
            };
            wanted.insert((flow.id, id.clone(), fingerprint(&one)), one);
        }
    }
    Ok(wanted)
}

/// A hash of everything that a subscription depends on.
fn fingerprint(one: &Wanted) -> String {
    let what = json!([one.instance, one.subscribe, one.unsubscribe, one.config]);
    let mut hash = Sha256::new();
    hash.update(what.to_string());
    // Only a hash of the URL, so that the text says nothing of it.
    hash.update(super::hash(one.url.expose_secret()));
    hex(&hash.finalize()[..16])
}

/// Tells the sender. True when it has confirmed.
async fn subscribe(engine: &Engine, key: &Key, one: &Wanted, kept: Option<&Subscription>) -> bool {
    let core = &engine.core;
    let outcome = async {
        let mut said = match kept.and_then(|kept| unseal(core, key, &kept.sealed)) {
            Some(said) => said,
            None => Said {
                url: one.url.expose_secret().to_owned(),
                // Text of a kind that is a secret as it is and as base 64.
                secret: hex(&core.ports.entropy.secret()),
                config: one.config.clone(),
                given: Value::Null,
                trigger: None,
            },
        };
        let unsubscribe = one.unsubscribe.as_ref().map(|hook| json!(hook).to_string());
        let kept = |said: &Said, confirmed| -> Result<Subscription, PortError> {
            Ok(Subscription {
                flow: key.0,
                step: key.1.clone(),
                fingerprint: key.2.clone(),
                instance: one.instance.clone(),
                unsubscribe: unsubscribe.clone(),
                confirmed,
                sealed: seal(core, key, said)?,
                created_at: core.ports.clock.now(),
            })
        };
        core.ports.store.put_subscription(&kept(&said, false)?).await?;
        let input = json!({
            "url": said.url, "secret": said.secret, "config": said.config,
            "flow": key.0.to_string(), "step": key.1,
        });
        let given = engine.invoke_hook(&one.instance, &one.subscribe, input).await?;
        said.given = given.into_iter().next_back().unwrap_or_default();
        Ok::<_, CommandError>(core.ports.store.put_subscription(&kept(&said, true)?).await?)
    };
    match outcome.await {
        Ok(()) => {
            core.hooks.troubles().0.remove(key);
            info!(flow.id = %key.0, step.id = %key.1, "the sender of a webhook knows its URL");
            true
        }
        Err(error) => {
            let error = crate::chain(&error);
            warn!(flow.id = %key.0, step.id = %key.1, error, "the sender of a webhook does not know its URL; trying again");
            core.hooks.troubles().note(key, error);
            false
        }
    }
}

/// Tells the sender to stop, and forgets the subscription when it did or never will.
async fn unsubscribe(engine: &Engine, key: &Key, one: &Subscription) {
    let core = &engine.core;
    let ended = async {
        let hook = one.unsubscribe.as_deref().map(serde_json::from_str::<Called>);
        let Some(Ok(hook)) = hook else { return Ok(()) };
        let Some(said) = unseal(core, key, &one.sealed) else { return Ok(()) };
        if core.ports.store.instance(&one.instance).await?.is_none() {
            warn!(flow.id = %key.0, step.id = %key.1, instance.name = %one.instance, "the instance is gone, so its service goes on calling a URL that is none");
            return Ok(());
        }
        let mut input = json!({ "config": said.config, "flow": key.0.to_string(), "step": key.1 });
        match said.trigger {
            Some(trigger) => {
                input["trigger"] = trigger.to_string().into();
                input["opened"] = said.given;
            }
            None => {
                input["url"] = said.url.into();
                input["subscription"] = said.given;
            }
        }
        engine.invoke_hook(&one.instance, &hook, input).await.map(|_| ())
    };
    if let Err(error) = ended.await {
        let error = crate::chain(&error);
        warn!(flow.id = %key.0, step.id = %key.1, error, "a subscription cannot be ended; trying again");
        if core.hooks.troubles().note(key, error) < ATTEMPTS {
            return;
        }
        warn!(flow.id = %key.0, step.id = %key.1, "a subscription cannot be ended; given up");
    }
    match core.ports.store.remove_subscription(key.0, &key.1, &key.2).await {
        Ok(()) => {
            core.hooks.troubles().0.remove(key);
        }
        Err(error) => warn!(error = crate::chain(&error), "cannot forget a subscription"),
    }
}

/// The secrets that requests to a step may be signed with: what was said, or what the sender gave instead.
pub(crate) async fn secrets(
    core: &Core,
    flow: FlowId,
    step: &StepId,
) -> Result<Vec<SecretString>, PortError> {
    let of_flow = core.ports.store.subscriptions_of(flow).await?;
    let of_step = of_flow.iter().filter(|one| one.step == *step);
    let said = of_step
        .filter_map(|one| unseal(core, &(one.flow, one.step.clone(), one.fingerprint.clone()), &one.sealed));
    Ok(said
        .map(|said| match said.given.get("signing_secret").and_then(Value::as_str) {
            Some(secret) => secret.into(),
            None => said.secret.into(),
        })
        .collect())
}

fn place(key: &Key) -> [String; 4] {
    ["subscription".to_owned(), key.0.to_string(), key.1.to_string(), key.2.clone()]
}

pub(super) fn seal(core: &Core, key: &Key, said: &Said) -> Result<SealedSecret, PortError> {
    let text = serde_json::to_string(said).expect("it is plain JSON");
    let place = place(key);
    let sealed = core.ports.vault.seal(
        &super::key::tenant_of(core, key.0),
        &place.each_ref().map(String::as_str),
        &text.into(),
    );
    sealed.map_err(|error| PortError::new(Fault::Permanent, "seal a subscription", error))
}

fn unseal(core: &Core, key: &Key, sealed: &SealedSecret) -> Option<Said> {
    let place = place(key);
    match core.ports.vault.open(&place.each_ref().map(String::as_str), sealed) {
        Ok(text) => serde_json::from_str(text.expose_secret()).ok(),
        Err(error) => {
            warn!(flow.id = %key.0, step.id = %key.1, %error, "what a sender was told cannot be opened");
            None
        }
    }
}

/// What a subscription holds, sealed with another key of the vault.
pub(crate) fn seal_anew(
    core: &Core,
    (flow, step, fingerprint): (FlowId, &StepId, &str),
    old: &SealedSecret,
) -> Result<SealedSecret, PortError> {
    let key = (flow, step.clone(), fingerprint.to_owned());
    let damaged = || PortError::new(Fault::Permanent, "seal a subscription anew", "it cannot be opened");
    seal(core, &key, &unseal(core, &key, old).ok_or_else(damaged)?)
}
