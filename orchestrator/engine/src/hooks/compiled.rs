//! A webhook, its scheme and expressions parsed. Any thread may use it.

use serde_json::Value;
use sluice_declarative::{DeliveryId, ResponseFormat, WebhookCall};
use sluice_formats::Format;
use sluice_mapping::{EvalError, Evaluator, Expression, JsonPath, Limits, Mapping, Root};
use sluice_webhook::{Scheme, SchemeError};

/// A webhook, ready to judge requests by.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) scheme: Scheme,
    pub(crate) signed: bool,
    pub(crate) delivery: Option<(Delivery, bool)>,
    pub(crate) filter: Option<Expr>,
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
    Value(Expr),
}

/// How the question whether the URL is ours is answered.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) when: Expr,
    pub(crate) body: Expr,
    pub(crate) content_type: String,
}

/// A text that must be an expression: JSONPath where it is one, JSONata otherwise.
#[derive(Debug)]
pub(crate) enum Expr {
    Path(JsonPath),
    Jsonata(Expression),
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
            Some((DeliveryId::Value(text), needed)) => Some((Delivery::Value(Expr::parse(&text)?), needed)),
        };
        let challenge = match &webhook.challenge {
            None => None,
            Some(challenge) => Some(Challenge {
                when: Expr::parse(&challenge.when)?,
                body: Expr::parse(&challenge.body)?,
                content_type: challenge.content_type.clone(),
            }),
        };
        let first = |errors: Vec<sluice_mapping::MappingError>| {
            HookError::Expression(errors.first().map_or_else(String::new, ToString::to_string))
        };
        Ok(Self {
            scheme: Scheme::of(&webhook.signature)?,
            signed: webhook.signature.needs_secret(),
            delivery,
            filter: webhook.filter.as_deref().map(Expr::parse).transpose()?,
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

impl Expr {
    fn parse(text: &str) -> Result<Self, HookError> {
        let limits = Limits::default();
        let is_path = text == "$" || text.starts_with("$.") || text.starts_with("$[");
        if is_path && let Ok(path) = JsonPath::parse(text, &limits) {
            return Ok(Self::Path(path));
        }
        let parsed = Expression::parse(text, &limits);
        parsed.map(Self::Jsonata).map_err(|error| HookError::Expression(error.to_string()))
    }

    /// The value; nothing where the expression finds none.
    pub(crate) fn value(
        &self,
        evaluator: &mut Evaluator,
        root: &Root<'_>,
    ) -> Result<Option<Value>, EvalError> {
        match self {
            Self::Path(path) => evaluator.jsonpath(path, root),
            Self::Jsonata(expression) => evaluator.value(expression, root),
        }
    }

    /// Whether the value counts as true by the rules of JSONata's `$boolean`.
    pub(crate) fn truthy(&self, evaluator: &mut Evaluator, root: &Root<'_>) -> Result<bool, EvalError> {
        match self {
            Self::Path(path) => Ok(evaluator.jsonpath(path, root)?.is_some_and(|value| counts(&value))),
            Self::Jsonata(expression) => evaluator.truthy(expression, root),
        }
    }
}

fn counts(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(counts),
        Value::Object(members) => !members.is_empty(),
    }
}
