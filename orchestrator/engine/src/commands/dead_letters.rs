//! Looking at dead letters, editing, redriving and discarding them.
//!
//! A redrive publishes first and moves the letter on afterwards. Pressed twice, or by a process that died in between,
//! it publishes the same message id again, which the router skips.

use serde_json::Value;
use serde_json::value::RawValue;
use sluice_domain::{DeadLetter, DeadLetterId, DeadLetterState, DeadReason, FlowId};
use sluice_ports::store::DeadLetterFilter;
use sluice_ports::{Fault, PortError, failpoint};
use sluice_protocol::limits;

use crate::router::record::Replay;
use crate::{CommandError, Engine};

/// Letters moved on per page of a bulk command.
const PAGE: u32 = 200;

impl Engine {
    /// Dead letters, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>, CommandError> {
        Ok(self.core.ports.store.dead_letters(filter).await?)
    }

    /// One dead letter.
    ///
    /// # Errors
    /// When there is none.
    pub async fn dead_letter(&self, id: DeadLetterId) -> Result<DeadLetter, CommandError> {
        let found = self.core.ports.store.dead_letter(id).await?;
        found.ok_or_else(|| CommandError::not_found("dead letter", id))
    }

    /// Changes the body of a dead letter that waits.
    ///
    /// # Errors
    /// When there is none, it does not wait any more, or the body is too large.
    pub async fn edit_dead_letter(&self, id: DeadLetterId, body: Value) -> Result<DeadLetter, CommandError> {
        let text = body.to_string();
        if text.len() > limits::RECORD_BYTES {
            let text = format!("a body may have {} bytes, this one has {}", limits::RECORD_BYTES, text.len());
            return Err(CommandError::bad("message_too_large", text));
        }
        let edited = self.core.ports.store.edit_dead_letter(id, &text, self.core.ports.clock.now()).await;
        edited.map_err(|error| explain(id, error))
    }

    /// Sends a dead letter to its step again. False when it had been moved on before.
    ///
    /// # Errors
    /// When there is none, or its step is gone.
    pub async fn redrive(&self, id: DeadLetterId) -> Result<bool, CommandError> {
        let letter = self.dead_letter(id).await?;
        if letter.state != DeadLetterState::Waiting {
            return Ok(false);
        }
        let (shard, replay) = self.replay_of(&letter)?;
        self.replay(shard, &replay).await?;
        failpoint::reach("redrive_after_publish").await?;
        let now = self.core.ports.clock.now();
        let moved = self.core.ports.store.move_dead_letter(id, DeadLetterState::Redriven, now).await;
        Ok(moved.map_err(|error| explain(id, error))?.is_some())
    }

    fn replay_of(&self, letter: &DeadLetter) -> Result<(u8, Replay), CommandError> {
        let gone = |text: String| CommandError::conflict("dead_letter_homeless", text);
        let Some(address) = &letter.step else {
            return Err(gone(format!(
                "{} belongs to no step, so it cannot be redriven; discard it",
                letter.id
            )));
        };
        let snapshot = self.core.snapshot();
        // A mapping that failed is mended in a newer version; everything else finishes on the version it started on.
        let (own, newest) = (snapshot.version_of(address), snapshot.current(address.flow));
        let live = if letter.reason == DeadReason::Mapping { newest.or(own) } else { own.or(newest) };
        let live = live.filter(|live| live.compiled.steps.contains_key(&address.step));
        let Some(live) = live else {
            return Err(gone(format!(
                "the step {} of flow {} is gone, so it cannot be redriven",
                address.step, address.flow
            )));
        };
        let body = RawValue::from_string(letter.body.clone())
            .map_err(|_| CommandError::bad("body_invalid", "the body is no JSON; edit it first"))?;
        let replay = Replay {
            id: letter.redriven_as(letter.redrives + 1),
            step: live.compiled.address(&address.step).to_key(),
            execution: letter.execution,
            body,
            headers: letter.headers.clone(),
            context: letter.context.clone().and_then(|text| RawValue::from_string(text).ok()),
            gated: letter.reason == DeadReason::Mapping,
        };
        Ok((address.flow.shard(), replay))
    }

    /// Throws a dead letter away. False when it had been moved on before.
    ///
    /// # Errors
    /// When there is none.
    pub async fn discard(&self, id: DeadLetterId) -> Result<bool, CommandError> {
        let now = self.core.ports.clock.now();
        let moved = self.core.ports.store.move_dead_letter(id, DeadLetterState::Discarded, now).await;
        Ok(moved.map_err(|error| explain(id, error))?.is_some())
    }

    /// Redrives all dead letters that wait, of some flows or of all; how many. Those whose step is gone stay.
    ///
    /// # Errors
    /// When the broker or the store is away; what was done until then stays done.
    pub async fn redrive_all(&self, flows: Option<Vec<FlowId>>) -> Result<u64, CommandError> {
        let mut count = 0;
        let mut filter = waiting(flows);
        loop {
            let page = self.dead_letters(&filter).await?;
            let Some(last) = page.last() else { return Ok(count) };
            filter.before = Some((last.created_at, last.id));
            for letter in &page {
                match self.redrive(letter.id).await {
                    Ok(moved) => count += u64::from(moved),
                    Err(CommandError::Conflict { .. } | CommandError::BadRequest { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Discards all dead letters that wait, of some flows or of all; how many.
    ///
    /// # Errors
    /// When the store is away; what was done until then stays done.
    pub async fn discard_all(&self, flows: Option<Vec<FlowId>>) -> Result<u64, CommandError> {
        let mut count = 0;
        let mut filter = waiting(flows);
        loop {
            let page = self.dead_letters(&filter).await?;
            let Some(last) = page.last() else { return Ok(count) };
            filter.before = Some((last.created_at, last.id));
            for letter in &page {
                count += u64::from(self.discard(letter.id).await?);
            }
        }
    }
}

fn waiting(flows: Option<Vec<FlowId>>) -> DeadLetterFilter {
    DeadLetterFilter { flows, state: Some(DeadLetterState::Waiting), before: None, limit: PAGE }
}

fn explain(id: DeadLetterId, error: PortError) -> CommandError {
    match error.fault {
        Fault::NotFound => CommandError::not_found("dead letter", id),
        Fault::Conflict => {
            CommandError::conflict("dead_letter_moved_on", format!("{id} was redriven or discarded already"))
        }
        Fault::Transient | Fault::Permanent => error.into(),
    }
}
