//! The hooks of triggers.

use serde_json::{Value, json};
use sluice_sdk::testing::Harness;

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

    fn config(&self) -> Value {
        json!({ "_hooks": true, "journal": self.0.display().to_string() })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// The probe on a library, in a step that uses an instance.
fn bound(library: &str) -> Harness {
    harness(library).settings(json!({}))
}

/// What is asked of the action that shuts down.
fn ended(opened: &Value) -> Value {
    json!({ "trigger": "hooked", "config": {}, "opened": opened, "flow": "f1", "step": "s1" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_is_started_up_once_and_shut_down_once() {
    for library in LIBRARIES {
        let journal = Journal::new();
        let config = journal.config();
        let first = bound(library);
        let one = first.poll("hooked", config.clone(), None).await.unwrap();
        assert_eq!(body(&one.outputs[0]), json!({ "count": 1, "initialised": true }), "{library}");
        let opened = json!({ "returned": { "subscription": 7 }, "config": config });
        let cursor = json!({ "_opened": opened, "_snapshot": { "count": 1 } });
        assert_eq!(one.state, Some(cursor.clone()), "{library}");
        assert_eq!(journal.lines(), ["startup", "init"], "{library}");
        // Another container: what was started stays started.
        let two = bound(library).poll("hooked", config.clone(), Some(cursor)).await.unwrap();
        assert_eq!(body(&two.outputs[0])["count"], 2, "{library}");
        assert_eq!(journal.lines(), ["startup", "init", "init"], "{library}");
        let opened = two.state.unwrap()["_opened"].clone();
        bound(library).action("shutdown", json!({}), ended(&opened)).await.unwrap();
        assert_eq!(journal.lines()[3..], ["shutdown {\"subscription\":7}"], "{library}");
        // What is left of the cursor when the flow has ended: the snapshot. The next life begins with a startup.
        let left = Some(json!({ "_snapshot": { "count": 2 } }));
        let three = bound(library).poll("hooked", config, left).await.unwrap();
        assert_eq!(body(&three.outputs[0])["count"], 3, "{library}");
        assert_eq!(journal.lines()[4..], ["startup", "init"], "{library}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_serves_the_step_does_not_outlive_its_shutdown() {
    for library in LIBRARIES {
        let journal = Journal::new();
        let config = journal.config();
        let harness = bound(library);
        let one = harness.poll("hooked", config.clone(), None).await.unwrap();
        let state = one.state.unwrap();
        let mut order = ended(&state["_opened"]);
        (order["flow"], order["step"]) = (json!("flow_test"), json!("step"));
        harness.action("shutdown", json!({}), order).await.unwrap();
        let left = Some(json!({ "_snapshot": state["_snapshot"] }));
        harness.poll("hooked", config, left).await.unwrap();
        let lines = ["startup", "init", "shutdown {\"subscription\":7}", "startup", "init"];
        assert_eq!(journal.lines(), lines, "{library}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_config_shuts_down_what_the_one_before_started_up() {
    for library in LIBRARIES {
        let (before, after) = (Journal::new(), Journal::new());
        let harness = bound(library);
        let one = harness.poll("hooked", before.config(), None).await.unwrap();
        let two = harness.poll("hooked", after.config(), one.state.clone()).await.unwrap();
        assert_eq!(body(&two.outputs[0])["count"], 2, "{library}: what it remembers stays");
        let first = ["startup", "init", "shutdown {\"subscription\":7}"];
        assert_eq!(before.lines(), first, "{library}: with the config that it was started up with");
        assert_eq!(after.lines(), ["startup", "init"], "{library}");
        let state = two.state.unwrap();
        assert_eq!(state["_opened"]["config"], after.config(), "{library}");
        // Without hooks from now on.
        let mut none = after.config();
        none["_hooks"] = false.into();
        let three = harness.poll("hooked", none, Some(state)).await.unwrap();
        assert_eq!(three.state, Some(json!({ "count": 3 })), "{library}");
        assert_eq!(after.lines()[2..], ["shutdown {\"subscription\":7}", "init"], "{library}");

        // One that cannot be shut down is not forgotten.
        let mut stuck = one.state.unwrap();
        stuck["_opened"]["config"]["stuck"] = true.into();
        let fault = harness.poll("hooked", before.config(), Some(stuck)).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retryable), ("shutdown_failed", true), "{library}");
        assert!(fault.message.contains("it cannot be shut down"), "{library}: {fault:?}");
        assert_eq!(before.lines().len(), 3, "{library}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_fail_say_so() {
    for library in LIBRARIES {
        let journal = Journal::new();
        let mut config = journal.config();
        config["refuse"] = true.into();
        let fault = bound(library).poll("hooked", config, None).await.unwrap_err();
        assert_eq!(fault.code, "component_not_started", "{library}");
        assert!(fault.message.contains("it cannot be started"), "{library}: {fault:?}");
        let mut config = journal.config();
        config["stuck"] = true.into();
        let order = ended(&json!({ "returned": {}, "config": config }));
        let fault = bound(library).action("shutdown", json!({}), order).await.unwrap_err();
        assert!(fault.message.contains("it cannot be shut down"), "{library}: {fault:?}");
        assert_eq!(journal.lines(), Vec::<String>::new(), "{library}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_refused_where_nothing_could_run_them() {
    let config = Journal::new().config();
    for library in ["sailor-1.3.0", "ferryman-1.1.3", "ferryman-2.4.7"] {
        let fault = bound(library).poll("hooked", config.clone(), None).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retryable), ("not_offered", false), "{library}: {fault:?}");
    }
    for (harness, config) in
        [(harness(LIBRARIES[0]), config), (bound(LIBRARIES[0]), json!({ "_hooks": "shutdown" }))]
    {
        let fault = harness.poll("hooked", config, None).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retryable), ("bad_config", false), "{fault:?}");
    }
}
