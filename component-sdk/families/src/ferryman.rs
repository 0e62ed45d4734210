//! Components of the Open Integration Hub on `@openintegrationhub/ferryman`, 1.0 to 2.4.7.
//!
//! What a message is for comes with it: a JSON Web Token in a header names flow, step, function and config. The process only
//! decodes it; what it says is not believed by anybody here, since each process has a broker and an API of its own.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::family::{Errand, Event, EventKind, Family, Launch, Place, Route, Step, WireError};
use crate::shared::{NO_LIMIT, OUTGOING_BYTES, REPLY, common, data, failed, parts, rebound, reply, snapshot};
use crate::{Input, Message, Publication};

/// Most bytes of a token. The library repeats it in a header of each output, and its AMQP client has 64 KiB for all of them.
/// Past that it would try to publish for ever.
const TOKEN_BYTES: usize = 60_000;
/// The same before 1.5, whose client has 4 KiB.
const OLD_TOKEN_BYTES: usize = 3_000;

/// Settings of a node that ask for what is not here, and why. The library would drop messages, or call nobody, in silence.
const REFUSED: [(&str, &str); 5] = [
    ("idLinking", "there is no data hub here: leave nodeSettings.idLinking out"),
    ("governance", "there is no governance service here: leave nodeSettings.governance out"),
    ("applyPolicy", "there is no governance service here: leave nodeSettings.applyPolicy out"),
    ("flowPolicy", "there is no governance service here: leave nodeSettings.flowPolicy out"),
    ("storeRawRecord", "there is no storage of raw records here: leave nodeSettings.storeRawRecord out"),
];

/// Knows components of the Open Integration Hub.
#[derive(Debug)]
pub(crate) struct Ferryman {
    /// Most bytes of a token.
    token: usize,
}

impl Ferryman {
    pub(crate) fn new(version: Option<&semver::Version>) -> Self {
        let old = version.is_some_and(|version| *version < semver::Version::new(1, 5, 0));
        Self { token: if old { OLD_TOKEN_BYTES } else { TOKEN_BYTES } }
    }
}

impl Family for Ferryman {
    fn environment(&self, place: &Place, step: &Step) -> BTreeMap<String, String> {
        let prefetch = step.prefetch.to_string();
        let outgoing = OUTGOING_BYTES.to_string();
        let all = [
            ("COMP_ID", step.component.as_str()),
            ("FLOW_ID", &step.flow),
            ("STEP_ID", &step.step),
            ("EXEC_ID", &step.container),
            ("CONTAINER_ID", &step.container),
            ("WORKSPACE_ID", "workspace"),
            ("USER_ID", "user"),
            ("FUNCTION", &step.function),
            ("API_URI", &place.api),
            ("API_USERNAME", &place.access.0),
            ("API_KEY", &place.access.1),
            ("AMQP_URI", &place.broker),
            ("LISTEN_MESSAGES_ON", self.queue()),
            ("BACKCHANNEL_EXCHANGE", "outputs"),
            ("NODE_EXCHANGE", "outputs"),
            ("SNAPSHOTS_EXCHANGE", "outputs"),
            ("EVENT_BUS_EXCHANGE", "events"),
            ("OUTPUT_ROUTING_KEY", "data"),
            ("ERROR_ROUTING_KEY", "error"),
            ("REBOUND_ROUTING_KEY", "rebound"),
            ("SNAPSHOT_ROUTING_KEY", "snapshot"),
            ("STATE_ROUTING_KEY", "state"),
            ("SECRET_SERVICE_BASE_URL", &place.api),
            ("SNAPSHOTS_SERVICE_BASE_URL", &place.api),
            ("DATAHUB_BASE_URL", &place.api),
            ("GOVERNANCE_SERVICE_BASE_URL", &place.api),
            ("ATTACHMENT_STORAGE_SERVICE_BASE_URL", &place.api),
            ("RABBITMQ_PREFETCH_SAILOR", &prefetch),
            ("OUTPUT_RATE_LIMIT", NO_LIMIT),
            ("DATA_RATE_LIMIT", NO_LIMIT),
            ("ERROR_RATE_LIMIT", NO_LIMIT),
            ("SNAPSHOT_RATE_LIMIT", NO_LIMIT),
            ("OUTGOING_MESSAGE_SIZE_LIMIT", &outgoing),
        ];
        all.into_iter().map(|(name, value)| (format!("ELASTICIO_{name}"), value.to_owned())).collect()
    }

