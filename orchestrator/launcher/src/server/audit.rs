//! A line in the log for each request: who asked for what, and what came of it. Never what a container was handed.
//!
//! What is refused is a warning, what changes something or reads a log is told, and what only looks is for debugging:
//! it is asked every few seconds.

use std::time::Instant;

use sluice_ports::Fault;
use tracing::{debug, info, warn};

use super::answer::{Told, Untold};
use super::peer::Peer;
use crate::wire::{Ask, Kind, Verb};

/// What is known of a request so far.
pub(super) struct Note {
    peer: Peer,
    began: Instant,
    verb: Option<Verb>,
    container: Option<String>,
    image: Option<String>,
    start: Option<String>,
}

impl Note {
    pub(super) fn new(peer: Peer) -> Self {
        Self { peer, began: Instant::now(), verb: None, container: None, image: None, start: None }
    }

    pub(super) fn verb(&mut self, verb: Verb) {
        self.verb = Some(verb);
    }

    pub(super) fn ask(&mut self, ask: &Ask) {
        self.container = ask.container().map(str::to_owned);
        self.image = ask.image().map(str::to_owned);
        self.start = match ask {
            Ask::Start(spec, _) => Some(spec.start.to_string()),
            _ => None,
        };
    }

    /// What was asked, as an error names it.
    pub(super) fn operation(&self) -> String {
        let verb = self.verb.map_or("ask the launcher", Verb::name);
        match (&self.container, &self.image) {
            (Some(name), _) => format!("{verb} container {name}"),
            (None, Some(image)) => format!("{verb} {image}"),
            (None, None) => verb.to_owned(),
        }
    }

    /// Writes the line.
    pub(super) fn write(&self, answered: &Result<Told, Untold>) {
        let outcome = match answered {
            Ok(_) => "done",
            Err(Untold::Refused(refusal)) => refusal.code.as_str(),
            Err(Untold::Failed(error)) => match error.fault {
                Fault::Transient => "transient",
                Fault::NotFound => "not found",
                Fault::Conflict => "conflict",
                Fault::Permanent => "permanent",
            },
        };
        let verb = self.verb.map_or("none", Verb::name);
        let (uid, pid) = (self.peer.uid, self.peer.pid);
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (container, image) = (self.container.as_deref(), self.image.as_deref());
        let start = self.start.as_deref();
        let why = match answered {
            Err(Untold::Refused(refusal)) => Some(refusal.detail.as_str()),
            Ok(_) | Err(Untold::Failed(_)) => None,
        };
        macro_rules! line {
            ($level:ident, $text:literal) => {
                $level!(
                    verb,
                    peer.uid = uid,
                    peer.pid = pid,
                    container.name = container,
                    container.start = start,
                    image,
                    outcome,
                    why,
                    ms,
                    $text
                )
            };
        }
        match answered {
            Err(Untold::Refused(_)) => line!(warn, "refused"),
            Err(Untold::Failed(_)) => line!(info, "failed"),
            Ok(_) => match self.verb.map(Verb::kind) {
                Some(Kind::Change) => line!(info, "done"),
                Some(Kind::Stream) if container.is_some() => line!(info, "done"),
                _ => line!(debug, "done"),
            },
        }
    }
}
