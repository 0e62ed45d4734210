//! Triggers that others call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Hook, Preset, ResponseFormat, Signature};

/// A function that emits a message for each request to its URL. No component runs for it: the orchestrator itself takes
/// the requests. Its expressions see `vars`, `config` and `request` (`method`, `headers` with names in lower case, `query`,
/// `body`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookTrigger {
    /// A title for people.
    pub title: String,
    /// What it does, in Markdown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How it gets its work.
    pub kind: WebhookKind,
    /// JSON Schema of a step's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub config: Option<Value>,
    /// JSON Schema of what it emits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub output: Option<Value>,
    /// How requests are signed. What is not signed right is refused.
    pub signature: Signature,
    /// What tells a delivery from others, so that one that comes again is not processed again. That of the preset when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeliveryId")]
    pub delivery_id: Option<DeliveryId>,
    /// Which requests count: an expression. The others are answered with success, and nothing more happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// How the question whether this URL belongs to us is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Challenge")]
    pub challenge: Option<Challenge>,
    /// How the body is read; by its content type when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ResponseFormat")]
    pub format: Option<ResponseFormat>,
    /// The body of the message: a value whose texts may be expressions. The body of the request when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// What is called when a flow starts, so that the sender knows the URL: an action or a script. It gets
    /// `{ url, secret, config, flow, step }`, where `secret` is random and may sign requests. What it gives is kept for
    /// `unsubscribe`; where that has a text `signing_secret`, that signs requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Hook")]
    pub subscribe: Option<Hook>,
    /// What is called when the flow stops, or its URL is another. It gets `{ url, config, subscription, flow, step }`, where
    /// `subscription` is what `subscribe` gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Hook")]
    pub unsubscribe: Option<Hook>,
    /// The headers of the request that become headers of the message, besides `method` and `query`. At most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub headers: Vec<String>,
}

/// How a webhook gets its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookKind {
    /// Others call its URL.
    Webhook,
}

/// What tells a delivery from others. A request without it is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryId {
    /// A header.
    Header(String),
    /// An expression that gives a text or a number.
    Value(String),
}

/// How the question whether a URL belongs to us is answered. A `GET` is answered before its signature is looked at, since
/// such questions come unsigned; any other request only after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// Whether the request is such a question: an expression.
    pub when: String,
    /// The answer: an expression. A text goes out as it is, anything else as JSON.
    pub body: String,
    /// The content type of the answer.
    #[serde(default = "text")]
    pub content_type: String,
}

fn text() -> String {
    "text/plain".to_owned()
}

impl WebhookTrigger {
    /// Whether the instance has to have the secret that requests are signed with. One that tells its sender where to send
    /// agrees on a secret then.
    #[must_use]
    pub fn needs_secret(&self) -> bool {
        self.subscribe.is_none() && self.signature.needs_secret()
    }

    /// What tells a delivery from others, and whether a request without it is refused. Nothing where only the signature can
    /// tell.
    #[must_use]
    pub fn delivery(&self) -> Option<(DeliveryId, bool)> {
        if let Some(id) = &self.delivery_id {
            return Some((id.clone(), true));
        }
        let header = |name: &str| Some((DeliveryId::Header(name.to_owned()), true));
        // Some kinds of their requests have none; the signature, which has a time, stands in for it.
        let value = |path: &str| Some((DeliveryId::Value(path.to_owned()), false));
        match self.signature.preset? {
            Preset::Github => header("X-GitHub-Delivery"),
            Preset::Shopify => header("X-Shopify-Webhook-Id"),
            Preset::Stripe => value("$.request.body.id"),
            Preset::Slack => value("$.request.body.event_id"),
            Preset::Standard | Preset::Token | Preset::None => None,
        }
    }
}
