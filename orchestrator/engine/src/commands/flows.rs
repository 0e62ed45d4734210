//! Looking at flows, starting, pausing, stopping and deleting them, and following what they do.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use sluice_domain::{Counters, Flow, FlowId, Intent, Owned, StepRun, TenantName};
use sluice_planner::graph;
use sluice_ports::failpoint;
use sluice_ports::runtime::LogLine;
use sluice_protocol::ComponentName;
use tokio::sync::broadcast;

use crate::table::{LiveFlow, Snapshot};
use crate::views::{DeploymentStatus, FlowStatus, FlowView, StepView};
use crate::{CommandError, Engine, FlowRef, hooks};

/// A line that a component of a flow wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The component.
    pub component: ComponentName,
    /// The line.
    pub line: LogLine,
}

impl Engine {
    /// All flows, or those of one tenant, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn flows(&self, tenant: Option<&TenantName>) -> Result<Vec<FlowView>, CommandError> {
        let snapshot = self.core.snapshot();
        let sees = |flow: &&Flow| tenant.is_none() || flow.name.is_of(tenant);
        let mut flows: Vec<&Flow> = snapshot.flows.values().filter(sees).collect();
        flows.sort_by(|a, b| a.name.cmp(&b.name));
        let mut counters = self.core.ports.store.all_counters().await?;
        let mut views = Vec::with_capacity(flows.len());
        for flow in flows {
            let counters = counters.remove(&flow.id).unwrap_or_default();
            views.push(self.view(flow.clone(), counters, false).await?);
        }
        Ok(views)
    }

    /// One flow, with what waits in its lanes.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub async fn flow(&self, flow: &FlowRef) -> Result<FlowView, CommandError> {
        let flow = self.resolve(flow)?;
        let counters = self.core.ports.store.counters(flow.id).await?;
        self.view(flow, counters, true).await
    }

    async fn view(&self, flow: Flow, counters: Counters, with_lanes: bool) -> Result<FlowView, CommandError> {
        let snapshot = self.core.snapshot();
        let Some(live) = snapshot.current(flow.id) else {
            return Err(CommandError::not_found("version of flow", &flow.name));
        };
        let mut steps = Vec::new();
        for (id, step) in &live.compiled.steps {
            // A quiet step has no lane of its own in which anything could wait.
            let depth = if with_lanes && self.core.table.placements().is_own(&step.lane) {
                self.core.ports.broker.depth(step.lane.as_str()).await.ok().flatten()
            } else {
                None
            };
            steps.push(StepView {
                id: id.clone(),
                uses: format!("{}/{}", step.deployment.component, step.function),
                deployment: step.deployment.id,
                waiting: depth.map(|depth| depth.ready),
            });
        }
        let (status, mut reasons) = self.status(&flow, live, &snapshot);
        for step in hooks::steps(live) {
            if let Some(why) = self.core.hooks.troubles().of(flow.id, step) {
                reasons.push(format!("the sender to webhook {step} is not told of its URL: {why}"));
            }
        }
        Ok(FlowView { status, reasons, steps, counters, graph: graph(&live.compiled), flow })
    }

    /// How a flow stands, and why.
    pub(super) fn status(
        &self,
        flow: &Flow,
        live: &LiveFlow,
        snapshot: &Snapshot,
    ) -> (FlowStatus, Vec<String>) {
        let crowded = snapshot.crowded.contains(&flow.id);
        let steps = live.compiled.steps.values().filter(|step| snapshot.waits(step));
        let waiting: BTreeSet<_> = steps.filter_map(|step| step.instance.as_ref()).collect();
        let states = self.core.deployments();
        let needed: BTreeSet<_> = live.compiled.deployments().into_iter().map(|spec| spec.id).collect();
        let mut reasons = Vec::new();
        let (mut failing, mut starting, mut there) = (false, false, false);
        for id in &needed {
            let Some(state) = states.get(id) else {
                starting = true;
                continue;
            };
            there = true;
            match state.status {
                DeploymentStatus::Running
                | DeploymentStatus::Idle
                | DeploymentStatus::Stopping
                | DeploymentStatus::Attached => {}
                DeploymentStatus::Starting | DeploymentStatus::Attaching => starting = true,
                DeploymentStatus::CrashLoop => failing = true,
            }
            if let Some(reason) = &state.reason {
                reasons.push(format!("{}: {reason}", state.spec.component));
            }
        }
        let status = match flow.intent {
            Intent::Delete | Intent::Discard => FlowStatus::Deleting,
            Intent::Stop if there && !starting => FlowStatus::Stopping,
            Intent::Stop => FlowStatus::Stopped,
            Intent::Pause => FlowStatus::Paused,
            Intent::Run if failing => FlowStatus::Degraded,
            Intent::Run if starting => FlowStatus::Starting,
            Intent::Run if !waiting.is_empty() => FlowStatus::Parked,
            Intent::Run if crowded => FlowStatus::Crowded,
            Intent::Run => FlowStatus::Running,
        };
        for instance in waiting {
            reasons.push(format!(
                "instance {instance} has to be authorised (`sluice instance authorize {instance}`); inputs wait until then"
            ));
        }
        if !matches!(status, FlowStatus::Paused | FlowStatus::Stopped) {
            reasons.extend(self.broker_trouble());
        }
        if crowded {
            reasons.push("too much waits in its lanes, so its triggers pause".to_owned());
        }
        (status, reasons)
    }

    /// Says what is wanted of a flow. The reconciler brings it about.
    ///
    /// # Errors
    /// When there is none, or it is being deleted.
    pub async fn set_intent(&self, flow: &FlowRef, intent: Intent) -> Result<Flow, CommandError> {
        let flow = flow.clone();
        self.to_its_end(move |engine| async move { engine.set_intent_now(&flow, intent).await }).await
    }

    async fn set_intent_now(&self, flow: &FlowRef, intent: Intent) -> Result<Flow, CommandError> {
        let flow = self.resolve(flow)?;
        if flow.intent.is_end() && !intent.is_end() {
            return Err(CommandError::conflict(
                "flow_deleting",
                format!("flow {} is being deleted", flow.name),
            ));
        }
        // What is thrown away already is not waited for any more.
        if flow.intent != Intent::Discard {
            self.change_intents(&[flow.id], intent).await?;
            self.core.wake.notify_one();
        }
        // One that is thrown away may be gone already.
        Ok(self.resolve(&FlowRef::Id(flow.id)).unwrap_or(Flow { intent, ..flow }))
    }

    /// As [`set_intent`](Self::set_intent) of many flows at once, for a caller that holds the lock.
    pub(crate) async fn change_intents(&self, flows: &[FlowId], intent: Intent) -> Result<(), CommandError> {
        let now = self.core.ports.clock.now();
        let mut stored = Vec::with_capacity(flows.len());
        let outcome = self.store_intents(flows, (intent, now), &mut stored).await;
        self.core.table.change(|snapshot| {
            for id in &stored {
                if let Some(flow) = snapshot.flows.get_mut(id) {
                    flow.intent = intent;
                    flow.updated_at = now;
                }
            }
        });
        outcome
    }

    /// Stores what is wanted of flows. The first that cannot be stored is the last that is tried.
    async fn store_intents(
        &self,
        flows: &[FlowId],
        (intent, now): (Intent, DateTime<Utc>),
        stored: &mut Vec<FlowId>,
    ) -> Result<(), CommandError> {
        for flow in flows {
            self.core.ports.store.set_intent(*flow, intent, now).await?;
            stored.push(*flow);
            failpoint::pass("intent_after_store").await;
        }
        Ok(())
    }

    /// What the components of a flow wrote: lines that name the flow, and those that name none.
    ///
    /// # Errors
    /// When there is no such flow, or the container engine does not answer.
    pub async fn flow_logs(
        &self,
        flow: &FlowRef,
        tail: u32,
        follow: bool,
    ) -> Result<BoxStream<'static, LogEntry>, CommandError> {
        let flow = self.resolve(flow)?;
        let snapshot = self.core.snapshot();
        let live = snapshot
            .current(flow.id)
            .ok_or_else(|| CommandError::not_found("version of flow", &flow.name))?;
        let containers: Vec<(ComponentName, String)> = {
            let states = self.core.deployments();
            let states = live.compiled.deployments().into_iter().filter_map(|spec| states.get(&spec.id));
            let running = states.filter_map(|state| {
                Some((state.spec.component.clone(), state.container.as_ref()?.name.clone()))
            });
            running.collect()
        };
        let mut streams = Vec::new();
        for (component, name) in containers {
            let id = flow.id.to_string();
            let lines = self.core.ports.runtime.logs(&name, tail, follow).await?;
            let mine = lines.filter(move |line| {
                let foreign = line.text.contains("flow_") && !line.text.contains(&id);
                std::future::ready(!foreign)
            });
            streams.push(mine.map(move |line| LogEntry { component: component.clone(), line }).boxed());
        }
        Ok(stream::select_all(streams).boxed())
    }

    /// Follows the step runs of all flows as history records them.
    #[must_use]
    pub fn tail(&self) -> broadcast::Receiver<StepRun> {
        self.core.recorder.tail()
    }

    /// The flows of a tenant.
    #[must_use]
    pub fn flow_ids(&self, tenant: &TenantName) -> Vec<FlowId> {
        let snapshot = self.core.snapshot();
        let of_tenant = snapshot.flows.values().filter(|flow| flow.name.is_of(Some(tenant)));
        of_tenant.map(|flow| flow.id).collect()
    }

    /// Whether a flow is there and a tenant's.
    #[must_use]
    pub fn is_flow_of(&self, flow: FlowId, tenant: &TenantName) -> bool {
        self.core.snapshot().flows.get(&flow).is_some_and(|flow| flow.name.is_of(Some(tenant)))
    }

    /// The id of the flow that a reference means.
    ///
    /// # Errors
    /// When there is no such flow.
    pub fn flow_id(&self, flow: &FlowRef) -> Result<FlowId, CommandError> {
        Ok(self.resolve(flow)?.id)
    }
}
