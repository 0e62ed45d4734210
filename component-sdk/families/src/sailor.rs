//! Components of elastic.io on `elasticio-sailor-nodejs`, 1.3 to 2.7.8.
//!
//! One process serves one step. All it has to know comes as environment variables, its config and snapshot from one HTTP
//! request at its start. It takes messages from one queue and publishes to one exchange with four routing keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::family::{Errand, Event, EventKind, Failure, Family, Launch, Place, Route, Step, WireError};
use crate::message::{ID, SENDER};
use crate::shared::{NO_LIMIT, OUTGOING_BYTES, REPLY, common, data, failed, parts, rebound, reply, snapshot};
use crate::{Cipher, Input, Message, Publication};

/// The header that names the version of the wire format.
const VERSION: &str = "protocolVersion";

/// Knows elastic.io's components.
#[derive(Debug)]
pub(crate) struct Sailor {
    /// Whether it knows raw ciphers (version 2 of the wire format).
    raw: bool,
    /// Whether it knows hooks.
    hooks: bool,
}

impl Sailor {
    pub(crate) fn new(version: Option<&semver::Version>) -> Self {
        let since =
            |minor, patch| version.is_none_or(|version| *version >= semver::Version::new(2, minor, patch));
        Self { raw: since(6, 5), hooks: since(2, 0) }
    }

    fn protocol(&self) -> u8 {
        if self.raw { 2 } else { 1 }
    }
}

impl Family for Sailor {
    fn environment(&self, place: &Place, step: &Step) -> BTreeMap<String, String> {
        let prefetch = step.prefetch.to_string();
        let protocol = self.protocol().to_string();
        let outgoing = OUTGOING_BYTES.to_string();
        let mut all = vec![
            ("FLOW_ID", step.flow.as_str()),
            // What FLOW_ID was called before 2.0; components read it still.
            ("TASK_ID", &step.flow),
            ("EXEC_ID", &step.container),
            ("STEP_ID", &step.step),
            ("CONTAINER_ID", &step.container),
            ("WORKSPACE_ID", "workspace"),
            ("USER_ID", "user"),
            ("COMP_ID", &step.component),
            ("COMP_NAME", &step.component),
            ("FUNCTION", &step.function),
            ("API_URI", &place.api),
            ("API_USERNAME", &place.access.0),
            ("API_KEY", &place.access.1),
            ("AMQP_URI", &place.broker),
            ("LISTEN_MESSAGES_ON", self.queue()),
            ("PUBLISH_MESSAGES_TO", "outputs"),
            ("DATA_ROUTING_KEY", "data"),
            ("ERROR_ROUTING_KEY", "error"),
            ("REBOUND_ROUTING_KEY", "rebound"),
            ("SNAPSHOT_ROUTING_KEY", "snapshot"),
            ("MESSAGE_CRYPTO_PASSWORD", &place.cipher.0),
            ("MESSAGE_CRYPTO_IV", &place.cipher.1),
            ("RABBITMQ_PREFETCH_SAILOR", &prefetch),
            ("DATA_RATE_LIMIT", NO_LIMIT),
            ("ERROR_RATE_LIMIT", NO_LIMIT),
            ("SNAPSHOT_RATE_LIMIT", NO_LIMIT),
            ("AMQP_PERSISTENT_MESSAGES", "true"),
            ("AMQP_RECONNECT_ATTEMPTS", "1000"),
            ("AMQP_RECONNECT_TIMEOUT", "500"),
            ("OUTGOING_MESSAGE_SIZE_LIMIT", &outgoing),
            ("PROTOCOL_VERSION", &protocol),
            ("OBJECT_STORAGE_URI", &place.api),
            ("OBJECT_STORAGE_TOKEN", &place.access.1),
            ("API_REQUEST_RETRY_ATTEMPTS", "3"),
            ("API_REQUEST_RETRY_DELAY", "100"),
            // A run that fails tells so by itself.
            ("NO_ERROR_REPLIES", "true"),
        ];
        if step.startup {
            all.push(("STARTUP_REQUIRED", "true"));
        }
        if step.passthrough {
            // Without it each output would be in the message twice.
            all.push(("NO_SELF_PASSTRHOUGH", "true"));
        }
        all.into_iter().map(|(name, value)| (format!("ELASTICIO_{name}"), value.to_owned())).collect()
    }

    fn command(&self) -> Vec<String> {
        vec!["node".to_owned(), "./node_modules/elasticio-sailor-nodejs/run.js".to_owned()]
    }

    fn launch(
        &self,
        place: &Place,
        step: &Step,
        errand: Errand<'_>,
        (config, command): (&Value, &[String]),
    ) -> Option<Launch> {
        let mut environment = self.environment(place, step);
        let mut put =
            |name: &str, value: &str| environment.insert(format!("ELASTICIO_{name}"), value.to_owned());
        let method = match errand {
            Errand::Shutdown => {
                put("HOOK_SHUTDOWN", "true");
                let command = command.to_vec();
                return self.hooks.then_some(Launch { command, environment });
            }
            Errand::Verify => "verifyCredentials",
            Errand::Schema { function } => {
                put("ACTION_OR_TRIGGER", function);
                "getMetaModel"
            }
            Errand::Options { function, method } => {
                put("ACTION_OR_TRIGGER", function);
                put("GET_MODEL_METHOD", method);
                "selectModel"
            }
        };
        put("CFG", &config.to_string());
        let (user, key) = &place.access;
        let result = place.api.replacen("://", &format!("://{user}:{key}@"), 1);
        put("POST_RESULT_URL", &format!("{result}/results"));
        // Beside the file that serves steps lies one for questions.
        let at = command.iter().position(|word| word.ends_with("run.js"))?;
        let mut command = command[..=at].to_vec();
        command[at] = format!("{}runService.js", command[at].strip_suffix("run.js")?);
        command.push(method.to_owned());
        Some(Launch { command, environment })
    }

