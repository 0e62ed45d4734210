//! A server that says what a third party said, in its place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use sluice_declarative::Manifest;
use sluice_engine::{EvaluateRequest, evaluate};
use tokio::net::TcpListener;
use url::Url;

use crate::little_http::{Asked, LittleServer, Told, serve};
use crate::recording::{Exchange, MASK, Recording};

/// Headers of an answer that are about its transport, which is another one now.
const TRANSPORT: [&str; 6] =
    ["connection", "content-encoding", "content-length", "date", "keep-alive", "transfer-encoding"];

/// A server that replays a recording, until it is dropped.
#[derive(Debug)]
pub struct Replay {
    origin: String,
    state: Arc<Mutex<State>>,
    _server: LittleServer,
}

#[derive(Debug)]
struct State {
    origin: String,
    scopes: BTreeMap<String, Vec<Exchange>>,
    scope: String,
    /// Which exchanges of the scope were told already.
    told: Vec<bool>,
    /// What was asked that is not in the recording.
    misses: Vec<String>,
}

impl Replay {
    /// Serves a recording on this address of the machine.
    ///
    /// # Errors
    /// When no port is free there.
    pub async fn start(recording: Recording, host: IpAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((host, 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State {
            origin: origin.clone(),
            scopes: recording.scopes,
            scope: String::new(),
            told: Vec::new(),
            misses: Vec::new(),
        }));
        let answering = Arc::clone(&state);
        let server = serve(listener, move |asked| lock(&answering).answer(asked));
        Ok(Self { origin, state, _server: server })
    }

    /// Where it listens: a scheme, a host and a port.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// From now on, what is asked belongs to this scope.
    pub(crate) fn begin(&self, scope: &str) {
        let mut state = lock(&self.state);
        scope.clone_into(&mut state.scope);
        state.told = vec![false; state.scopes.get(scope).map_or(0, Vec::len)];
        state.misses.clear();
    }

