//! The seam between families and those who drive them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{CipherError, Input, Message, Publication};
use crate::{ferryman::Ferryman, sailor::Sailor};

/// The families that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FamilyName {
    /// Components of elastic.io, on `elasticio-sailor-nodejs`.
    Sailor,
    /// Components of the Open Integration Hub, on `@openintegrationhub/ferryman`.
    Ferryman,
}

impl FamilyName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sailor, Self::Ferryman];

    /// What knows this family, for a version of its library; the newest known one when absent.
    #[must_use]
    pub fn family(self, version: Option<&semver::Version>) -> Box<dyn Family> {
        match self {
            Self::Sailor => Box::new(Sailor::new(version)),
            Self::Ferryman => Box::new(Ferryman::new(version)),
        }
    }

    /// The npm package of its library.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::Sailor => "elasticio-sailor-nodejs",
            Self::Ferryman => "@openintegrationhub/ferryman",
        }
    }
}

impl fmt::Display for FamilyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sailor => "sailor",
            Self::Ferryman => "ferryman",
        })
    }
}

impl FromStr for FamilyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|family| family.to_string() == text);
        known.ok_or_else(|| format!("`{text}` is no family; there are sailor and ferryman"))
    }
}

/// Where the process finds what it asks for.
#[derive(Debug, Clone)]
pub struct Place {
    /// The broker, as `amqp://USER:PASSWORD@HOST:PORT/`.
    pub broker: String,
    /// The platform's HTTP API, without a slash at its end.
    pub api: String,
    /// The user name and the password for that.
    pub access: (String, String),
    /// The password and the initialisation vector of the cipher.
    pub cipher: (String, String),
}

/// The step that a process serves.
#[derive(Debug, Clone)]
pub struct Step {
    /// The flow.
    pub flow: String,
    /// The step.
    pub step: String,
    /// The name of this process.
    pub container: String,
    /// The component.
    pub component: String,
    /// The function as its component calls it.
    pub function: String,
    /// Most messages under way at a time.
    pub prefetch: u16,
    /// Whether messages carry along what earlier steps emitted.
    pub passthrough: bool,
    /// Whether the process is to run its hook `startup`.
    pub startup: bool,
}

/// What a process is started for that does this one thing and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand<'a> {
    /// Are the credentials good?
    Verify,
    /// What are the schemas of a function?
    Schema {
        /// The function as its component calls it.
        function: &'a str,
    },
    /// Which values may a field have?
    Options {
        /// The function as its component calls it.
        function: &'a str,
        /// The method that tells.
        method: &'a str,
    },
    /// The hook `shutdown`.
    Shutdown,
}

/// How a process is started for an errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
}

/// What became of a run, or of a part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The delivery that it belongs to, where it says.
    pub delivery: Option<String>,
    /// What happened.
    pub kind: EventKind,
}

/// What a process told.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A message for the next steps.
    Data {
        /// Its body.
        body: Value,
        /// What belongs to it besides: headers of ours.
        headers: Map<String, Value>,
    },
    /// It failed. The run ends with this.
    Failed(Failure),
    /// It wants the same input again.
    Rebound {
        /// After this long.
        after: Duration,
        /// Why.
        reason: String,
    },
    /// What is to be answered to the request that began the execution.
    Reply {
        /// The status.
        status: u64,
        /// Its headers.
        headers: Map<String, Value>,
        /// Its body.
        body: Value,
    },
    /// What it wants to remember.
    Snapshot {
        /// The whole, or what is new of it.
        value: Value,
        /// Whether the fields of `value` replace those of what it remembers, and the others stay.
        merge: bool,
    },
    /// Nothing that matters here.
    Nothing,
}

/// Why a run failed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name of the error, such as `TypeError`.
    pub name: String,
    /// What it says.
    pub message: String,
    /// The code that libraries give errors of networks, such as `ECONNREFUSED`.
    pub code: Option<String>,
}

impl Failure {
    /// Whether the same input may succeed later, as far as the error tells: the network or the other side failed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        const CODES: [&str; 8] = [
            "ECONNREFUSED",
            "ECONNRESET",
            "ECONNABORTED",
            "ETIMEDOUT",
            "ENOTFOUND",
            "EAI_AGAIN",
            "EPIPE",
            "ESOCKETTIMEDOUT",
        ];
        let by_code = self.code.as_deref().is_some_and(|code| CODES.contains(&code));
        by_code || CODES.iter().any(|code| self.message.contains(code))
    }
}

/// What a request of the process to the platform's API asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The config, the snapshot and the variables of a step.
    Step,
    /// What the hook `startup` returned: to be stored, read or removed.
    Hook,
    /// New keys of an account.
    Keys,
    /// The secrets of an instance.
    Secret,
    /// The secrets of an instance, after these were refused.
    RefreshedSecret,
    /// Two addresses for an object, one to write and one to read.
    SignedUrl,
    /// A new object.
    NewObject,
    /// The objects with certain properties.
    Objects,
    /// The result of an errand.
    Result,
    /// An object, by its id.
    Object(String),
    /// What a step remembers.
    Snapshot,
    /// Something of the platform that is not offered here, in a sentence that says so.
    NotOffered(&'static str),
}

/// Something on the wire that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The cipher does not fit.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(String),
    /// A message for a key that leads nowhere here.
    #[error("the routing key `{0}` leads nowhere")]
    Key(String),
    /// A config that does not fit into a header.
    #[error("the config has {bytes} bytes as a token, and the library of this component takes {most}")]
    Token {
        /// How many it has.
        bytes: usize,
        /// Most that there may be.
        most: usize,
    },
}

impl From<serde_json::Error> for WireError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

/// A family of components.
pub trait Family: Send + Sync + fmt::Debug {
    /// The environment of a process that serves a step.
    fn environment(&self, place: &Place, step: &Step) -> BTreeMap<String, String>;

    /// The command that starts a process, where its image has none.
    fn command(&self) -> Vec<String>;

    /// How a process is started for an errand, when processes that serve a step are started by `command`; `None` when the
    /// library knows no such errand.
    fn launch(
        &self,
        place: &Place,
        step: &Step,
        errand: Errand<'_>,
        with: (&Value, &[String]),
    ) -> Option<Launch>;

    /// Whether its library answers questions: about credentials, schemas and the values of fields.
    fn questions(&self) -> bool {
        false
    }

    /// Whether the hooks `startup` and `shutdown` are known.
    fn hooks(&self) -> bool {
        false
    }

    /// Why a step with this config cannot be served: it asks for something that is not here, and would not notice.
    fn refuses(&self, _config: &Value) -> Option<&'static str> {
        None
    }

    /// The queue from which a process takes its messages.
    fn queue(&self) -> &'static str {
        "inputs"
    }

    /// A message to the process.
    ///
    /// # Errors
    /// When the input cannot be said in the family's words.
    fn encode(&self, place: &Place, step: &Step, input: &Input<'_>) -> Result<Message, WireError>;

    /// What a publication tells.
    ///
    /// # Errors
    /// When it cannot be read.
    fn decode(&self, place: &Place, publication: &Publication) -> Result<Event, WireError>;

    /// What a request to the platform's API asks for; `None` when there is no such thing.
    fn route(&self, method: &str, path: &str) -> Option<Route>;

    /// The answer to a request for a step, its snapshot or its secrets.
    fn answer(&self, route: &Route, step: &Step, config: &Value, snapshot: &Value) -> Value;
}