    fn questions(&self) -> bool {
        true
    }

    fn hooks(&self) -> bool {
        self.hooks
    }

    fn encode(&self, place: &Place, step: &Step, input: &Input<'_>) -> Result<Message, WireError> {
        let mut message = parts(input);
        let body = match input.body {
            Some(body) => serde_json::from_str(body.get())?,
            None => Value::Null,
        };
        // Components look into it without asking whether there is one.
        message.insert("body".to_owned(), if body.is_null() { json!({}) } else { body });
        let id = input.headers.get(ID).and_then(Value::as_str).unwrap_or(input.delivery);
        message.insert("id".to_owned(), id.into());
        let plain = serde_json::to_vec(&message)?;
        let mut headers = common(step, input);
        headers.insert(VERSION.to_owned(), self.protocol().into());
        if let Some(sender) = input.headers.get(SENDER) {
            headers.insert("stepId".to_owned(), sender.clone());
        }
        let cipher = Cipher::of(place);
        let body = if self.raw { cipher.seal(&plain) } else { cipher.seal_text(&plain).into_bytes() };
        Ok(Message { headers, content_type: "application/json", body })
    }

    fn decode(&self, place: &Place, publication: &Publication) -> Result<Event, WireError> {
        let cipher = Cipher::of(place);
        let parent = publication.text("parentMessageId");
        let (delivery, kind) = match publication.routing_key.as_str() {
            "data" => (parent, data(opened(&cipher, publication)?, "body", publication)),
            // Copies of errors are encrypted in the old way, whatever their header says.
            REPLY if publication.headers.contains_key("x-eio-error-response") => (parent, EventKind::Nothing),
            REPLY => (parent, reply(opened(&cipher, publication)?, "body", publication)),
            "error" => (parent, EventKind::Failed(failure(&cipher, &publication.body)?)),
            // It keeps the headers of the message that is to come again.
            "rebound" => (publication.text("messageId"), rebound(publication)),
            "snapshot" => {
                (parent, snapshot(publication, publication.text("snapshotEvent") == Some("updateSnapshot"))?)
            }
            key => return Err(WireError::Key(key.chars().take(100).collect())),
        };
        Ok(Event { delivery: delivery.map(str::to_owned), kind })
    }

    fn route(&self, method: &str, path: &str) -> Option<Route> {
        let path = path.split('?').next().unwrap_or_default().trim_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        Some(match (method, parts.as_slice()) {
            ("GET", ["v1", "tasks", _, "steps", _]) => Route::Step,
            ("POST" | "GET" | "DELETE", ["sailor-support", "hooks", "task", _, "startup", "data"]) => {
                Route::Hook
            }
            ("PUT", ["v1", "accounts", _]) => Route::Keys,
            ("GET", ["v2", "workspaces", _, "secrets", _]) => Route::Secret,
            ("POST", ["v2", "workspaces", _, "secrets", _, "refresh"]) => Route::RefreshedSecret,
            ("POST", ["v2", "resources", "storage", "signed-url"]) => Route::SignedUrl,
            ("POST", ["objects"]) => Route::NewObject,
            ("GET" | "DELETE", ["objects"]) => Route::Objects,
            ("POST", ["results"]) => Route::Result,
            ("GET" | "PUT" | "DELETE", ["objects", id]) => Route::Object((*id).to_owned()),
            (_, ["v2", "flows", ..]) => Route::NotOffered("a component cannot look at flows here"),
            _ => return None,
        })
    }

    fn answer(&self, route: &Route, step: &Step, config: &Value, snapshot: &Value) -> Value {
        match route {
            Route::Secret | Route::RefreshedSecret => json!({
                "data": { "id": "instance", "type": "secret", "attributes": { "credentials": config } },
            }),
            _ => json!({
                "id": step.step,
                "comp_id": step.component,
                "function": step.function,
                "config": config,
                "snapshot": snapshot,
                "is_passthrough": step.passthrough,
                "variables": {},
            }),
        }
    }
}

/// What a message says, whose header tells how it is encrypted.
fn opened(cipher: &Cipher, publication: &Publication) -> Result<Value, WireError> {
    let raw = match publication.headers.get(VERSION) {
        Some(Value::String(text)) => text == "2",
        Some(number) => number == 2,
        None => false,
    };
    let plain = if raw { cipher.open(&publication.body) } else { cipher.open_text(&publication.body) }?;
    Ok(serde_json::from_slice(&plain)?)
}

/// Why a run failed: plain JSON whose `error` is encrypted as in version 1.
fn failure(cipher: &Cipher, body: &[u8]) -> Result<Failure, WireError> {
    let told: Value = serde_json::from_slice(body)?;
    let sealed = told["error"].as_str().unwrap_or_default();
    let plain = cipher.open_text(sealed.as_bytes())?;
    Ok(failed(&serde_json::from_slice(&plain)?))
}

#[cfg(test)]
mod tests;
