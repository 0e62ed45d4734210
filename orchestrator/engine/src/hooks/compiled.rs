//! A webhook, its scheme and expressions parsed. Any thread may use it.

use serde_json::Value;
use sluice_declarative::{DeliveryId, ResponseFormat, WebhookCall};
use sluice_formats::Format;
use sluice_mapping::{Limits, Mapping, Query};
use sluice_webhook::{Scheme, SchemeError};

/// A webhook, ready to judge requests by.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) scheme: Scheme,
    pub(crate) signed: bool,
    /// Whether its sender is told of the URL.
    pub(crate) subscribes: bool,
    pub(crate) delivery: Option<(Delivery, bool)>,
    pub(crate) filter: Option<Query>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) format: Option<Format>,
    pub(crate) body: Option<Mapping>,
    pub(crate) headers: Vec<String>,
    pub(crate) config: Value,
}

/// What tells a delivery from others.
#[derive(Debug)]
pub(crate) enum Delivery {
    Header(String),
    Value(Query),
}

/// How the question whether the URL is ours is answered.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) when: Query,
    pub(crate) body: Query,
    pub(crate) content_type: String,
}

/// A config that is no webhook. The planner makes none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    #[error("the config of the step is not one of a webhook")]
    Config(#[from] serde_json::Error),
    #[error("its signature makes no sense")]
    Scheme(#[from] SchemeError),
    #[error("an expression cannot be read: {0}")]
    Expression(String),
}

impl Hook {
    pub(crate) fn read(config: &Value) -> Result<Self, HookError> {
        let WebhookCall { webhook, config, .. } = serde_json::from_value(config.clone())?;
        let delivery = match webhook.delivery() {
            None => None,
            Some((DeliveryId::Header(name), needed)) => Some((Delivery::Header(name), needed)),
            Some((DeliveryId::Value(text), needed)) => Some((Delivery::Value(query(&text)?), needed)),
        };
        let challenge = match &webhook.challenge {
            None => None,
            Some(challenge) => Some(Challenge {
                when: query(&challenge.when)?,
                body: query(&challenge.body)?,
                content_type: challenge.content_type.clone(),
            }),
        };
        let first = |errors: Vec<sluice_mapping::MappingError>| {
            HookError::Expression(errors.first().map_or_else(String::new, ToString::to_string))
        };
        Ok(Self {
            scheme: Scheme::of(&webhook.signature)?,
            signed: webhook.signature.needs_secret(),
            subscribes: webhook.subscribe.is_some(),
            delivery,
            filter: webhook.filter.as_deref().map(query).transpose()?,
            challenge,
            format: webhook.format.map(format),
            body: webhook
                .body
                .map(|tree| Mapping::parse(&tree, &Limits::default()))
                .transpose()
                .map_err(first)?,
            headers: webhook.headers,
            config,
        })
    }
}

fn format(format: ResponseFormat) -> Format {
    match format {
        ResponseFormat::Json => Format::Json,
        ResponseFormat::Xml => Format::Xml,
        ResponseFormat::Csv => Format::Csv,
        ResponseFormat::Ndjson => Format::Ndjson,
        ResponseFormat::Form => Format::Form,
        ResponseFormat::Text => Format::Text,
        ResponseFormat::Bytes => Format::Bytes,
    }
}

fn query(text: &str) -> Result<Query, HookError> {
    Query::parse(text, &Limits::default()).map_err(|error| HookError::Expression(error.to_string()))
}
