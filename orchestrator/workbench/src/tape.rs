//! Whether a suite talks to the third party, keeps what it says, or replays it.

use serde_json::value::RawValue;

use crate::recording::{Exchange, Recording, RecordingError};
use crate::replay::Replay;

/// Whether a suite talks to the third party, keeps what it says, or replays it.
#[derive(Debug, Default)]
pub enum Tape {
    /// It talks to it, and nothing is kept.
    #[default]
    Off,
    /// What it says is kept.
    Record(Recording),
    /// What it said is replayed.
    Replay(Replay),
}

impl Tape {
    /// Whether runs are to tell about their traffic.
    pub(crate) fn listens(&self) -> bool {
        matches!(self, Self::Record(_))
    }

    pub(crate) fn begin(&self, scope: &str) {
        if let Self::Replay(replay) = self {
            replay.begin(scope);
        }
    }

    /// What cannot be replayed of a run that ended.
    pub(crate) fn end(&mut self, scope: &str, told: &[Box<RawValue>]) -> Result<Vec<String>, RecordingError> {
        let Self::Record(recording) = self else { return Ok(Vec::new()) };
        let mut lost = Vec::new();
        let mut exchanges = Vec::new();
        for exchange in told {
            match serde_json::from_str::<Exchange>(exchange.get()) {
                Ok(exchange) => exchanges.push(exchange),
                Err(error) => lost.push(format!("an exchange of {scope} cannot be read: {error}")),
            }
        }
        lost.extend(recording.keep(scope, exchanges)?);
        Ok(lost)
    }

    /// What was asked of a replay that it does not know.
    pub(crate) fn misses(&self) -> Vec<String> {
        match self {
            Self::Replay(replay) => replay.misses(),
            Self::Off | Self::Record(_) => Vec::new(),
        }
    }
}
