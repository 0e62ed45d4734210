//! The server itself, by its API.

use sluice_http::dto;

use super::finding::{Check, Finding};
use super::in_time;
use crate::client::Client;
use crate::failure::Failure;

pub(super) async fn look() -> Vec<Finding> {
    let found = in_time(async { ask().await.map_err(|failure: Failure| failure.message) }).await;
    let answers = found.is_ok();
    let mut findings = vec![Finding::answered(Check::Server, found)];
    if answers && let Ok(tokens) = in_time(async { tokens().await.map_err(|failure| failure.message) }).await
    {
        findings.push(judge(&tokens));
    }
    findings
}

async fn ask() -> Result<String, Failure> {
    let client = Client::find()?;
    let live: dto::Live = client.get(&["healthz"], &[]).await?;
    let ready = client.get::<dto::Ready>(&["readyz"], &[]).await.is_ok_and(|ready| ready.ready);
    let ready = if ready { "ready" } else { "live, but not ready" };
    Ok(format!("{} version {}, {ready}", client.url(), live.version))
}

/// Only administrators see tokens. Who is none is told nothing of them.
async fn tokens() -> Result<Vec<dto::Token>, Failure> {
    Client::find()?.list(&["api", "v1", "tokens"], &[], 10_000).await
}

fn judge(tokens: &[dto::Token]) -> Finding {
    let eternal: Vec<&str> = tokens
        .iter()
        .filter(|token| token.expires_at.is_none() && token.revoked_at.is_none())
        .map(|token| token.name.as_str())
        .collect();
    match eternal.len() {
        0 => Finding::fine(Check::EternalTokens, "all tokens end some time"),
        count => {
            let some = eternal.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            Finding::warning(Check::EternalTokens, format!("{count} tokens never end: {some}"))
        }
    }
}