    fn command(&self) -> Vec<String> {
        vec!["node".to_owned(), "./node_modules/@openintegrationhub/ferryman/runGlobal.js".to_owned()]
    }

    /// The package lacks the file that would do errands, and the hooks are commented out.
    fn launch(&self, _: &Place, _: &Step, _: Errand<'_>, _: (&Value, &[String])) -> Option<Launch> {
        None
    }

    fn refuses(&self, config: &Value) -> Option<&'static str> {
        let asks = |name: &str| !matches!(config["nodeSettings"][name], Value::Null | Value::Bool(false));
        REFUSED.iter().find(|(name, _)| asks(name)).map(|(_, why)| *why)
    }

    fn encode(&self, place: &Place, step: &Step, input: &Input<'_>) -> Result<Message, WireError> {
        let mut message = parts(input);
        let body = match input.body {
            Some(body) => serde_json::from_str(body.get())?,
            None => Value::Null,
        };
        message.insert("data".to_owned(), if body.is_null() { json!({}) } else { body });
        let mut headers = common(step, input);
        headers.insert("stepId".to_owned(), step.step.as_str().into());
        let token = token(place, step, input);
        if token.len() > self.token {
            return Err(WireError::Token { bytes: token.len(), most: self.token });
        }
        headers.insert("orchestratorToken".to_owned(), token.into());
        Ok(Message { headers, content_type: "text/json", body: serde_json::to_vec(&message)? })
    }

    fn decode(&self, _: &Place, publication: &Publication) -> Result<Event, WireError> {
        let parent = publication.text("parentMessageId");
        let (delivery, kind) = match (publication.exchange.as_str(), publication.routing_key.as_str()) {
            ("events", _) => (None, EventKind::Nothing),
            (_, REPLY) => (parent, reply(serde_json::from_slice(&publication.body)?, "data", publication)),
            (_, "data") => (parent, data(serde_json::from_slice(&publication.body)?, "data", publication)),
            (_, "error") => {
                let told: Value = serde_json::from_slice(&publication.body)?;
                // A text that holds JSON.
                let error = told["error"].as_str().and_then(|text| serde_json::from_str(text).ok());
                (parent, EventKind::Failed(failed(error.as_ref().unwrap_or_else(|| &told["error"]))))
            }
            (_, "rebound") => (parent.or_else(|| publication.text("messageId")), rebound(publication)),
            (_, "snapshot") => (parent, snapshot(publication, false)?),
            // It says at the end of each run that it is at its end. So does its acknowledgement.
            (_, "state") => (parent, EventKind::Nothing),
            (_, key) => return Err(WireError::Key(key.chars().take(100).collect())),
        };
        Ok(Event { delivery: delivery.map(str::to_owned), kind })
    }

    fn route(&self, method: &str, path: &str) -> Option<Route> {
        let path = path.split('?').next().unwrap_or_default().trim_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        Some(match (method, parts.as_slice()) {
            ("GET", ["snapshots", "flows", _, "steps", _]) => Route::Snapshot,
            ("GET", ["secrets", _]) => Route::Secret,
            ("PUT" | "GET" | "DELETE", ["objects", id]) => Route::Object((*id).to_owned()),
            (_, ["data", ..]) => {
                Route::NotOffered("there is no data hub here: leave idLinking and applicationUid out")
            }
            (_, ["governance" | "policy" | "applyPolicy" | "event" | "provenance", ..]) => {
                Route::NotOffered("there is no governance service here: leave governance and applyPolicy out")
            }
            _ => return None,
        })
    }

    fn answer(&self, route: &Route, _: &Step, config: &Value, snapshot: &Value) -> Value {
        match route {
            Route::Secret => {
                json!({ "data": { "type": "MIXED", "value": { "payload": config.to_string() } } })
            }
            _ => json!({ "data": if snapshot.is_null() { json!({}) } else { snapshot.clone() } }),
        }
    }
}

