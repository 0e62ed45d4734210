//! A call, compiled: every expression of it is parsed once, when a step is bound to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_declarative::{
    Action, Auth, BodyFormat, Call, CallKind, Http, Incremental, Pagination, PollingTrigger, Reaction,
    Request, Response, ResponseFormat,
};
use sluice_mapping::{Limits, Mapping, MappingError, is_expression};
use sluice_script::Scripts;
use sluice_sdk::protocol::FunctionName;

use crate::expression::Expr;
use crate::hosts::Pattern;

/// The config of a step. Cheap to clone.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Call")]
pub(crate) struct Step {
    pub(crate) routine: Routine,
    pub(crate) library: Arc<Library>,
}

/// What an action or trigger does.
#[derive(Clone)]
pub(crate) enum Routine {
    Request(Arc<Compiled>),
    /// The script of this name.
    Script(String),
}

/// What scripts of a step find.
pub(crate) struct Library {
    pub(crate) scripts: Scripts,
    /// The actions that scripts may call.
    pub(crate) actions: BTreeMap<String, Routine>,
    pub(crate) config: Value,
}

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
    pub(crate) scripts: Scripts,
    /// The scripts that make the input and the output.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
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

/// What a request is made of, in the words of the file.
struct Parts {
    request: Request,
    response: Response,
    pagination: Option<Pagination>,
    watch: Option<Watch>,
    before: Option<FunctionName>,
    after: Option<FunctionName>,
}

/// What all requests of a call have in common.
struct Common {
    http: Http,
    auth: Auth,
    config: Value,
    scripts: Scripts,
}

impl TryFrom<Call> for Step {
    type Error = String;

    fn try_from(call: Call) -> Result<Self, String> {
        let Call { http, auth, kind, config, scripts, actions, .. } = call;
        let sources = scripts.into_iter().map(|(name, code)| (name.to_string(), code)).collect();
        let scripts = Scripts::compile(&sources, sluice_script::Limits::default())
            .map_err(|error| error.to_string())?;
        let common = Common { http, auth, config, scripts };
        let routine = match kind {
            CallKind::Action(action) => common.action(action)?,
            CallKind::Trigger(trigger) => common.trigger(trigger)?,
        };
        let actions = actions
            .into_iter()
            .map(|(name, action)| Ok((name.to_string(), common.action(action)?)))
            .collect::<Result<_, String>>()?;
        let Common { config, scripts, .. } = common;
        Ok(Self { routine, library: Arc::new(Library { scripts, actions, config }) })
    }
}

impl Common {
    fn action(&self, action: Action) -> Result<Routine, String> {
        let Action { request, script, before, after, response, pagination, .. } = action;
        match (request, script) {
            (Some(request), None) => {
                self.request(Parts { request, response, pagination, watch: None, before, after })
            }
            (None, Some(script)) => self.known(script).map(Routine::Script),
            _ => Err("an action has either a request or a script".to_owned()),
        }
    }

    fn trigger(&self, trigger: PollingTrigger) -> Result<Routine, String> {
        let PollingTrigger { request, response, pagination, after, .. } = trigger;
        let key = optional("key", trigger.key.as_deref())?;
        let incremental = trigger
            .incremental
            .map(|it| expression("incremental.value", &it.value).map(|value| (it, value)))
            .transpose()?;
        let watch = Some(Watch { key, incremental });
        self.request(Parts { request, response, pagination, watch, before: None, after })
    }

    fn known(&self, script: FunctionName) -> Result<String, String> {
        let name = script.to_string();
        if self.scripts.has(&name) { Ok(name) } else { Err(format!("there is no script `{name}`")) }
    }

    fn request(&self, parts: Parts) -> Result<Routine, String> {
        let Self { http, auth, config, scripts } = self;
        let Http { base_url, headers: all_headers, query: all_query, .. } = http.clone();
        let Parts { request, response, pagination, watch, before, after } = parts;
        let Response { format, result } = response;
        let Request { method, path, path_params, query, headers, body } = request;
        if let Some(script) = &auth.script {
            self.known(script.clone())?;
        }
        let rules = http.errors.iter().cloned().map(|rule| {
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
        Ok(Routine::Request(Arc::new(Compiled {
            base_url: mapping("base_url", Value::String(base_url))?,
            allowed_hosts: http.allowed_hosts.iter().map(|host| Pattern::new(host)).collect(),
            headers: [object("http.headers", all_headers)?, object("headers", headers)?],
            query: [object("http.query", all_query)?, object("query", query)?],
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
            auth: auth.clone(),
            format,
            result: optional("response.result", result.as_deref())?,
            pages: pages.transpose()?,
            config: config.clone(),
            watch,
            scripts: scripts.clone(),
            before: before.map(|name| self.known(name)).transpose()?,
            after: after.map(|name| self.known(name)).transpose()?,
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
