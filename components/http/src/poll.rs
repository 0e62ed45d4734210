//! Polling trigger `poll`: requests a URL and emits each item of its answer once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_sdk::{Context, Error, Output, Outputs, Polled, PollingTrigger};

use crate::answer::{self, FailOn};
use crate::auth::Auth;
use crate::exchange::{self, BodyType, Exchange, Shared};
use crate::request::{default_bytes, default_redirects, default_timeout, method};
use crate::seen::{Seen, at};

/// Most items of one answer: as many as a cursor can tell apart.
const ITEMS: usize = 20_000;

#[derive(Default)]
pub(crate) struct Poll {
    shared: Shared,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    query: Map<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    #[serde(default)]
    body_type: BodyType,
    items: Option<String>,
    key: Option<String>,
    #[serde(default)]
    emit: Emit,
    #[serde(default = "default_timeout")]
    timeout_ms: u64,
    #[serde(default = "default_redirects")]
    redirects: usize,
    #[serde(default = "default_bytes")]
    max_response_bytes: usize,
}

fn get() -> String {
    "GET".to_owned()
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Emit {
    #[default]
    Once,
    All,
}

impl PollingTrigger for Poll {
    type Config = Config;

    async fn poll(&self, cx: &Context, config: &Config, state: Option<Value>) -> Result<Polled, Error> {
        let auth = Auth::of(cx).await?;
        let mut url = auth.resolve(&config.url)?;
        exchange::add_query(&mut url, &config.query);
        let exchange = Exchange {
            method: method(&config.method)?,
            url,
            headers: exchange::headers(&config.headers)?,
            body: config
                .body
                .as_ref()
                .map(|body| exchange::write_body(config.body_type, body))
                .transpose()?,
            timeout: Duration::from_millis(config.timeout_ms),
            redirects: config.redirects.min(5),
        };
        let response = self.shared.send(cx, &auth, exchange).await?;
        answer::check(&response, FailOn::ClientErrors)?;
        let body = answer::body(response, config.max_response_bytes).await?;
        let items = items(body, config.items.as_deref())?;
        match config.emit {
            Emit::All => Ok(Polled::new(outputs(items))),
            Emit::Once => {
                let (fresh, seen) = Seen::read(state).sift(items, config.key.as_deref());
                let state = serde_json::to_value(seen).map_err(|error| Error::fatal("bad_state", error))?;
                Ok(Polled::new(outputs(fresh)).state(state))
            }
        }
    }
}

fn outputs(items: Vec<Value>) -> Outputs {
    items.into_iter().map(Output::new).collect()
}

/// The items of an answer; an answer that is no list is one item.
fn items(body: Value, path: Option<&str>) -> Result<Vec<Value>, Error> {
    let found = match path {
        None => body,
        Some(path) => at(&body, path)
            .cloned()
            .ok_or_else(|| Error::fatal("no_items", format_args!("the answer has nothing at `{path}`")))?,
    };
    let items = match found {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        single => vec![single],
    };
    if items.len() > ITEMS {
        return Err(Error::fatal("too_many_items", format_args!("the answer has more than {ITEMS} items")));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn items_are_found_by_their_path() {
        let body = json!({ "data": { "orders": [1, 2] } });
        assert_eq!(items(body.clone(), Some("data.orders")).unwrap().len(), 2);
        assert_eq!(items(body.clone(), None).unwrap().len(), 1);
        assert_eq!(items(body, Some("data.nothing")).unwrap_err().code(), "no_items");
    }
}
