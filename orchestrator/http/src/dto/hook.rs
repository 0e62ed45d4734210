//! Webhooks.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A webhook of a flow.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Hook {
    /// The step.
    pub step: String,
    /// The URLs that work, newest first; none when they were revoked.
    pub urls: Vec<HookUrl>,
    /// Whether the sender was told of the newest URL; absent where the connector does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribed: Option<bool>,
    /// Why it could not be told lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A URL of a webhook. Whoever knows it may send to it.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct HookUrl {
    /// Its path.
    pub path: String,
    /// The whole URL, where `api.public_url` is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<DateTime<Utc>>,
}

/// How to rotate.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateHook {
    /// How long the URLs before go on working, for example `24h`, which it is when absent; at most `30d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
}

impl Hook {
    pub(crate) fn of(view: sluice_engine::HookView, base: Option<&str>) -> Self {
        let urls = view.keys.into_iter().map(|key| {
            let path = format!("/hooks/{}", key.key.expose_secret());
            let url = base.map(|base| format!("{}{path}", base.trim_end_matches('/')));
            HookUrl { path, url, created_at: key.created_at, retires_at: key.retires_at }
        });
        Self {
            step: view.step.to_string(),
            urls: urls.collect(),
            subscribed: view.subscribed,
            trouble: view.trouble,
        }
    }
}
