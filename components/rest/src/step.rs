//! A call, compiled: every expression of it is parsed once, when a step is bound to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_declarative::{
    Auth, BodyFormat, Call, CallKind, Incremental, Pagination, Reaction, Request, Response, ResponseFormat,
};
use sluice_mapping::{Limits, Mapping, MappingError, is_expression};

use crate::expression::Expr;
use crate::hosts::Pattern;

/// The config of a step. Cheap to clone.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Call")]
pub(crate) struct Step(pub(crate) Arc<Compiled>);

/// A call, ready to be executed.
pub(crate) struct Compiled {
    pub(crate) base_url: Mapping,
    pub(crate) allowed_hosts: Vec<Pattern>,
    /// Of every request, then of this one, whose members win.
    pub(crate) headers: [Mapping; 2],
    pub(crate) query: [Mapping; 2],
    pub(crate) method: String,
    pub(crate) path: Path,
    pub(crate) body: Option<Body>,
    pub(crate) timeout: Duration,
    pub(crate) max_response_bytes: usize,
    pub(crate) rules: Vec<Rule>,
    pub(crate) auth: Auth,
    pub(crate) format: Option<ResponseFormat>,
    pub(crate) result: Option<Expr>,
    pub(crate) pages: Option<Pages>,
    pub(crate) config: Value,
    /// What makes it a trigger.
    pub(crate) watch: Option<Watch>,
}

/// The path of a request.
pub(crate) enum Path {
    /// A text with names in braces, and what some of them stand for.
    Template(String, Mapping),
    Expression(Mapping),
}

pub(crate) struct Body {
    pub(crate) format: BodyFormat,
    pub(crate) value: Mapping,
    pub(crate) content_type: Option<String>,
}

/// What some answers mean.
pub(crate) struct Rule {
    pub(crate) status: Vec<u16>,
    pub(crate) when: Option<Expr>,
    pub(crate) then: Reaction,
    pub(crate) message: Option<Mapping>,
}

/// How further pages are asked for.
pub(crate) struct Pages {
    pub(crate) plan: Pagination,
    pub(crate) next: Option<Expr>,
    pub(crate) stop: Option<Expr>,
}

/// How a trigger tells items apart.
pub(crate) struct Watch {
    pub(crate) key: Option<Expr>,
    pub(crate) incremental: Option<(Incremental, Expr)>,
}

impl Compiled {
    /// What every expression of a run sees, besides what belongs to its function.
    pub(crate) fn scope(
        &self,
        settings: Map<String, Value>,
        (name, value): (&str, Value),
    ) -> Map<String, Value> {
        let mut scope = Map::new();
        scope.insert("vars".to_owned(), Value::Object(settings));
        scope.insert("config".to_owned(), self.config.clone());
        scope.insert(name.to_owned(), value);
        scope
    }
}

impl TryFrom<Call> for Step {
    type Error = String;

    fn try_from(call: Call) -> Result<Self, String> {
        let Call { http, auth, kind, config, .. } = call;
        let (request, response, pagination, watch) = match kind {
            CallKind::Action(action) => (action.request, action.response, action.pagination, None),
            CallKind::Trigger(trigger) => {
                let key = optional("key", trigger.key.as_deref())?;
                let incremental = trigger
                    .incremental
                    .map(|it| expression("incremental.value", &it.value).map(|value| (it, value)))
                    .transpose()?;
                (trigger.request, trigger.response, trigger.pagination, Some(Watch { key, incremental }))
            }
        };
        let Response { format, result } = response;
        let Request { method, path, path_params, query, headers, body } = request;
        let rules = http.errors.into_iter().map(|rule| {
            Ok::<_, String>(Rule {
                status: rule.status,
                when: optional("errors.when", rule.when.as_deref())?,
                then: rule.then,
                message: rule
                    .message
                    .map(|text| mapping("errors.message", Value::String(text)))
                    .transpose()?,
            })
        });
        let pages = pagination.map(|plan| {
            let next = optional("pagination.next", plan.next.as_deref())?;
            let stop = optional("pagination.stop", plan.stop.as_deref())?;
            Ok::<_, String>(Pages { plan, next, stop })
        });
        Ok(Self(Arc::new(Compiled {
            base_url: mapping("base_url", Value::String(http.base_url))?,
            allowed_hosts: http.allowed_hosts.iter().map(|host| Pattern::new(host)).collect(),
            headers: [object("http.headers", http.headers)?, object("headers", headers)?],
            query: [object("http.query", http.query)?, object("query", query)?],
            method,
            path: if is_expression(&path) {
                Path::Expression(mapping("path", Value::String(path))?)
            } else {
                Path::Template(path, object("path_params", path_params)?)
            },
            body: body
                .map(|body| {
                    let value = mapping("body", body.value)?;
                    Ok::<_, String>(Body { format: body.format, value, content_type: body.content_type })
                })
                .transpose()?,
            timeout: Duration::from_secs(u64::from(http.timeout_seconds)),
            max_response_bytes: http.max_response_bytes,
            rules: rules.collect::<Result<_, String>>()?,
            auth,
            format,
            result: optional("response.result", result.as_deref())?,
            pages: pages.transpose()?,
            config,
            watch,
        })))
    }
}

fn object(place: &str, members: Map<String, Value>) -> Result<Mapping, String> {
    mapping(place, Value::Object(members))
}

fn mapping(place: &str, value: Value) -> Result<Mapping, String> {
    Mapping::parse(&value, &Limits::default()).map_err(|errors| {
        // All of them, once each: a text may be used twice.
        let lines: BTreeMap<String, ()> =
            errors.iter().map(|error| (format!("{place}: {error}"), ())).collect();
        lines.into_keys().collect::<Vec<_>>().join("; ")
    })
}

fn expression(place: &str, text: &str) -> Result<Expr, String> {
    Expr::parse(text).map_err(|error: MappingError| format!("{place}: {error}"))
}

fn optional(place: &str, text: Option<&str>) -> Result<Option<Expr>, String> {
    text.map(|text| expression(place, text)).transpose()
}
