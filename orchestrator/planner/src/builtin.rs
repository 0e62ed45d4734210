//! What flows may use without installing anything: the orchestrator does it itself.

use std::sync::LazyLock;

use chrono::DateTime;
use serde_json::json;
use sluice_domain::{Connector, PinnedImage, Source};
use sluice_protocol::Descriptor;

/// The name of the connector that is always there. No other may have it.
pub const BUILTIN: &str = "sluice";

/// The connector. Nothing ever starts its image.
pub(crate) fn connector() -> &'static Connector {
    static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
        let descriptor = json!({
            "name": BUILTIN,
            "version": env!("CARGO_PKG_VERSION"),
            "title": "Sluice",
            "actions": { "respond": {
                "title": "Answer the request that a webhook took",
                "input": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "status": { "type": "integer", "minimum": 200, "maximum": 599, "default": 200 },
                        "headers": { "type": "object", "additionalProperties": { "type": "string" } },
                        "body": {},
                    },
                },
            } },
        });
        let descriptor = Descriptor::from_json(&descriptor.to_string()).expect("the descriptor is whole");
        let image = "sluice/orchestrator".parse().expect("the name of an image");
        let digest = format!("sha256:{}", "0".repeat(64)).parse().expect("a digest");
        Connector {
            descriptor,
            source: Source::Image(PinnedImage { image, digest }),
            installed_at: DateTime::UNIX_EPOCH,
        }
    });
    &CONNECTOR
}

/// Whether it is the one that is always there.
pub(crate) fn is(connector: &Connector) -> bool {
    connector.name().as_str() == BUILTIN
}
