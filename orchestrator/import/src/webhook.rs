//! The connector by which a flow is called, where another platform has a component for that.

use serde_json::json;

use crate::import::OutFile;
use crate::text;

/// What the connector and its trigger are called.
pub(crate) const CONNECTOR: &str = "imported-webhook";
/// The trigger.
pub(crate) const TRIGGER: &str = "receive";

/// Where its file is.
pub(crate) const PATH: &str = "imported-webhook.connector.yaml";

/// Its file. Whoever knows the URL may call it, as there when the webhook has no credentials.
pub(crate) fn file() -> OutFile {
    let comment = "Whoever knows the URL may call this webhook. docs/webhooks.md says how requests are signed.\n\
                   Connectors of this kind need the component `rest`.";
    let connector = json!({
        "sluice": 1,
        "kind": "connector",
        "name": CONNECTOR,
        "version": "1.0.0",
        "title": "Webhooks of imported flows",
        "triggers": {
            TRIGGER: { "title": "Receive a request", "kind": "webhook", "signature": { "preset": "none" } },
        },
    });
    OutFile { path: PATH.to_owned(), text: text::write(comment, &connector) }
}
