//! Firing a trigger by hand.

use serde_json::Value;
use sluice_domain::compiled::CompiledStep;
use sluice_domain::{Intent, StepId};
use sluice_protocol::gateway::Role;
use sluice_protocol::{Headers, MessageId, Outcome, Output, Port, Status};

use crate::{CommandError, Engine, FlowRef, scheduler};

impl Engine {
    /// Fires a trigger of a flow: a polling one ticks at once; with a `body`, any trigger is taken to have emitted it.
    ///
    /// # Errors
    /// When there is no such flow or trigger, the flow does not run, or a tick is under way.
    pub async fn trigger(
        &self,
        flow: &FlowRef,
        step: Option<&StepId>,
        body: Option<Value>,
    ) -> Result<MessageId, CommandError> {
        let flow = self.resolve(flow)?;
        if flow.intent != Intent::Run {
            let text =
                format!("flow {} does not run (its intent is {}); start it first", flow.name, flow.intent);
            return Err(CommandError::conflict("flow_not_running", text));
        }
        let snapshot = self.core.snapshot();
        let live = snapshot
            .current(flow.id)
            .ok_or_else(|| CommandError::not_found("version of flow", &flow.name))?;
        let triggers = || live.compiled.steps.iter().filter(|(_, step)| step.role != Role::Action);
        let found: Option<(&StepId, &Box<CompiledStep>)> = match step {
            Some(id) => triggers().find(|(known, _)| *known == id),
            None => triggers().next(),
        };
        let (id, compiled) = found.ok_or_else(|| match step {
            Some(id) => CommandError::not_found("trigger", id),
            None => CommandError::not_found("trigger of flow", &flow.name),
        })?;
        if let Some(body) = body {
            let outcome = emitted(live.compiled.address(id).to_key(), &body, self.core.ports.entropy.bits());
            return self.emit(flow.id.shard(), &outcome).await;
        }
        if matches!(compiled.role, Role::Listener | Role::Webhook) {
            let text =
                format!("trigger {id} waits for others and cannot be asked; give a body for it to emit");
            return Err(CommandError::bad("body_needed", text));
        }
        let ticked = scheduler::tick(&self.core, (live, id, compiled), self.core.ports.clock.now()).await?;
        ticked.ok_or_else(|| {
            CommandError::conflict("tick_under_way", format!("the last tick of {id} is still under way"))
        })
    }
}

/// What a trigger would have said had it emitted `body`.
pub(crate) fn emitted(step: sluice_protocol::StepKey, body: &Value, bits: u128) -> Outcome {
    Outcome {
        input: MessageId::from_bits(bits),
        step,
        execution: None,
        attempt: 1,
        suspected: 0,
        // Not `ok`, which would end a polling trigger's tick that may be under way.
        status: Status::Partial,
        outputs: vec![Output {
            port: Port::default(),
            body: serde_json::value::to_raw_value(body).expect("a value is plain JSON"),
            headers: Headers::new(),
        }],
        offset: 0,
        error: None,
        state: None,
        context: None,
        micros: 0,
        traceparent: None,
        retained: None,
    }
}
