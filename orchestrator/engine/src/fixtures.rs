//! Flows for tests, compiled from text as live ones are.

use std::sync::Arc;

use serde_json::{Value, json};
use sluice_domain::{Connector, DeploymentSpec, FlowId, FlowVersion, Limits, PinnedImage, Scope, Source};
use sluice_planner::{Catalogue, Demand, SourceFile, compile, read};
use sluice_protocol::Descriptor;

use crate::table::LiveFlow;

/// A connector `demo` with a listener, a polling trigger and an action.
pub(crate) fn demo() -> Connector {
    let descriptor = json!({
        "name": "demo", "version": "1.0.0", "title": "Demo",
        "triggers": {
            "listen": { "title": "Listen", "kind": "listener" },
            "poll": { "title": "Poll", "kind": "polling" }
        },
        "actions": { "act": { "title": "Act", "ports": ["out", "rejected"] } }
    });
    Connector {
        descriptor: Descriptor::from_json(&descriptor.to_string()).unwrap(),
        source: Source::Image(PinnedImage {
            image: "sluice/demo:1.0.0".parse().unwrap(),
            digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
        }),
        installed_at: chrono::DateTime::UNIX_EPOCH,
    }
}

/// A flow of these steps.
pub(crate) fn flow(steps: &str, params: Value) -> Arc<LiveFlow> {
    let text = format!(
        "sluice: 1\nkind: template\nname: test\nversion: 1.0.0\nparameters: {{ type: object, additionalProperties: true }}\nsteps:\n{steps}"
    );
    let (documents, report) = read(&[SourceFile { name: "test.yaml".into(), text }]);
    assert!(!report.has_errors(), "{report}");
    let demand = Demand {
        doc: &documents.templates[0],
        flow: FlowId::from_bits(7),
        name: "test".parse().unwrap(),
        version: FlowVersion(1),
        params,
        instances: std::collections::BTreeMap::new(),
    };
    let catalogue = Catalogue { connectors: vec![demo()], ..Catalogue::default() };
    let (compiled, report) = compile(&demand, &catalogue);
    Arc::new(LiveFlow::load(compiled.unwrap_or_else(|| panic!("{report}"))).unwrap())
}

/// A deployment of `demo`.
pub(crate) fn deployment(scope: Scope) -> DeploymentSpec {
    let connector = demo();
    let pinned = connector.image().unwrap().clone();
    DeploymentSpec::new(&connector, &pinned, scope, Limits::default())
}
