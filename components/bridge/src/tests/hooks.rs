//! The hooks of triggers.

use serde_json::{Value, json};

use super::body;
use super::probe::harness;

const LIBRARIES: [&str; 2] = ["sailor-2.6.24", "sailor-2.7.8"];

/// A file in which the hooks leave what they were called with, and its lines.
struct Journal(std::path::PathBuf);

impl Journal {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("sluice-hooks-{}", uuid::Uuid::new_v4())))
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn config(&self, hooks: &Value) -> Value {
        json!({ "_hooks": hooks, "journal": self.0.display().to_string() })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_is_started_up_once_and_shut_down_once() {
    for library in LIBRARIES {
        let journal = Journal::new();
        let (on, off) = (journal.config(&json!(true)), journal.config(&json!("shutdown")));
        let first = harness(library);
        let one = first.poll("hooked", on.clone(), None).await.unwrap();
        assert_eq!(body(&one.outputs[0]), json!({ "count": 1, "initialised": true }), "{library}");
        let cursor = json!({ "_startup": { "subscription": 7 }, "_snapshot": { "count": 1 } });
        assert_eq!(one.state, Some(cursor.clone()), "{library}");
        assert_eq!(journal.lines(), ["startup", "init"], "{library}");
        // Another container: what was started stays started.
        let two = harness(library).poll("hooked", on, Some(cursor)).await.unwrap();
        assert_eq!(body(&two.outputs[0])["count"], 2, "{library}");
        assert_eq!(journal.lines(), ["startup", "init", "init"], "{library}");
        let ended = harness(library).poll("hooked", off.clone(), two.state).await.unwrap();
        assert_eq!((ended.outputs.len(), &ended.state), (0, &Some(json!({ "count": 2 }))), "{library}");
        assert_eq!(journal.lines()[3..], ["shutdown {\"subscription\":7}"], "{library}");
        let again = harness(library).poll("hooked", off, ended.state).await.unwrap();
        assert_eq!((again.outputs.len(), again.state, journal.lines().len()), (0, None, 4), "{library}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_fail_say_so() {
    for library in LIBRARIES {
        let journal = Journal::new();
        let mut config = journal.config(&json!(true));
        config["refuse"] = true.into();
        let fault = harness(library).poll("hooked", config, None).await.unwrap_err();
        assert_eq!(fault.code, "component_not_started", "{library}");
        assert!(fault.message.contains("it cannot be started"), "{library}: {fault:?}");
        let mut config = journal.config(&json!("shutdown"));
        config["stuck"] = true.into();
        let started = json!({ "_startup": {}, "_snapshot": {} });
        let fault = harness(library).poll("hooked", config, Some(started)).await.unwrap_err();
        assert!(fault.message.contains("it cannot be shut down"), "{library}: {fault:?}");
        assert_eq!(journal.lines(), Vec::<String>::new(), "{library}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_refused_where_the_library_knows_none() {
    for library in ["sailor-1.3.0", "ferryman-1.1.3", "ferryman-2.4.7"] {
        let config = Journal::new().config(&json!(true));
        let fault = harness(library).poll("hooked", config, None).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retryable), ("not_offered", false), "{library}: {fault:?}");
    }
}