/// The token of a message. Its key opens nothing but the snapshot and the secrets of this step, at the API of this process.
fn token(place: &Place, step: &Step, input: &Input<'_>) -> String {
    let mut settings = input.config["nodeSettings"].as_object().cloned().unwrap_or_default();
    // It would make each message what the step remembers. The history has every message anyway.
    settings.remove("autoSaveSnapshots");
    if step.passthrough {
        settings.insert("passthrough".to_owned(), true.into());
    }
    let claims = json!({
        "flowId": step.flow,
        "stepId": step.step,
        "function": step.function,
        "flowExecId": input.thread,
        "userId": "user",
        "secretId": "instance",
        "fields": input.config,
        "apiKey": place.access.1,
        "nodeSettings": settings,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    // Nobody verifies it: it comes and goes inside one container.
    format!("{}.{}.", part(&json!({ "alg": "none", "typ": "JWT" })), part(&claims))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Map;

    use super::*;

    fn place() -> Place {
        Place {
            broker: String::new(),
            api: String::new(),
            access: (String::new(), "key".to_owned()),
            cipher: (String::new(), String::new()),
        }
    }

    fn step() -> Step {
        Step {
            flow: "f".to_owned(),
            step: "s".to_owned(),
            container: "c".to_owned(),
            component: "x".to_owned(),
            function: "getObjects".to_owned(),
            prefetch: 1,
            passthrough: false,
            startup: false,
        }
    }

    fn publication(exchange: &str, key: &str, headers: Value, body: &str) -> Publication {
        Publication {
            exchange: exchange.to_owned(),
            routing_key: key.to_owned(),
            headers: headers.as_object().unwrap().clone(),
            expiration: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn nothing_is_missing_without_which_a_process_would_not_start() {
        let required = "COMP_ID API_URI AMQP_URI LISTEN_MESSAGES_ON BACKCHANNEL_EXCHANGE NODE_EXCHANGE OUTPUT_ROUTING_KEY \
                        REBOUND_ROUTING_KEY ERROR_ROUTING_KEY STATE_ROUTING_KEY SNAPSHOT_ROUTING_KEY SNAPSHOTS_EXCHANGE \
                        SECRET_SERVICE_BASE_URL SNAPSHOTS_SERVICE_BASE_URL";
        let environment = Ferryman::new(None).environment(&place(), &step());
        for name in required.split(' ') {
            assert!(environment.contains_key(&format!("ELASTICIO_{name}")), "{name}");
        }
        // What is not there is not opened, and what is encrypted nobody could read.
        for name in ["ENABLE_REST_API", "HOOK_SHUTDOWN", "MESSAGE_CRYPTO_PASSWORD"] {
            assert!(!environment.contains_key(&format!("ELASTICIO_{name}")), "{name}");
        }
    }

    #[test]
    fn the_token_says_what_a_message_is_for() {
        let (config, headers) = (json!({ "a": 1 }), Map::new());
        let input =
            Input { delivery: "d", thread: "t", attempt: 1, body: None, headers: &headers, config: &config };
        let message = Ferryman::new(None).encode(&place(), &step(), &input).unwrap();
        let token = message.headers["orchestratorToken"].as_str().unwrap();
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["function"], &claims["fields"]["a"]), (&json!("getObjects"), &json!(1)));
        assert_eq!(message.headers["messageId"], "d");
        assert_eq!(serde_json::from_slice::<Value>(&message.body).unwrap()["data"], json!({}));
    }

    #[test]
    fn what_a_process_says_is_understood() {
        let decode = |publication: Publication| {
            Ferryman::new(None).decode(&place(), &publication).map(|event| event.kind)
        };
        let of = json!({ "parentMessageId": "d1", "messageId": "m" });
        let data = decode(publication(
            "outputs",
            "data",
            of.clone(),
            r#"{"data":{"a":1},"metadata":{"recordUid":"r"}}"#,
        ));
        let Ok(EventKind::Data { body, headers }) = data else { panic!("{data:?}") };
        assert_eq!((body, &headers["eio-metadata"]["recordUid"]), (json!({ "a": 1 }), &json!("r")));
        let text = r#"{"error":"{\"name\":\"Error\",\"message\":\"connect ECONNREFUSED\"}"}"#;
        let Ok(EventKind::Failed(failure)) = decode(publication("outputs", "error", of.clone(), text)) else {
            panic!()
        };
        assert!(failure.is_transient());
        assert_eq!(
            decode(publication("outputs", "state", of, "\"function complete\"")),
            Ok(EventKind::Nothing)
        );
        assert_eq!(decode(publication("events", "provenance", json!({}), "{}")), Ok(EventKind::Nothing));
        let rebound = decode(publication(
            "outputs",
            "rebound",
            json!({ "parentMessageId": "d1", "reboundReason": { "reason": "x" } }),
            "{}",
        ));
        assert_eq!(
            rebound,
            Ok(EventKind::Rebound { after: Duration::from_secs(15), reason: "x".to_owned() })
        );
    }
}
