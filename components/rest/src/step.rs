//! A call, compiled: every expression of it is parsed once, when a step is bound to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_declarative::{
    Action, Auth, Call, CallKind, Http, Incremental, Pagination, PaginationType, PollingTrigger, Reaction,
    Request, Response,
};
use sluice_mapping::Mapping;
use sluice_script::Scripts;
use sluice_sdk::protocol::FunctionName;

use crate::budget::Rates;
use crate::expression::Expr;
use crate::form::{Form, Path, expression, mapping, optional};
use crate::hosts::Pattern;
use crate::login::Login;

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
    /// The name and version of the connector.
    pub(crate) connector: String,
    pub(crate) form: Form,
    pub(crate) allowed_hosts: Vec<Pattern>,
    pub(crate) timeout: Duration,
    pub(crate) max_response_bytes: usize,
    pub(crate) rates: Rates,
    pub(crate) rules: Vec<Rule>,
    pub(crate) auth: Auth,
    /// How to log in, where that is what authorises requests.
    pub(crate) login: Option<Arc<Login>>,
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

impl Pages {
    /// Whether `next` gives what is laid over the last request.
    pub(crate) fn is_custom(&self) -> bool {
        self.plan.kind == PaginationType::Custom
    }
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
    /// Its name and version.
    connector: String,
    http: Http,
    auth: Auth,
    config: Value,
    scripts: Scripts,
}

impl TryFrom<Call> for Step {
    type Error = String;

    fn try_from(call: Call) -> Result<Self, String> {
        let Call { connector, http, auth, kind, config, scripts, actions, .. } = call;
        let sources = scripts.into_iter().map(|(name, code)| (name.to_string(), code)).collect();
        let scripts = Scripts::compile(&sources, sluice_script::Limits::default())
            .map_err(|error| error.to_string())?;
        let common = Common { connector, http, auth, config, scripts };
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

    /// How to log in, where that is what authorises requests.
    fn login(&self) -> Result<Option<Arc<Login>>, String> {
        let Some(session) = self.auth.login().cloned() else { return Ok(None) };
        let mut form = Form::compile(&self.http, session.login.request(), None)?;
        if let Some(url) = &session.login.url {
            form.path = Path::Url(Login::url(url)?);
        }
        let login = Login::compile(session, form).map_err(|error| format!("auth.session: {error}"))?;
        Ok(Some(Arc::new(login)))
    }

    fn rules(&self) -> Result<Vec<Rule>, String> {
        let rules = self.http.errors.iter().cloned().map(|rule| {
            Ok(Rule {
                status: rule.status,
                when: optional("errors.when", rule.when.as_deref())?,
                then: rule.then,
                message: rule
                    .message
                    .map(|text| mapping("errors.message", Value::String(text)))
                    .transpose()?,
            })
        });
        rules.collect()
    }

    fn request(&self, parts: Parts) -> Result<Routine, String> {
        let Self { connector, http, auth, config, scripts } = self;
        let Parts { request, response, pagination, watch, before, after } = parts;
        let Response { format, result } = response;
        if let Some(script) = auth.signer() {
            self.known(script.clone())?;
        }
        let pages = pagination.map(|plan| {
            let next = optional("pagination.next", plan.next.as_deref())?;
            let stop = optional("pagination.stop", plan.stop.as_deref())?;
            Ok::<_, String>(Pages { plan, next, stop })
        });
        let mut form = Form::compile(http, request, format)?;
        let pages = pages.transpose()?;
        form.keeps_value = pages.as_ref().is_some_and(Pages::is_custom);
        Ok(Routine::Request(Arc::new(Compiled {
            connector: connector.clone(),
            form,
            allowed_hosts: http.allowed_hosts.iter().map(|host| Pattern::new(host)).collect(),
            timeout: Duration::from_secs(u64::from(http.timeout_seconds)),
            max_response_bytes: http.max_response_bytes,
            rates: Rates::new(http.rate_limit.as_ref()),
            rules: self.rules()?,
            auth: auth.clone(),
            login: self.login()?,
            result: optional("response.result", result.as_deref())?,
            pages,
            config: config.clone(),
            watch,
            scripts: scripts.clone(),
            before: before.map(|name| self.known(name)).transpose()?,
            after: after.map(|name| self.known(name)).transpose()?,
        })))
    }
}