    /// What was asked in the scope that is not in the recording.
    pub(crate) fn misses(&self) -> Vec<String> {
        lock(&self.state).misses.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// The first exchange of the scope that fits and was not told yet; else the last one that fits.
    fn answer(&mut self, asked: &Asked) -> Told {
        let exchanges = self.scopes.get(&self.scope).map_or(&[][..], Vec::as_slice);
        let fits = |index: &usize| fits(&exchanges[*index], asked);
        let fresh = (0..exchanges.len()).filter(|index| !self.told[*index]).find(fits);
        let Some(index) = fresh.or_else(|| (0..exchanges.len()).rev().find(fits)) else {
            let what = format!("{} {}", asked.method, asked.target);
            let error = format!("the recording has no answer to {what} in {}", self.scope);
            self.misses.push(what);
            let json = vec![("content-type".to_owned(), "application/json".to_owned())];
            return (501, json, json!({ "error": error }).to_string());
        };
        self.told[index] = true;
        self.told_of(&exchanges[index])
    }

    fn told_of(&self, exchange: &Exchange) -> Told {
        let before = exchange.request.url.parse::<Url>().map(|url| url.origin().ascii_serialization());
        let here = |text: &str| match &before {
            Ok(before) => text.replace(before, &self.origin),
            Err(_) => text.to_owned(),
        };
        let headers = exchange.response.headers.iter();
        let headers = headers.filter(|(name, _)| !TRANSPORT.contains(&name.as_str()));
        let headers =
            headers.filter_map(|(name, value)| Some((name.clone(), here(value.as_str()?)))).collect();
        (exchange.response.status, headers, here(exchange.response.body.as_deref().unwrap_or_default()))
    }
}

/// Whether a request is the one that was recorded: method, path, query and body. A mask stands for anything.
fn fits(exchange: &Exchange, asked: &Asked) -> bool {
    let recorded = &exchange.request;
    let Ok(url) = recorded.url.parse::<Url>() else { return false };
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    if recorded.method != asked.method || !same(target, &asked.target) {
        return false;
    }
    match &recorded.body {
        // It was empty or is no text, which a trace does not tell.
        None => recorded.bytes > 0 || asked.body.is_empty(),
        Some(body) => {
            let json = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
            let equal = json(body.as_bytes()).is_some_and(|value| Some(value) == json(&asked.body));
            equal || same(body, &String::from_utf8_lossy(&asked.body))
        }
    }
}

/// Whether a text is the recorded one, whose masks stand for anything.
fn same(recorded: &str, text: &str) -> bool {
    let parts: Vec<&str> = recorded.split(MASK).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return recorded == text };
    let Some(mut rest) = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// The connector with the requests to its API going to `origin` instead.
///
/// # Errors
/// A sentence, when the address of the API cannot be told from the settings.
pub fn redirect(
    manifest: &Manifest,
    settings: &Map<String, Value>,
    origin: &str,
) -> Result<Manifest, String> {
    let mut moved = manifest.clone();
    let Some(http) = &mut moved.http else { return Err("the connector makes no requests".to_owned()) };
    let request = EvaluateRequest::Mapping {
        mapping: Value::from(http.base_url.as_str()),
        input: json!({ "vars": settings }),
    };
    let value =
        evaluate(request).map_err(|error| format!("`http.base_url`: {}", sluice_engine::chain(&error)))?;
    let base = value.as_ref().and_then(Value::as_str).unwrap_or_default();
    let base: Url =
        base.parse().map_err(|error| format!("`http.base_url` gives `{base}`, which is no URL: {error}"))?;
    http.base_url = format!("{origin}{}", base.path().trim_end_matches('/'));
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(method: &str, url: &str, body: Option<&str>, answer: &str) -> Exchange {
        let value = json!({
            "request": { "method": method, "url": url, "body": body, "bytes": body.map_or(0, str::len) },
            "response": { "status": 200, "headers": { "link": "<https://api.example/a?page=2>", "date": "x" }, "body": answer },
        });
        serde_json::from_value(value).unwrap()
    }

    fn asked(method: &str, target: &str, body: &'static str) -> Asked {
        Asked {
            method: method.to_owned(),
            target: target.to_owned(),
            authorization: String::new(),
            body: body.as_bytes().into(),
        }
    }

    fn state(exchanges: Vec<Exchange>) -> State {
        State {
            origin: "http://172.18.0.1:9".to_owned(),
            told: vec![false; exchanges.len()],
            scopes: BTreeMap::from([("case".to_owned(), exchanges)]),
            scope: "case".to_owned(),
            misses: Vec::new(),
        }
    }

    #[test]
    fn answers_come_in_their_order_and_the_last_one_again() {
        let url = "https://api.example/v2/a?key=***";
        let mut state = state(vec![exchange("GET", url, None, "one"), exchange("GET", url, None, "two")]);
        let bodies: Vec<String> = (0..3).map(|_| state.answer(&asked("GET", "/v2/a?key=s3", "")).2).collect();
        assert_eq!(bodies, ["one", "two", "two"]);
        assert_eq!(state.answer(&asked("GET", "/v2/b", "")).0, 501);
        assert_eq!(state.misses, ["GET /v2/b"]);
    }

    #[test]
    fn an_answer_leads_back_here_and_has_no_headers_of_its_transport() {
        let state = state(Vec::new());
        let told =
            state.told_of(&exchange("GET", "https://api.example/a", None, "see https://api.example/b"));
        assert_eq!(told.1, [("link".to_owned(), "<http://172.18.0.1:9/a?page=2>".to_owned())]);
        assert_eq!(told.2, "see http://172.18.0.1:9/b");
    }

    #[test]
    fn bodies_are_compared_as_json_or_as_text_with_masks() {
        let posted = exchange("POST", "https://api.example/a", Some(r#"{"a":1,"b":2}"#), "");
        assert!(fits(&posted, &asked("POST", "/a", r#"{ "b": 2, "a": 1 }"#)));
        assert!(!fits(&posted, &asked("POST", "/a", r#"{ "b": 2 }"#)));
        assert!(!fits(&posted, &asked("PUT", "/a", r#"{"a":1,"b":2}"#)));
        for (recorded, text, equal) in [
            ("a=***&b=1", "a=x&b=1", true),
            ("a=***&b=1", "a=x&b=2", false),
            ("a=***", "a=anything", true),
            ("***", "", true),
            ("a=1", "a=12", false),
            ("u=***&p=***", "u=me&p=it", true),
        ] {
            assert_eq!(same(recorded, text), equal, "{recorded} {text}");
        }
    }

    #[test]
    fn requests_are_led_to_the_replay_by_their_path() {
        let manifest = |base: &str| {
            Manifest::from_value(&json!({
                "sluice": 1, "kind": "connector", "name": "crm", "version": "1.0.0", "title": "CRM",
                "http": { "base_url": base }, "actions": { "a": { "title": "A", "request": { "path": "/a" } } },
            }))
            .unwrap()
        };
        let settings = json!({ "url": "https://api.example" });
        let settings = settings.as_object().unwrap();
        for (base, expect) in [("= vars.url & '/v2/'", "http://h:1/v2"), ("https://x.example", "http://h:1")]
        {
            let moved = redirect(&manifest(base), settings, "http://h:1").unwrap();
            assert_eq!(moved.http.unwrap().base_url, expect);
        }
        assert!(redirect(&manifest("= vars.none"), settings, "http://h:1").is_err());
    }
}
