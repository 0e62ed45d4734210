//! What is asked.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use sluice_domain::{ContainerStartId, Cpus, DeploymentId, ImageDigest, ImageRef, Limits, Memory};
use sluice_ports::runtime::ContainerSpec;

use super::{GRACE, Verb};
use crate::refusal::{Code, Refusal};

/// What is asked, read.
pub(crate) enum Ask {
    Prepare,
    Image(ImageRef),
    List,
    Start(ContainerSpec, SecretString),
    Stop(String, Duration),
    Remove(String),
    Logs { name: String, tail: u32, follow: bool },
    Events,
    Usage(String),
    Version,
    Facts,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NothingBody {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageBody {
    image: ImageRef,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedBody {
    pub(crate) name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopBody {
    pub(crate) name: String,
    pub(crate) grace_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogsBody {
    pub(crate) name: String,
    pub(crate) tail: u32,
    pub(crate) follow: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpus: Option<Cpus>,
}

/// Prints nowhere: `boot` is secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartBody {
    name: String,
    deployment: DeploymentId,
    start: ContainerStartId,
    digest: ImageDigest,
    image: ImageRef,
    #[serde(default)]
    limits: LimitsBody,
    boot: String,
}

impl StartBody {
    pub(crate) fn new(spec: &ContainerSpec, boot: &SecretString) -> Self {
        Self {
            name: spec.name.clone(),
            deployment: spec.deployment,
            start: spec.start,
            digest: spec.digest.clone(),
            image: spec.image.clone(),
            limits: LimitsBody { memory: spec.limits.memory, cpus: spec.limits.cpus },
            boot: boot.expose_secret().to_owned(),
        }
    }
}

/// The body of a request.
pub(crate) fn encode(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("what is asked is plain JSON")
}

impl Ask {
    /// Reads what is asked. Refusals repeat nothing of the body, which may be secret.
    pub(crate) fn read(verb: Verb, body: &[u8]) -> Result<Self, Refusal> {
        Ok(match verb {
            Verb::Prepare => nothing(body, Self::Prepare)?,
            Verb::List => nothing(body, Self::List)?,
            Verb::Events => nothing(body, Self::Events)?,
            Verb::Version => nothing(body, Self::Version)?,
            Verb::Facts => nothing(body, Self::Facts)?,
            Verb::Image => Self::Image(decode::<ImageBody>(body)?.image),
            Verb::Remove => Self::Remove(decode::<NamedBody>(body)?.name),
            Verb::Usage => Self::Usage(decode::<NamedBody>(body)?.name),
            Verb::Logs => {
                let LogsBody { name, tail, follow } = decode(body)?;
                Self::Logs { name, tail, follow }
            }
            Verb::Stop => {
                let StopBody { name, grace_ms } = decode(body)?;
                let grace = Duration::from_millis(grace_ms);
                if grace > GRACE {
                    let detail = format!("a grace is at most {} s", GRACE.as_secs());
                    return Err(Refusal::new(Code::Malformed, detail));
                }
                Self::Stop(name, grace)
            }
            Verb::Start => {
                let StartBody { name, deployment, start, digest, image, limits, boot } = decode(body)?;
                let limits = Limits { memory: limits.memory, cpus: limits.cpus };
                let spec = ContainerSpec { name, deployment, start, digest, image, limits };
                Self::Start(spec, SecretString::from(boot))
            }
        })
    }

    /// The container that it is about.
    pub(crate) fn container(&self) -> Option<&str> {
        match self {
            Self::Start(ContainerSpec { name, .. }, _)
            | Self::Stop(name, _)
            | Self::Remove(name)
            | Self::Logs { name, .. }
            | Self::Usage(name) => Some(name),
            Self::Prepare | Self::Image(_) | Self::List | Self::Events | Self::Version | Self::Facts => None,
        }
    }

    /// The image that it is about.
    pub(crate) fn image(&self) -> Option<&str> {
        match self {
            Self::Image(image) => Some(image.as_str()),
            Self::Start(spec, _) => Some(spec.digest.as_str()),
            Self::Prepare
            | Self::List
            | Self::Stop(..)
            | Self::Remove(_)
            | Self::Logs { .. }
            | Self::Events
            | Self::Usage(_)
            | Self::Version
            | Self::Facts => None,
        }
    }

    /// How long it may take beside what its verb may.
    pub(crate) fn grace(&self) -> Duration {
        match self {
            Self::Stop(_, grace) => *grace,
            _ => Duration::ZERO,
        }
    }
}

/// The body of a verb that is about an image.
pub(crate) fn image_body(image: &ImageRef) -> Vec<u8> {
    encode(&ImageBody { image: image.clone() })
}

/// The body of a verb that is about nothing.
pub(crate) fn empty_body() -> Vec<u8> {
    encode(&NothingBody {})
}

fn nothing(body: &[u8], ask: Ask) -> Result<Ask, Refusal> {
    decode::<NothingBody>(body).map(|_| ask)
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        // The error's own text may repeat a value.
        let what = match error.classify() {
            Category::Syntax | Category::Eof => "is no JSON",
            Category::Data | Category::Io => "is not what this verb takes",
        };
        let detail = format!("the body {what}, at column {} of line {}", error.column(), error.line());
        Refusal::new(Code::Malformed, detail)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn start() -> Value {
        json!({
            "name": "sluice-x-a",
            "deployment": DeploymentId::from_bits(1).to_string(),
            "start": ContainerStartId::from_bits(2).to_string(),
            "digest": format!("sha256:{}", "0".repeat(64)),
            "image": "sluice/log:1",
            "limits": { "memory": "64MiB", "cpus": 0.5 },
            "boot": "hunter2",
        })
    }

    fn read(verb: Verb, body: &Value) -> Result<Ask, Refusal> {
        Ask::read(verb, body.to_string().as_bytes())
    }

    #[test]
    fn a_start_is_read_as_it_was_written() {
        let Ok(Ask::Start(spec, boot)) = read(Verb::Start, &start()) else { panic!("it is a start") };
        assert_eq!((spec.name.as_str(), boot.expose_secret()), ("sluice-x-a", "hunter2"));
        let written = encode(&StartBody::new(&spec, &boot));
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), start());
    }

    #[test]
    fn nothing_else_can_be_asked_of_a_start_and_nothing_of_it_is_repeated() {
        let mut faults = vec![json!("hunter2"), json!(["hunter2"]), Value::Null];
        for (field, value) in [
            ("privileged", json!(true)),
            ("hunter2", json!(1)),
            ("binds", json!(["/:/host"])),
            ("digest", json!("sluice/log:hunter2")),
            ("image", json!("../hunter2")),
            ("deployment", json!("hunter2")),
            ("limits", json!({ "memory": "hunter2" })),
            ("limits", json!({ "pids": 100_000 })),
            ("boot", json!(["hunter2"])),
        ] {
            let mut body = start();
            body[field] = value;
            faults.push(body);
        }
        for field in ["name", "digest", "boot"] {
            let mut body = start();
            body.as_object_mut().unwrap().remove(field);
            faults.push(body);
        }
        for body in faults {
            let Err(refusal) = read(Verb::Start, &body) else { panic!("{body} is refused") };
            assert_eq!(refusal.code, Code::Malformed, "{body}");
            assert!(!refusal.detail.contains("hunter2"), "{}", refusal.detail);
        }
    }

    #[test]
    fn a_verb_takes_its_own_body_only() {
        for (verb, body) in [
            (Verb::List, json!({ "all": true })),
            (Verb::Stop, json!({ "name": "a" })),
            (Verb::Stop, json!({ "name": "a", "grace_ms": 366u64 * 24 * 3600 * 1000 })),
            (Verb::Logs, json!({ "name": "a", "tail": -1, "follow": false })),
            (Verb::Image, json!({ "image": "a b" })),
        ] {
            assert_eq!(read(verb, &body).err().map(|refusal| refusal.code), Some(Code::Malformed), "{body}");
        }
    }

    proptest! {
        /// Whatever comes is read or refused; no refusal repeats what it was about.
        #[test]
        fn anything_is_read_or_refused(verb in 0..Verb::ALL.len(), body in any::<Vec<u8>>()) {
            if let Err(refusal) = Ask::read(Verb::ALL[verb], &body) {
                prop_assert_eq!(refusal.code, Code::Malformed);
            }
        }

        /// The same for starts with some bytes changed, left out or put in.
        #[test]
        fn a_start_that_was_tampered_with_is_read_or_refused(
            at in any::<prop::sample::Index>(),
            cut in 0..4_usize,
            put in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            let mut body = start().to_string().into_bytes();
            let at = at.index(body.len());
            let end = (at + cut).min(body.len());
            body.splice(at..end, put);
            if let Err(refusal) = Ask::read(Verb::Start, &body) {
                prop_assert_eq!(refusal.code, Code::Malformed);
                prop_assert!(!refusal.detail.contains("hunter2"));
            }
        }
    }
}
