//! Settings that do not fit their connector.

use serde_json::{Map, Value};
use sluice_domain::Connector;

use crate::near::quote;
use crate::places::escape;
use crate::schema::{Violation, violations};

/// What of the settings does not fit; places begin with `at`.
pub(crate) fn faults(connector: &Connector, settings: &Map<String, Value>, at: &str) -> Vec<Violation> {
    let Some(schema) = &connector.descriptor.settings else {
        let fault = |name: &String| Violation {
            pointer: format!("{at}/{}", escape(name)),
            keyword: String::new(),
            message: format!(
                "the connector `{}` takes no settings, so {} has no effect",
                connector.name(),
                quote(name)
            ),
        };
        return settings.keys().map(fault).collect();
    };
    let found = violations(schema, &Value::Object(settings.clone())).unwrap_or_else(|reason| {
        let message =
            format!("the settings cannot be checked, because the connector's own schema is wrong: {reason}");
        vec![Violation { pointer: String::new(), keyword: String::new(), message }]
    });
    found.into_iter().map(|fault| Violation { pointer: format!("{at}{}", fault.pointer), ..fault }).collect()
}
