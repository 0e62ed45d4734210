//! Dead letters.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sluice_domain::{DeadLetter, DeadLetterId, DeadLetterState};
use sluice_ports::store::{DeadLetterFilter, DeadLetterStore};
use sluice_ports::{Fault, PortError};

use super::MemoryStore;

#[async_trait]
impl DeadLetterStore for MemoryStore {
    async fn put_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), PortError> {
        let mut state = self.write("keep dead letters")?;
        for letter in letters {
            state.letters.entry(letter.id).or_insert_with(|| letter.clone());
        }
        if state.failing_answers > 0 {
            state.failing_answers -= 1;
            return Err(PortError::new(Fault::Transient, "keep dead letters", "the test says so"));
        }
        Ok(())
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>, PortError> {
        let state = self.read("list dead letters")?;
        let fits = |letter: &&DeadLetter| {
            let flow = letter.step.as_ref().map(|step| step.flow);
            filter.flows.as_ref().is_none_or(|wanted| flow.is_some_and(|flow| wanted.contains(&flow)))
                && filter.state.is_none_or(|wanted| letter.state == wanted)
                && filter.before.is_none_or(|before| (letter.created_at, letter.id) < before)
        };
        let mut letters: Vec<_> = state.letters.values().filter(fits).cloned().collect();
        letters.sort_by_key(|letter| std::cmp::Reverse((letter.created_at, letter.id)));
        letters.truncate(filter.limit.clamp(1, 1000) as usize);
        Ok(letters)
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, PortError> {
        Ok(self.read(format!("read dead letter {id}"))?.letters.get(&id).cloned())
    }

    async fn edit_dead_letter(
        &self,
        id: DeadLetterId,
        body: &str,
        now: DateTime<Utc>,
    ) -> Result<DeadLetter, PortError> {
        let operation = format!("edit dead letter {id}");
        let mut state = self.write(&operation)?;
        match state.letters.get_mut(&id) {
            None => Err(PortError::not_found(operation)),
            Some(letter) if letter.state != DeadLetterState::Waiting => Err(PortError::conflict(operation)),
            Some(letter) => {
                letter.body = body.to_owned();
                letter.updated_at = now;
                Ok(letter.clone())
            }
        }
    }

    async fn move_dead_letter(
        &self,
        id: DeadLetterId,
        to: DeadLetterState,
        now: DateTime<Utc>,
    ) -> Result<Option<DeadLetter>, PortError> {
        let operation = format!("move dead letter {id}");
        let mut state = self.write(&operation)?;
        if to == DeadLetterState::Waiting {
            return Err(PortError::new(Fault::Permanent, operation, "nothing is moved on to waiting"));
        }
        let letter = state.letters.get_mut(&id).ok_or_else(|| PortError::not_found(operation))?;
        if letter.state != DeadLetterState::Waiting {
            return Ok(None);
        }
        letter.state = to;
        letter.redrives += u32::from(to == DeadLetterState::Redriven);
        letter.updated_at = now;
        Ok(Some(letter.clone()))
    }

    async fn count_waiting(&self) -> Result<u64, PortError> {
        let state = self.read("count dead letters")?;
        Ok(state.letters.values().filter(|letter| letter.state == DeadLetterState::Waiting).count() as u64)
    }
}
