//! Telling a collector of spans: OTLP over HTTP in its JSON form.
//!
//! Spans come ready, with ids and times of their own, so nothing of an OpenTelemetry SDK would be of use but this form.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sluice_ports::{Fault, PortError, Span, SpanKind, SpanSink, SpanValue};
use url::Url;

use crate::config::Telemetry;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends spans to one collector.
pub(crate) struct Collector {
    http: Client,
    url: Url,
    resource: Value,
}

impl Collector {
    /// `installation` tells this server from others.
    pub(crate) fn new(telemetry: &Telemetry, installation: &str) -> Result<Self, reqwest::Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in &telemetry.headers {
            // Checked when the configuration was read.
            if let (Ok(name), Ok(mut value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value.expose_secret()))
            {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        let http = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .no_proxy()
            .default_headers(headers)
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let mut url = telemetry.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "traces"]);
        }
        let resource = json!({ "attributes": [
            text("service.name", "sluice"),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", installation),
        ] });
        Ok(Self { http, url, resource })
    }
}

#[async_trait]
impl SpanSink for Collector {
    async fn export(&self, spans: &[Span]) -> Result<(), PortError> {
        let failed = |fault, why: String| PortError::new(fault, "hand spans over", why);
        let spans: Vec<Value> = spans.iter().map(span).collect();
        let body = json!({ "resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{ "scope": { "name": "sluice" }, "spans": spans }],
        }] });
        let answer = self.http.post(self.url.clone()).json(&body).send().await;
        let answer =
            answer.map_err(|error| failed(Fault::Transient, sluice_engine::chain(&error.without_url())))?;
        let status = answer.status();
        match status.as_u16() {
            200..=299 => Ok(()),
            // Those that the protocol lets be repeated.
            429 | 502..=504 => Err(failed(Fault::Transient, format!("the answer was {status}"))),
            _ => Err(failed(Fault::Permanent, format!("the answer was {status}"))),
        }
    }
}

fn span(span: &Span) -> Value {
    let mut attributes: Vec<Value> = span
        .attributes
        .iter()
        .map(|(key, value)| match value {
            SpanValue::Text(value) => text(key, value),
            SpanValue::Number(value) => json!({ "key": key, "value": { "intValue": value.to_string() } }),
        })
        .collect();
    attributes.extend(span.error.as_ref().map(|code| text("error.type", code)));
    let kind = match span.kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    };
    let mut value = json!({
        "traceId": format!("{:032x}", span.trace),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": nanos(span.begin),
        "endTimeUnixNano": nanos(span.end),
        "attributes": attributes,
    });
    if let Some(parent) = span.parent {
        value["parentSpanId"] = format!("{parent:016x}").into();
    }
    if let Some(code) = &span.error {
        value["status"] = json!({ "code": 2, "message": code });
    }
    value
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Nanoseconds since 1970, as text: JSON has no numbers of 64 bits.
fn nanos(at: DateTime<Utc>) -> String {
    at.timestamp_nanos_opt().unwrap_or(0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_as_the_protocol_has_it() {
        let given = Span {
            trace: 0x0af7,
            id: 0xb7,
            parent: Some(3),
            name: "push".to_owned(),
            kind: SpanKind::Consumer,
            begin: DateTime::UNIX_EPOCH,
            end: DateTime::UNIX_EPOCH + chrono::TimeDelta::microseconds(1_500_000),
            attributes: vec![
                ("attempt", SpanValue::Number(2)),
                ("step.id", SpanValue::Text("push".to_owned())),
            ],
            error: Some("timeout".to_owned()),
        };
        let expect = json!({
            "traceId": "00000000000000000000000000000af7", "spanId": "00000000000000b7", "name": "push", "kind": 5,
            "startTimeUnixNano": "0", "endTimeUnixNano": "1500000000",
            "attributes": [
                { "key": "attempt", "value": { "intValue": "2" } },
                { "key": "step.id", "value": { "stringValue": "push" } },
                { "key": "error.type", "value": { "stringValue": "timeout" } },
            ],
            "parentSpanId": "0000000000000003", "status": { "code": 2, "message": "timeout" },
        });
        assert_eq!(span(&given), expect);
        let first = span(&Span { parent: None, error: None, ..given });
        assert!(first.get("parentSpanId").is_none() && first.get("status").is_none());
    }
}
