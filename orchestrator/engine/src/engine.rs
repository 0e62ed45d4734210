//! The engine: loads the flows, starts the loops, ends them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sluice_domain::topology::{self, SHARDS};
use sluice_ports::{Fault, PortError, Ports};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, info, info_span, warn};

use crate::attachments::Attachments;
use crate::authorizations::{self, Authorizations};
use crate::core::Core;
use crate::egress::Egress;
use crate::events::News;
use crate::hooks::Hooks;
use crate::installed::Installed;
use crate::invocations::Invocations;
use crate::metered::Metered;
use crate::recorder::Recorder;
use crate::replies::Replies;
use crate::router::returns;
use crate::router::shard::{self, ShardContext};
use crate::router::trace::Share;
use crate::router::worker::{Exits, Workers};
use crate::survey::{self, Survey};
use crate::table::{LiveFlow, Table};
use crate::{CommandError, Settings, backlog, events, hooks, keys, reconciler, scheduler, traces};

/// How long [`Engine::join`] waits for the loops.
const FAREWELL: Duration = Duration::from_secs(10);

/// The engine. Its methods are the commands that operators and components may give.
pub struct Engine {
    pub(crate) core: Arc<Core>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Engine {
    /// Loads the flows from the store and starts the loops, which run until `stop`.
    ///
    /// The broker and the container engine may be away: the loops wait for them.
    ///
    /// # Errors
    /// When the store cannot be read, the key file does not belong to it, or the worker threads cannot be started.
    pub async fn start(
        ports: Ports,
        settings: Settings,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, CommandError> {
        keys::prepare(&ports).await?;
        let tasks = TaskTracker::new();
        let table = Arc::new(load(&ports, &settings).await?);
        let exits = Exits::default();
        let (recorder, recording) = Recorder::new(ports.clone(), settings.retention, stop.clone());
        tasks.spawn(recording.instrument(info_span!("recorder")));
        if let Some(sink) = ports.spans.clone() {
            let (inbox, meters) = (recorder.outbox().open(), recorder.meters().clone());
            tasks.spawn(traces::run(sink, inbox, meters, stop.clone()).instrument(info_span!("traces")));
        }
        let broker = Arc::new(Metered::new(ports.broker.clone(), recorder.meters().clone()));
        let ports = Ports { broker, ..ports };
        let (invocations, replies) = (Invocations::default(), Replies::default());
        let traced = Share::new(ports.spans.is_some().then_some(settings.traced));
        let workers = Workers::start(&settings, &exits, &invocations, traced)
            .map_err(|error| PortError::new(Fault::Permanent, "start the router's threads", error))?;
        let hooks = Hooks::start()
            .map_err(|error| PortError::new(Fault::Permanent, "start the threads of webhooks", error))?;
        let core = Arc::new(Core {
            ports: ports.clone(),
            table: table.clone(),
            recorder: recorder.clone(),
            exits,
            invocations,
            attachments: Attachments::default(),
            replies: replies.clone(),
            authorizations: Authorizations::default(),
            egress: Egress::default(),
            installed: Installed::default(),
            news: News::default(),
            hooks,
            deployments: Mutex::new(BTreeMap::new()),
            contacts: Mutex::new(HashMap::new()),
            survey: Survey::default(),
            wake: tokio::sync::Notify::new(),
            unconfirmed: Mutex::default(),
            changing: Arc::default(),
            started: Instant::now(),
            settings,
        });
        let (parked, found) = tokio::sync::mpsc::unbounded_channel();
        let prefetch = core.settings.prefetch;
        let context = ShardContext { ports, table, workers, recorder, prefetch, parked, replies };
        let reports = authorizations::follow_reports(core.clone(), found, stop.clone());
        tasks.spawn(reports.instrument(info_span!("authorizations")));
        tasks.spawn(run_data_plane(core.clone(), context, tasks.clone(), stop.clone()));
        tasks.spawn(reconciler::run(core.clone(), stop.clone()).instrument(info_span!("reconciler")));
        tasks.spawn(scheduler::run(core.clone(), stop.clone()).instrument(info_span!("scheduler")));
        tasks.spawn(hooks::run(core.clone(), stop.clone()).instrument(info_span!("hooks")));
        tasks.spawn(events::run(core.clone(), stop.clone()).instrument(info_span!("events")));
        tasks.spawn(backlog::run(core.clone(), stop.clone()).instrument(info_span!("backlog")));
        tasks.spawn(survey::run(core.clone(), stop.clone()).instrument(info_span!("survey")));
        tasks.spawn(survey::usage::run(core.clone(), stop.clone()).instrument(info_span!("usage")));
        let engine = Arc::new(Self { core, tasks, stop: stop.clone() });
        let subscriptions = hooks::subscriptions::run(engine.clone(), stop);
        engine.tasks.spawn(subscriptions.instrument(info_span!("subscriptions")));
        Ok(engine)
    }

    /// Waits until the loops are done, for at most ten seconds. Call it after `stop` was cancelled.
    pub async fn join(&self) {
        self.tasks.close();
        if tokio::time::timeout(FAREWELL, self.tasks.wait()).await.is_err() {
            warn!("some loops did not end in time; what they held comes again");
        }
    }
}

/// Declares what every installation has, then starts the shards and the readers of what comes back.
async fn run_data_plane(core: Arc<Core>, context: ShardContext, tasks: TaskTracker, stop: CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => return,
        () = crate::task::persist("declare the base topology", || core.ports.broker.declare_base()) => {}
    }
    for number in 0..SHARDS {
        let span = info_span!("shard", number);
        tasks.spawn(shard::run(number, context.clone(), stop.clone()).instrument(span));
    }
    let (ports, table) = (&context.ports, &context.table);
    tasks.spawn(
        returns::run_due(ports.clone(), table.clone(), stop.clone()).instrument(info_span!("retries")),
    );
    for queue in [topology::UNROUTABLE, topology::DEAD] {
        let known = (table.clone(), context.recorder.meters().clone());
        let lost = returns::run_lost(queue, ports.clone(), known, stop.clone());
        tasks.spawn(lost.instrument(info_span!("lost", queue)));
    }
}

/// Loads all flows and all versions that are kept.
async fn load(ports: &Ports, settings: &Settings) -> Result<Table, CommandError> {
    let flows = ports.store.flows().await?;
    let versions = ports.store.versions().await?;
    let parked = authorizations::parked(ports).await?;
    let instances = ports.store.instances().await?;
    let table = Table::new(settings);
    table.placements().restore(ports.store.own_lanes().await?, ports.clock.now().timestamp_millis());
    table.change(|snapshot| {
        snapshot.parked = parked;
        let revisions = instances.into_iter().map(|instance| (instance.name, instance.revision));
        snapshot.revisions = Arc::new(revisions.collect());
        snapshot.flows = flows.into_iter().map(|flow| (flow.id, flow)).collect();
        for compiled in versions {
            let key = (compiled.id, compiled.version);
            match LiveFlow::load(compiled) {
                Ok(live) => {
                    snapshot.versions.insert(key, Arc::new(live));
                }
                Err(error) => error!(%error, "a stored flow cannot be loaded; its messages wait"),
            }
        }
        info!(flows = snapshot.flows.len(), versions = snapshot.versions.len(), "flows loaded");
    });
    Ok(table)
}
