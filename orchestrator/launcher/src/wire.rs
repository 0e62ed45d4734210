//! What goes over the socket: verbs, what is asked, what is answered.
//!
//! Each verb is a POST to its own path with a JSON body, answered with JSON, or with a line of JSON for each item where
//! it is a stream. These types are the wire's alone; both sides convert at once.

mod answer;
mod ask;
mod failure;

use std::time::Duration;

pub(crate) use answer::{
    Containers, Done, EffectiveLimits, EngineFacts, Event, Image, Line, Network, Usage, Version,
};
pub(crate) use ask::{Ask, LogsBody, NamedBody, StartBody, StopBody, empty_body, encode, image_body};
pub(crate) use failure::Failure;

/// The header that names the installation, so that a client of another one is told at once.
pub(crate) const INSTALLATION: &str = "sluice-installation";
/// What all paths begin with.
const ROOT: &str = "/v1/";
/// Most bytes of a request's body. The largest is a start: a few names and the line for the container.
pub(crate) const REQUEST: usize = 64 << 10;
/// Most bytes of an answer that is no stream: a list of some ten thousand containers.
pub(crate) const ANSWER: usize = 16 << 20;
/// Most bytes of a line of a stream: a log line of 16 KiB, each byte of it escaped.
pub(crate) const LINE: usize = 128 << 10;
/// How long a verb waits for its turn.
pub(crate) const TURN: Duration = Duration::from_secs(120);
/// The longest grace of a stop that a launcher accepts.
pub const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the launcher can be asked: one verb for each call of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Prepare,
    Image,
    List,
    Start,
    Stop,
    Remove,
    Logs,
    Events,
    Usage,
    Version,
    Facts,
}

/// What a verb does. Each kind has places of its own, so that none keeps the others waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It looks and is soon over.
    Look,
    /// It changes something and may take long.
    Change,
    /// It goes on until one side ends it.
    Stream,
}

impl Verb {
    pub(crate) const ALL: [Self; 11] = [
        Self::Prepare,
        Self::Image,
        Self::List,
        Self::Start,
        Self::Stop,
        Self::Remove,
        Self::Logs,
        Self::Events,
        Self::Usage,
        Self::Version,
        Self::Facts,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Image => "image",
            Self::List => "list",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Remove => "remove",
            Self::Logs => "logs",
            Self::Events => "events",
            Self::Usage => "usage",
            Self::Version => "version",
            Self::Facts => "facts",
        }
    }

    pub(crate) fn path(self) -> String {
        format!("{ROOT}{}", self.name())
    }

    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let name = path.strip_prefix(ROOT)?;
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Prepare | Self::Image | Self::Start | Self::Stop | Self::Remove => Kind::Change,
            Self::List | Self::Usage | Self::Version | Self::Facts => Kind::Look,
            Self::Logs | Self::Events => Kind::Stream,
        }
    }

    /// How long it may take until it answers, once it is its turn. A stop takes its grace in addition.
    pub(crate) const fn patience(self) -> Duration {
        let seconds = match self {
            // Both may pull an image, which the adapter gives ten minutes.
            Self::Image | Self::Start => 780,
            Self::List | Self::Prepare | Self::Stop | Self::Remove => 120,
            Self::Logs | Self::Events | Self::Usage | Self::Version | Self::Facts => 65,
        };
        Duration::from_secs(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_has_a_path_of_its_own() {
        for verb in Verb::ALL {
            assert_eq!(Verb::of_path(&verb.path()), Some(verb));
        }
        for path in ["/", "/v1/", "/v1/exec", "/v1/start/", "/v2/start", "/v1/start?x", "start"] {
            assert_eq!(Verb::of_path(path), None, "{path}");
        }
    }
}
