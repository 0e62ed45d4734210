//! Requests of webhooks that wait for what their flow answers.
//!
//! Kept in memory only: whoever asked is gone when the process is. An answer that nobody waits for is dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use sluice_protocol::ExecutionId;
use tokio::sync::oneshot;

/// Most requests that wait at a time.
const MOST: usize = 1_000;
/// The longest that a request waits, whatever the step says: connections and proxies give up soon after.
pub(crate) const PATIENCE: Duration = Duration::from_secs(50);
/// Most headers of an answer.
const HEADERS: usize = 50;
/// Most bytes of a header's name and value.
const HEADER_BYTES: usize = 8 * 1024;
/// Headers that belong to the connection, that the server sets itself, or by which an answer would speak for all that the
/// server answers: webhooks share their origin with the operator's API.
const OURS: [&str; 14] = [
    "clear-site-data",
    "connection",
    "content-encoding",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "service-worker-allowed",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-content-type-options",
];

/// What a flow answers to a request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The status: 200 to 599.
    #[serde(default = "usual")]
    pub status: u16,
    /// The headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body: a text as it is, nothing for `null`, anything else as JSON.
    #[serde(default)]
    pub body: Value,
}

fn usual() -> u16 {
    200
}

impl Reply {
    /// Reads what a step of a flow makes.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        if !value.is_object() {
            return Err("it is no object of `status`, `headers` and `body`".to_owned());
        }
        let reply = Self::deserialize(value).map_err(|error| error.to_string())?;
        if !(200..=599).contains(&reply.status) {
            return Err(format!("the status {} is not between 200 and 599", reply.status));
        }
        if reply.headers.len() > HEADERS {
            return Err(format!("there are more than {HEADERS} headers"));
        }
        for (name, value) in &reply.headers {
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let shown: String = name.chars().take(64).collect();
            if name.is_empty() || !name.bytes().all(token) {
                return Err(format!("`{shown}` is no name of a header"));
            }
            if value.bytes().any(|byte| byte != b'\t' && (byte < b' ' || byte == 0x7f)) {
                return Err(format!("the header `{shown}` has a control character"));
            }
            if name.len() + value.len() > HEADER_BYTES {
                return Err(format!("the header `{shown}` has more than {HEADER_BYTES} bytes"));
            }
            if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                return Err(format!("the header `{shown}` is set by the server alone"));
            }
        }
        Ok(reply)
    }
}

/// What came of a request that waited.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// The flow answered.
    Reply(Reply),
    /// A step failed for good before the flow answered. Its message is a dead letter.
    Failed,
    /// The flow did not answer in time. It may go on.
    Late,
}

/// The requests that wait. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replies(Arc<Mutex<HashMap<ExecutionId, oneshot::Sender<Answered>>>>);

/// A request that waits for what its flow answers.
#[derive(Debug)]
pub struct Waiting {
    replies: Replies,
    execution: ExecutionId,
    answer: oneshot::Receiver<Answered>,
    within: Duration,
}

impl Replies {
    /// Waits for what an execution answers. Nothing when too many wait, or it is waited for already.
    pub(crate) fn wait(&self, execution: ExecutionId, within: Duration) -> Option<Waiting> {
        let mut waiting = self.lock();
        if waiting.len() >= MOST || waiting.contains_key(&execution) {
            return None;
        }
        let (answer, receiver) = oneshot::channel();
        waiting.insert(execution, answer);
        Some(Waiting { replies: self.clone(), execution, answer: receiver, within: within.min(PATIENCE) })
    }

    /// Answers whoever waits, if anybody does. The first answer counts.
    pub(crate) fn answer(&self, execution: ExecutionId, answered: Answered) {
        let waiting = self.lock().remove(&execution);
        if let Some(waiting) = waiting {
            // Whoever waited may have gone.
            waiting.send(answered).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, oneshot::Sender<Answered>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Waits until the flow answers, a step fails for good, or the time is over.
    pub async fn answered(mut self) -> Answered {
        match tokio::time::timeout(self.within, &mut self.answer).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) | Err(_) => Answered::Late,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.replies.lock().remove(&self.execution);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_protocol::MessageId;

    use super::*;

    fn execution(number: u128) -> ExecutionId {
        MessageId::from_bits(number).execution(0)
    }

    #[test]
    fn an_answer_has_a_status_headers_and_a_body() {
        let reply = Reply::read(&json!({ "headers": { "x-a": "1" }, "body": [1] })).unwrap();
        assert_eq!((reply.status, reply.body), (200, json!([1])));
        for (value, part) in [
            (json!({ "status": 199 }), "status 199"),
            (json!({ "status": 600 }), "status 600"),
            (json!({ "status": "200" }), "invalid type"),
            (json!({ "state": 200 }), "unknown field"),
            (json!({ "headers": { "a b": "1" } }), "`a b` is no name"),
            (json!({ "headers": { "x": "1\r\nset-cookie: a" } }), "control character"),
            (json!({ "headers": { "Content-Length": "1" } }), "by the server alone"),
            (json!({ "headers": { "Set-Cookie": "a=1" } }), "by the server alone"),
            (json!({ "headers": { "X-Content-Type-Options": "sniff" } }), "by the server alone"),
            (json!({ "headers": { "x": "y".repeat(9000) } }), "more than 8192 bytes"),
            (json!([]), "no object"),
        ] {
            let error = Reply::read(&value).unwrap_err();
            assert!(error.contains(part), "{value}: {error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_counts_and_waiting_ends_in_time() {
        let replies = Replies::default();
        let waiting = replies.wait(execution(1), Duration::from_secs(5)).unwrap();
        assert!(replies.wait(execution(1), Duration::from_secs(5)).is_none(), "it is waited for already");
        replies.answer(execution(2), Answered::Failed);
        replies.answer(execution(1), Answered::Failed);
        replies.answer(execution(1), Answered::Late);
        assert_eq!(waiting.answered().await, Answered::Failed);
        let begun = tokio::time::Instant::now();
        let late = replies.wait(execution(1), Duration::from_secs(500)).unwrap();
        assert_eq!(late.answered().await, Answered::Late);
        assert_eq!(begun.elapsed(), PATIENCE);
        assert!(replies.lock().is_empty(), "nothing is left behind");
    }

    #[test]
    fn no_more_wait_than_may() {
        let replies = Replies::default();
        let waiting: Vec<Waiting> =
            (0..1_000).filter_map(|number| replies.wait(execution(number), PATIENCE)).collect();
        assert_eq!(waiting.len(), MOST);
        assert!(replies.wait(execution(1_000), PATIENCE).is_none());
        drop(waiting);
        assert!(replies.wait(execution(1_000), PATIENCE).is_some());
    }
}
