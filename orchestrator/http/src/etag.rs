//! Entity tags of flows: two people who change the same flow do not overwrite each other unseen.

use axum::http::{HeaderMap, HeaderValue, header};
use sluice_domain::Flow;
use sluice_engine::FlowRef;

use crate::ApiState;
use crate::problem::{Answer, ErrorCode, Refusal};

/// Changes whenever the flow's definition or intent does; its status and counters are not part of it.
pub(crate) fn of(flow: &Flow) -> String {
    format!("\"{}-{}-{:x}\"", flow.version, flow.intent, flow.updated_at.timestamp_micros())
}

pub(crate) fn header(flow: &Flow) -> [(header::HeaderName, HeaderValue); 1] {
    let value = HeaderValue::from_str(&of(flow)).unwrap_or(HeaderValue::from_static("\"\""));
    [(header::ETAG, value)]
}

/// Refuses a change of a flow that is no longer what the caller saw.
pub(crate) async fn check(state: &ApiState, flow: &FlowRef, headers: &HeaderMap) -> Answer<()> {
    let Some(wanted) = headers.get(header::IF_MATCH) else { return Ok(()) };
    let now = of(&state.engine.flow(flow).await?.flow);
    let wanted = wanted.to_str().unwrap_or_default();
    let matches = wanted.split(',').map(str::trim).any(|tag| tag == "*" || tag == now);
    if matches {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::Changed, format!("the flow is now {now}; look at it again and repeat")))
}
